/// The table of tokens: finite rows, and none dead that an ordinary text needs.
#include "app/check/check.h"
#include "app/check/table_rows.h"

namespace vauban {
namespace {

void run(CheckSubject& subject, Findings& findings) {
  if (!subject.runtime) return findings.not_run("the model could not be loaded");
  test_table_rows(subject, table_name(subject, TensorRole::embedding), findings);
}

}  // namespace

CheckStage embedding_stage() { return {"embedding", "the rows of the token table", run}; }

}  // namespace vauban
