/// The matrices of the feed-forward blocks, experts included.
#include "app/check/check.h"
#include "app/check/parts.h"

namespace vauban {
namespace {

void run(CheckSubject& subject, Findings& findings) {
  if (!subject.runtime) return findings.not_run("the model could not be loaded");
  test_matrices(subject, layer_matrices(subject, LayerPart::feed), findings);
}

}  // namespace

CheckStage mlp_stage() { return {"mlp", "the matrices of the feed-forward blocks", run}; }

}  // namespace vauban
