/// Proof: the contracts of Ops and Gradients in miniature, a device of LibTorch against the reference in f64.
///
/// It needs nothing but the sources of base, tensor, ops, the reference and the module: it is meant for a machine where
/// LibTorch is the only thing that can be had (CMakeLists.txt). The full contracts are tests/contract/.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "ops/gradients.h"
#include "ops/ops.h"

namespace vauban::proof {

/// What one check found. `row` is the row of docs/torch_surface_matrix.md that it speaks for.
struct Check {
  std::string id, row;
  std::string relation;  ///< how `measured` must stand to `bound`: "<=", ">="
  double bound = 0.0, measured = 0.0;
  bool passed = false;
  std::string note;  ///< why it could not be measured; else empty
};

/// Bounds on the normalised mean square error against f64, as in tests/contract/ops_contract_test.cpp.
inline constexpr double kSum = 1e-12;      ///< f32 sums of up to some thousand terms, random signs
inline constexpr double kElement = 1e-13;  ///< a few roundings, and exp, tanh or rsqrt within a few ulp
inline constexpr double kGradient = 1e-11;  ///< the same behind a softcap's slope
inline constexpr double kNative = 1e-4;    ///< bf16 operands and results: 2^-9 each, squared, some roundings
inline constexpr double kExact = 0.0;

using Numbers = std::vector<double>;

/// Collects checks. Every comparison can be spoilt on purpose: the check of that name must then fail.
class Proof {
 public:
  using Answer = std::function<Numbers(Ops&)>;

  /// `planted`: id of the check whose measurement is spoilt, "all", or "".
  Proof(Ops& specification, Ops& device, std::string planted);

  Ops& device() { return device_; }

  /// The same computation on both, in a step of its own: NMSE of the device's answer at most `bound`.
  void near(std::string_view row, std::string id, double bound, const Answer& answer);
  /// A computation on the device alone: how many elements of the two answers differ (bit for bit in f64): none.
  void same(std::string_view row, std::string id, const std::function<std::pair<Numbers, Numbers>(Ops&)>& answers);
  void at_least(std::string_view row, std::string id, double bound, double measured);
  /// The device's step ends with this error after `attempt`: measured is 1.
  void refuses(std::string_view row, std::string id, ErrorCode code, const std::function<void(Ops&)>& attempt);
  /// As near(), against a bound and an answer that are known beforehand.
  void equals(std::string_view row, std::string id, double bound, const Numbers& expected, const Answer& answer);

  const std::vector<Check>& checks() const { return checks_; }

 private:
  bool is_spoilt(const std::string& id) const { return planted_ == id || planted_ == "all"; }
  void spoil(const std::string& id, Numbers& numbers) const;
  void add(Check check);

  Ops& specification_;
  Ops& device_;
  std::string planted_;
  std::vector<Check> checks_;
};

/// Sum of squared differences over the sum of squares; equal infinities count as equal, other NaN or Inf give infinity.
double nmse(const Numbers& got, const Numbers& expected);

// ---- operands, the same numbers for everyone ----

/// Seeded normals that are exact in f32.
Numbers normals(std::int64_t count, std::uint64_t stream, double scale = 1.0);
/// A tensor of the backend's activation type (f64 or f32; host memory, which a device copies).
Tensor activation(const Ops& ops, const Shape& shape, const Numbers& values);
/// `values` as a file stores them.
struct Stored {
  std::shared_ptr<std::vector<std::byte>> memory;
  TensorView view;
};
Stored stored(DType dtype, const Shape& shape, const Numbers& values);
/// Errors end the check: they are thrown as std::runtime_error, which Proof catches.
Weight load(Ops& ops, const Stored& weight);

// ---- the checks, by subject ----

void prove_forward(Proof& proof);
void prove_attention(Proof& proof);   ///< paged, prefill and decode, maps, page copies
void prove_recurrences(Proof& proof);
void prove_primitive(Proof& proof);
void prove_gradients(Proof& proof);
void prove_weights(Proof& proof);     ///< what is loaded can be read back
void prove_written_weights(Proof& proof);  ///< what is written is used; on operations with gradients
void prove_profile(Proof& proof);     ///< counters and device time
/// Of a device in native numerics, in this order: the first weight that it loads decides its type.
void prove_native(Proof& proof);
void prove_native_weights(Proof& proof);

}  // namespace vauban::proof
