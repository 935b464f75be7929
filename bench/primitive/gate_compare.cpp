#include "primitive/gate_compare.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <limits>

#include "base/rng.h"
#include "ops/primitive_rows.h"
#include "tensor/quant/format.h"

namespace vauban::bench {
namespace {

constexpr double kFar = std::numeric_limits<double>::infinity();

using Mode = PrimitiveMode;
constexpr std::array kModes{Mode::project,         Mode::subtract,     Mode::add,   Mode::subspace_project,
                            Mode::subspace_remove, Mode::subspace_add, Mode::clamp, Mode::offset};
constexpr std::array<std::int64_t, 4> kWidths{7, 33, 896, 2049};

float rounded(double value, DType storage) {
  const auto narrow = static_cast<float>(value);
  return storage == DType::bf16 ? bf16_to_f32(f32_to_bf16(narrow)) : narrow;
}

Result<Problem> make_problem(Mode mode, bool gated, DType storage, std::int64_t width) {
  Rng rng(11, static_cast<std::uint64_t>(width));
  Problem problem{.storage = storage, .width = width, .values = {}, .primitive = {}, .name = {}};
  for (std::int64_t i = 0; i < kGateRows * width; ++i) problem.values.push_back(rounded(rng.normal(), storage));
  Primitive p{.mode = gated ? Mode::conditional : mode, .alpha = 0.7, .lo = -0.3, .hi = 0.4, .inner = mode};
  p.basis_rows = is_subspace(mode) ? 3 : 1;
  for (std::int64_t i = 0; i < p.basis_rows * width; ++i) p.direction.push_back(rng.normal());
  if (gated)
    for (std::int64_t i = 0; i < width; ++i) p.gate.push_back(rng.normal());
  VB_TRY(problem.primitive, validate_primitive(p, width));
  const std::string name = gated ? format("conditional({})", to_string(mode)) : std::string(to_string(mode));
  problem.name = format("{} {} D={}", name, to_string(storage), width);
  return problem;
}

Result<Tensor> rows_of(Ops& ops, const Problem& problem) {
  if (problem.storage == DType::f32) {
    std::vector<std::int32_t> ids(kGateRows);
    for (std::size_t i = 0; i < ids.size(); ++i) ids[i] = static_cast<std::int32_t>(i);
    const TensorView view{DType::f32, {kGateRows, problem.width}, std::as_bytes(std::span(problem.values))};
    VB_TRY(const Weight table, ops.load_weight("rows", view, nullptr));
    return ops.embed(table, ids);
  }
  Tensor rows = make_host_tensor(problem.storage, {kGateRows, problem.width});
  for (std::size_t i = 0; i < problem.values.size(); ++i) rows.as<std::uint16_t>()[i] = f32_to_bf16(problem.values[i]);
  return rows;
}

/// The largest difference; one that is no number is infinite.
double worst(const std::vector<double>& a, const std::vector<double>& b, double scale) {
  if (a.size() != b.size()) return kFar;
  double largest = 0.0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double difference = std::abs(a[i] - b[i]) / scale;
    largest = difference <= largest ? largest : std::isnan(difference) ? kFar : difference;
  }
  return largest;
}

double length(std::span<const double> v) {
  double squares = 0.0;
  for (const double value : v) squares += value * value;
  return std::sqrt(squares);
}

/// |h| |d|, of a row of normals and the longest direction.
double scale_of(const Problem& problem) {
  const auto width = static_cast<std::size_t>(problem.width);
  double longest = 1.0;  // an output that is not projected has the scale of its row
  for (std::size_t at = 0; at < problem.primitive.direction.size(); at += width)
    longest = std::max(longest, length(std::span(problem.primitive.direction).subspan(at, width)));
  return std::sqrt(static_cast<double>(problem.width)) * longest;
}

/// What `after` and `delta_norm` must be of the output that was given.
double against_own_output(const Answer& answer, const Problem& problem, double scale) {
  const auto width = static_cast<std::size_t>(problem.width);
  std::vector<double> after, delta;
  for (const std::int32_t row : kGateTouched) {
    const std::size_t at = static_cast<std::size_t>(row) * width;
    const std::span<const double> out(answer.output.data() + at, width);
    std::vector<double> change(width);
    for (std::size_t i = 0; i < width; ++i) change[i] = out[i] - static_cast<double>(problem.values[at + i]);
    delta.push_back(length(change));
    for (std::size_t d = 0; d < problem.primitive.direction.size(); d += width) {
      double dot = 0.0;
      for (std::size_t i = 0; i < width; ++i) dot += out[i] * problem.primitive.direction[d + i];
      after.push_back(dot);
    }
  }
  return std::max(worst(answer.result.after, after, scale), worst(answer.result.delta_norm, delta, scale));
}

/// Share of bf16 elements that differ; infinite where one is more than a step away.
double differing(const std::vector<double>& a, const std::vector<double>& b) {
  if (a.size() != b.size()) return kFar;
  double count = 0.0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (a[i] == b[i]) continue;
    if (!(std::abs(a[i] - b[i]) <= 0x1p-7 * std::max(std::abs(a[i]), std::abs(b[i])))) return kFar;
    count += 1.0;
  }
  return std::max(0.0, count - 1.0) / static_cast<double>(a.size());  // in 119 elements one is already above the bound
}

}  // namespace

Result<std::vector<Problem>> all_problems() {
  std::vector<Problem> problems;
  for (const DType storage : {DType::f32, DType::bf16})
    for (const std::int64_t width : kWidths)
      for (const Mode mode : kModes)
        for (const bool gated : {false, true}) {
          VB_TRY(Problem problem, make_problem(mode, gated, storage, width));
          problems.push_back(std::move(problem));
        }
  return problems;
}

Result<Answer> answer_of(Ops& ops, const Problem& problem) {
  ops.begin_step();
  VB_TRY(const Tensor rows, rows_of(ops, problem));
  Answer answer;
  answer.result = ops.primitive(rows, problem.primitive, kGateTouched);
  answer.output = to_f64(answer.result.output);
  VB_CHECK(ops.end_step());
  return answer;
}

bool Apart::within_bounds() const { return figures <= kFigureBound && own <= kFigureBound && elements <= kElementBound; }

Apart Apart::worst_of(const Apart& other) const {
  return {.figures = std::max(figures, other.figures),
          .own = std::max(own, other.own),
          .elements = std::max(elements, other.elements)};
}

Json Apart::to_json() const {
  return Json::object({{"figures", std::min(figures, 1e300)},
                       {"bf16_own_figures", std::min(own, 1e300)},
                       {"bf16_elements_that_differ", std::min(elements, 1e300)}});
}

Apart apart(const Answer& a, const Answer& b, const Problem& problem) {
  if (a.result.gates_open != b.result.gates_open) return {.figures = kFar};
  const double scale = scale_of(problem);
  Apart out{.figures = std::max(worst(a.result.before, b.result.before, scale),
                                worst(a.result.input_norm, b.result.input_norm, scale))};
  if (problem.storage == DType::f32) {
    out.figures = std::max({out.figures, worst(a.output, b.output, scale), worst(a.result.after, b.result.after, scale),
                            worst(a.result.delta_norm, b.result.delta_norm, scale)});
    return out;
  }
  out.own = std::max(against_own_output(a, problem, scale), against_own_output(b, problem, scale));
  out.elements = differing(a.output, b.output);
  return out;
}

namespace {

/// The largest |value| of a recorded {count, mean, min, max}; 0 of none.
double reach(const Json& summary) {
  double largest = 0.0;
  for (const char* key : {"min", "max"})
    if (const Json* value = summary.find(key); value && value->is_number())
      largest = std::max(largest, std::abs(value->as_double()));
  return largest;
}

/// How far two summaries of the same rows lie apart, in units of `scale`; infinite when they do not count the same rows.
double summary_distance(const Json& a, const Json& b, double scale) {
  double largest = 0.0;
  for (const char* key : {"count", "mean", "min", "max"}) {
    const Json *ours = a.find(key), *theirs = b.find(key);
    if (!ours || !theirs || ours->is_number() != theirs->is_number()) return kFar;
    if (!ours->is_number()) continue;
    const double apart = std::abs(ours->as_double() - theirs->as_double());
    if (std::string_view(key) == "count" && apart != 0.0) return kFar;
    if (apart != 0.0) largest = std::max(largest, apart / scale);
  }
  return largest;
}

}  // namespace

double effect_distance(const Trace& a, const Trace& b) {
  double largest = 0.0;
  for (const TraceArtifact* artifact : a.artifacts_by_kind(ArtifactKind::intervention_result)) {
    const TraceArtifact* other = b.find(artifact->artifact_id);
    if (!other) return kFar;
    const Json* rows = artifact->metadata.find("rows_touched");
    const Json* other_rows = other->metadata.find("rows_touched");
    if (!rows || !other_rows || rows->as_double() != other_rows->as_double()) return kFar;
    const Json* before = artifact->metadata.find("projection_summary_before");
    if (!before) return kFar;
    for (const char* key : {"projection_summary_before", "projection_summary_after", "delta_summary"}) {
      const Json *ours = artifact->metadata.find(key), *theirs = other->metadata.find(key);
      if (!ours || !theirs) return kFar;
      largest = std::max(largest, summary_distance(*ours, *theirs, reach(*before)));
    }
  }
  return largest;
}

bool effects_agree(const Trace& a, const Trace& b) {
  for (const TraceArtifact* artifact : a.artifacts_by_kind(ArtifactKind::intervention_result)) {
    const TraceArtifact* other = b.find(artifact->artifact_id);
    const Json *ours = artifact->metadata.find("effect"), *theirs = other ? other->metadata.find("effect") : nullptr;
    if (!ours || !theirs || ours->as_string() != "changed" || theirs->as_string() != "changed") return false;
  }
  return !a.artifacts_by_kind(ArtifactKind::intervention_result).empty();
}

namespace {

/// What two runs of the same work measure, by the names of docs/trace-format.md: times, and statistics of values.
constexpr std::array<std::string_view, 16> kMeasured{
    "duration_s", "device_s", "step_duration_s", "host_peak_bytes", "mean", "std",          "min",   "max",
    "rms",        "abs_max",  "row_norm_mean",   "row_norm_max",    "l2_norm", "value", "values",
    "total_duration_s"};

bool is_digest(const std::string& text) {
  return text.size() == 64 && text.find_first_not_of("0123456789abcdef") == std::string::npos;
}

}  // namespace

Json skeleton(const Json& value, std::string_view key) {
  if (value.is_number()) return std::ranges::find(kMeasured, key) == kMeasured.end() ? value : Json(0);
  if (value.is_string()) {
    const std::string& text = value.as_string();
    if (key == "kernel_path") return text.substr(0, text.find(" primitive/"));
    return is_digest(text) ? Json("digest") : value;
  }
  if (value.is_array()) {
    Json out = Json::array();
    for (const Json& item : value.items()) out.push_back(skeleton(item, key));
    return out;
  }
  if (!value.is_object()) return value;
  Json out = Json::object({});
  for (const auto& [name, item] : value.entries()) out[name] = skeleton(item, name);
  return out;
}

std::string first_difference(const Json& a, const Json& b, const std::string& place) {
  if (a.is_object() && b.is_object()) {
    for (const auto& [key, value] : a.entries()) {
      const Json* other = b.find(key);
      if (!other) return place + "/" + key;
      if (auto found = first_difference(value, *other, place + "/" + key); !found.empty()) return found;
    }
    return a.size() == b.size() ? "" : place + " (keys)";
  }
  if (a.is_array() && b.is_array() && a.size() == b.size()) {
    for (std::size_t i = 0; i < a.size(); ++i)
      if (auto found = first_difference(a.items()[i], b.items()[i], format("{}/{}", place, i)); !found.empty())
        return found;
    return "";
  }
  return a.dump().value_or("?") == b.dump().value_or("!") ? "" : place.empty() ? "/" : place;
}

}  // namespace vauban::bench
