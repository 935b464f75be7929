/// What the checks of the gate compare, apart from running it: two implementations of the primitive on the same rows, and
/// two traces of the same request. gate_compare_test.cpp plants a fault in each.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "ops/ops.h"
#include "vauban/trace.h"

namespace vauban::bench {

// ---- two implementations

/// Rows in f32 or bf16 storage, and what is done to some of them.
struct Problem {
  DType storage = DType::f32;
  std::int64_t width = 0;
  std::vector<float> values;  ///< (kGateRows, width), exact in `storage`
  Primitive primitive;        ///< validated
  std::string name;           ///< "conditional(add) bf16 D=896"
};
inline constexpr std::int64_t kGateRows = 17;
inline constexpr std::int32_t kGateTouched[] = {0, 3, 4, 9, 16};

/// Every mode, a conditional of every inner mode, f32 and bf16, widths 7, 33, 896 and 2049.
Result<std::vector<Problem>> all_problems();

struct Answer {
  PrimitiveResult result;
  std::vector<double> output;
};
/// Of a backend that holds activations in f32. f32 rows come from embed(), where the backend keeps its own.
Result<Answer> answer_of(Ops& ops, const Problem& problem);

/// How far two answers lie apart. Lengths are in units of |h| |d|.
struct Apart {
  double figures = 0;  ///< projections before and lengths of the input; of f32 rows also the output and what follows from it
  double own = 0;      ///< bf16: each answer's figures afterwards against its own output
  /// bf16: share of elements beyond the first one that differ by one step; infinite where one differs by more.
  double elements = 0;
  bool within_bounds() const;
  Apart worst_of(const Apart& other) const;
  Json to_json() const;
};
/// Two f32 sums over up to 2049 products, in different orders.
inline constexpr double kFigureBound = 1e-5;
/// An f32 sum rounded to bf16 falls on the other side of a tie about once in 2^14; truncation would differ in half of them.
inline constexpr double kElementBound = 1e-3;
Apart apart(const Answer& a, const Answer& b, const Problem& problem);

// ---- two traces

/// The measured effects of a trace's interventions. The unit is the largest projection before the edit: a mean over rows
/// cancels, and a projection that was taken out is a rounding, so neither has a scale of its own. Infinite where records
/// are missing or do not count the same rows.
double effect_distance(const Trace& a, const Trace& b);
/// Whether both have interventions, all of them with the effect "changed".
bool effects_agree(const Trace& a, const Trace& b);

/// A document without its measurements: durations, statistics of values and digests give way to their kind, and a kernel
/// path loses the primitive's part. Everything else, counts and shapes and bytes included, stays.
Json skeleton(const Json& value, std::string_view key = {});
/// Where two documents first differ; "" when they do not.
std::string first_difference(const Json& a, const Json& b, const std::string& place = "");

}  // namespace vauban::bench
