/// Does the file hold the tensors that the configuration speaks of, in these shapes, with finite values?
#include <algorithm>
#include <cmath>

#include "app/check/check.h"

namespace vauban {
namespace {

void test_values(const CheckSubject& subject, Findings& findings) {
  std::size_t decoded = 0, zero = 0;
  for (const TensorEntry& tensor : subject.source.file->tensors()) {
    const auto values = decode_f32(tensor.view);
    if (!values) {
      findings.not_run("the values of {}: {}", tensor.name, describe(values.error()));
      continue;
    }
    ++decoded;
    if (const auto bad = std::ranges::count_if(*values, [](float v) { return !std::isfinite(v); }); bad > 0)
      findings.fault("{}: {} of {} values are NaN or infinite", tensor.name, bad, values->size());
    if (std::ranges::all_of(*values, [](float v) { return v == 0.0F; })) ++zero;  // a bias may be
  }
  findings.fine("the values of {} tensors are finite ({} are all zero)", decoded, zero);
}

void run(CheckSubject& subject, Findings& findings) {
  if (!subject.architecture_error.empty())
    findings.fault("{}", subject.architecture_error);
  else if (!subject.load_error.empty())
    findings.fault("{}", subject.load_error);
  else
    findings.fine("{} tensors in the shapes of the configuration, none left over, digest {}", subject.source.file->tensors().size(),
                  subject.source.file->digest());
  test_values(subject, findings);
}

}  // namespace

CheckStage file_stage() { return {"file", "every tensor is there, in its shape, and finite", run}; }

}  // namespace vauban
