/// The matrices of the feed-forward blocks, experts included.
#include "app/check/check.h"
#include "app/check/parts.h"

namespace vauban {
namespace {

void run(CheckSubject& subject, Findings& findings) {
  if (!subject.runtime) return findings.not_run("the model could not be loaded");
  const std::vector<std::string> matrices = layer_matrices(subject, LayerPart::feed);
  if (matrices.empty()) return findings.fine("the model has no feed-forward blocks");
  test_matrices(subject, matrices, findings);
}

}  // namespace

CheckStage mlp_stage() { return {"mlp", "the matrices of the feed-forward blocks", run}; }

}  // namespace vauban
