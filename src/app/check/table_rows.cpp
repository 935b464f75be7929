#include "app/check/table_rows.h"

#include <algorithm>
#include <cmath>
#include <set>

namespace vauban {

std::string table_name(const CheckSubject& subject, TensorRole role) {
  const auto found = std::ranges::find(subject.tensors, role, &TensorSpec::role);
  return found == subject.tensors.end() ? std::string() : found->hf;
}

void test_table_rows(CheckSubject& subject, const std::string& name, Findings& findings) {
  const auto values = subject.values(name);
  if (!values) return findings.fault("{}: {}", name, describe(values.error()));
  if (values->empty()) return findings.not_run("the network has no '{}'", name);
  const std::size_t rows = static_cast<std::size_t>(subject.config.vocab_size), width = values->size() / rows;
  std::set<std::size_t> used;
  if (subject.probe) used.insert(subject.probe->ids.begin(), subject.probe->ids.end());
  std::size_t bad = 0, dead = 0, dead_and_used = 0;
  for (std::size_t r = 0; r < rows; ++r) {
    const auto row = std::span(*values).subspan(r * width, width);
    if (!std::ranges::all_of(row, [](float v) { return std::isfinite(v); })) ++bad;
    if (!std::ranges::all_of(row, [](float v) { return v == 0.0F; })) continue;
    ++dead;
    dead_and_used += used.contains(r);
  }
  if (bad > 0) findings.fault("{}: {} of {} rows are not finite", name, bad, rows);
  if (dead_and_used > 0) findings.fault("{}: the rows of {} tokens of an ordinary text are zero", name, dead_and_used);
  if (2 * dead > rows) findings.fault("{}: {} of {} rows are zero", name, dead, rows);
  findings.fine("{} rows of {}, {} of them zero", rows, name, dead);
}

}  // namespace vauban
