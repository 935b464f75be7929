#include "model/weight_snapshot.h"

#include <cmath>

#include "base/sha256.h"
#include "base/strings.h"
#include "trace/row_stats.h"

namespace vauban {
namespace {

/// Over the finite values, as the moments of the summary are.
Json l2_norm(const Json& summary) {
  const Json* rms = summary.find("rms");
  if (!rms || rms->is_null()) return {};
  const std::int64_t finite = summary.find("count")->as_int() - summary.find("nan_count")->as_int() -
                              summary.find("inf_count")->as_int();
  return rms->as_double() * std::sqrt(static_cast<double>(finite));
}

}  // namespace

Result<std::vector<float>> read_weight(const Weight& weight) {
  const DType held = weight.tensor.dtype();
  // to_f32 takes types without a decoder for a programmer's error, and a file may bring any.
  VB_CHECK(decode_f32({.dtype = held, .shape = {0}, .bytes = {}}), "while reading weight '{}'", weight.name);
  VB_TRY(std::vector<float> values, read_f32(weight.tensor), "while reading weight '{}'", weight.name);
  return values;
}

WeightSnapshot snapshot_of(const Weight& weight, std::span<const float> values) {
  RowStats stats;
  const auto width = static_cast<std::size_t>(weight.shape.width());
  for (std::size_t at = 0; at < values.size(); at += width) stats.add(values.subspan(at, width));
  WeightSnapshot out{.name = weight.name,
                     .stored = weight.dtype,
                     .shape = weight.shape,
                     .digest = sha256_hex(std::as_bytes(values)),
                     .summary = stats.to_json()};
  out.summary["l2_norm"] = l2_norm(out.summary);
  return out;
}

std::map<std::string, std::vector<Weight*>> weights_by_name(Network& network) {
  std::map<std::string, std::vector<Weight*>> found;
  network.visit_weights([&](Weight& weight) { found[weight.name].push_back(&weight); });
  return found;
}

/// Greedy with one point of return: the last '*' may swallow one character more.
bool matches_glob(std::string_view glob, std::string_view name) {
  std::size_t g = 0, n = 0, star = std::string_view::npos, swallowed = 0;
  while (n < name.size()) {
    if (g < glob.size() && glob[g] == '*') {
      star = g++;
      swallowed = n;
    } else if (g < glob.size() && (glob[g] == '?' || glob[g] == name[n])) {
      ++g;
      ++n;
    } else if (star != std::string_view::npos) {
      g = star + 1;
      n = ++swallowed;
    } else {
      return false;
    }
  }
  while (g < glob.size() && glob[g] == '*') ++g;
  return g == glob.size();
}

Error no_such_tensor(std::string_view glob, const std::vector<std::string>& names) {
  const std::string nearest = did_you_mean(glob, names);
  const Error error = not_found("no loaded tensor is called '{}'", printable(glob, 200));
  if (!nearest.empty()) return with_hint(error, format("did you mean '{}'?", nearest));
  return with_hint(error,
                   "`vauban trace MODEL --observe 'weights:*:summary'` lists the names; a tied head is its table");
}

}  // namespace vauban
