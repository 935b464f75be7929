/// What the op contract tests share: the list of executors, operands between poisoned guards, and a distance.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <gtest/gtest.h>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "backends/backends.h"
#include "backends/cpu/cpu_ops.h"
#include "base/rng.h"
#include "ops/ops.h"
#include "support/backends_here.h"
#include "support/test_context.h"
#include "tensor/quant/format.h"

namespace vauban::test {

/// One way to run the operations: every backend of the list on every device (places_here), and every kernel target of the cpu
/// backend.
struct Executor {
  std::string name;
  std::string backend;
  std::optional<CpuTarget> target;
  std::optional<PrimitivePath> primitive = {};  ///< of the cpu backend; none: its default
  std::string device = {};                      ///< "": the backend's first
};

inline std::vector<Executor> all_executors() {
  std::vector<Executor> executors;
  for (const Place& place : places_here())
    if (place.backend != "cpu") executors.push_back({.name = place.name(), .backend = place.backend, .target = {}, .device = place.device});
  for (const CpuTarget target : available_cpu_targets())
    executors.push_back({"cpu_" + std::string(to_string(target)), "cpu", target});
  return executors;
}
/// The same, with both paths of the cpu backend's activation primitive: the scalar one is the same on every target.
inline std::vector<Executor> primitive_executors() {
  std::vector<Executor> executors{{"cpu_scalar", "cpu", CpuTarget::portable, PrimitivePath::scalar}};
  for (Executor executor : all_executors()) {
    if (executor.target) executor.primitive = PrimitivePath::simd, executor.name += "_simd";
    executors.push_back(std::move(executor));
  }
  return executors;
}
/// Whether its primitive sums in f64; others are held to the bounds of f32 sums.
inline bool primitive_in_f64(const Executor& executor) {
  return executor.backend == "reference" || executor.primitive == PrimitivePath::scalar;
}
inline std::string executor_name(const testing::TestParamInfo<Executor>& info) { return info.param.name; }
inline void PrintTo(const Executor& executor, std::ostream* out) { *out << executor.name; }

/// A context with its own pool, and one backend on it.
class Bench : TestContext {
 public:
  explicit Bench(const Executor& executor, int threads = 1) : TestContext(threads, 1) {
    auto made = executor.target ? make_cpu_ops(context_, executor.target, executor.primitive)
                                : make_backend(executor.backend, context_, {.device = executor.device});
    if (!made) ADD_FAILURE() << describe(made.error());
    ops_ = std::move(made).value();
    ops_->begin_step();
  }
  Ops& operator*() { return *ops_; }
  Ops* operator->() { return ops_.get(); }
  /// Ends the step and expects that nothing went wrong in it.
  void expect_clean() {
    const Result<void> status = ops_->end_step();
    EXPECT_TRUE(status.has_value()) << describe(status.error());
  }

 private:
  std::unique_ptr<Ops> ops_;
};

/// Memory between two guards of NaN patterns, at an address that is only as aligned as its type needs.
class GuardedStorage final : public Storage {
 public:
  static constexpr std::size_t kGuard = 256;
  GuardedStorage(std::size_t size, std::size_t misalignment)
      : size_(size), lead_(kGuard + misalignment), memory_(lead_ + size + kGuard, std::byte{0xff}) {}
  ~GuardedStorage() override {
    const auto is_intact = [](std::byte byte) { return byte == std::byte{0xff}; };
    const auto lead = memory_.begin() + static_cast<std::ptrdiff_t>(lead_);
    EXPECT_TRUE(std::all_of(memory_.begin(), lead, is_intact)) << "the guard before an operand was written";
    EXPECT_TRUE(std::all_of(lead + static_cast<std::ptrdiff_t>(size_), memory_.end(), is_intact))
        << "the guard behind an operand was written";
  }
  std::byte* data() override { return memory_.data() + lead_; }

 private:
  std::size_t size_, lead_;
  std::vector<std::byte> memory_;
};

inline std::vector<double> normals(std::size_t count, std::uint64_t stream, double scale = 1.0) {
  Rng rng(20260101, stream);
  std::vector<double> values(count);
  // Through f32, so that every executor starts from the same numbers.
  for (double& value : values) value = static_cast<double>(static_cast<float>(rng.normal() * scale));
  return values;
}

/// An activation of the backend's type that holds `values`.
inline Tensor activation(const Ops& ops, const Shape& shape, const std::vector<double>& values) {
  const bool wide = ops.activation_dtype() == DType::f64;
  const std::size_t bytes = values.size() * (wide ? 8 : 4);
  Tensor tensor(ops.activation_dtype(), shape, StorageRef(new GuardedStorage(bytes, wide ? 8 : 4)));
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (wide)
      tensor.as<double>()[i] = values[i];
    else
      tensor.as<float>()[i] = static_cast<float>(values[i]);
  }
  return tensor;
}

/// `values` stored as `dtype`, at an odd address between guards. `view` points into `storage`.
struct StoredWeight {
  std::shared_ptr<std::vector<std::byte>> memory;
  TensorView view;
};
inline StoredWeight stored(DType dtype, const Shape& shape, const std::vector<double>& values) {
  const std::vector<float> narrow(values.begin(), values.end());
  const std::size_t size = size_bytes(dtype, shape).value();
  constexpr std::size_t kLead = 129;
  auto memory = std::make_shared<std::vector<std::byte>>(kLead + size + 128, std::byte{0xff});
  std::byte* out = memory->data() + kLead;
  if (const BlockFormat* format = find_block_format(dtype)) {
    const auto blocks = static_cast<std::int64_t>(narrow.size()) / format->block;
    if (format->encode)
      format->encode(narrow.data(), out, blocks);
    else
      format->encode_weighted(narrow.data(), out, blocks, std::vector<float>(narrow.size(), 1.0f).data());
  } else {
    for (std::size_t i = 0; i < narrow.size(); ++i) {
      const std::uint16_t half = dtype == DType::f16 ? f32_to_f16(narrow[i]) : f32_to_bf16(narrow[i]);
      if (dtype == DType::f32)
        std::memcpy(out + 4 * i, &narrow[i], 4);
      else
        std::memcpy(out + 2 * i, &half, 2);
    }
  }
  return {memory, {dtype, shape, std::span<const std::byte>(out, size)}};
}
inline Weight load(Ops& ops, const StoredWeight& weight, std::string name = "w") {
  auto loaded = ops.load_weight(std::move(name), weight.view, weight.memory);
  if (!loaded) ADD_FAILURE() << describe(loaded.error());
  return loaded.value_or(Weight{});
}

/// Every type that a weight can have: three plain ones and all block formats.
inline std::vector<DType> all_weight_types() {
  std::vector<DType> types{DType::f32, DType::f16, DType::bf16};
  for (const BlockFormat& format : block_formats()) types.push_back(format.dtype);
  return types;
}
inline const std::vector<DType> kWeightTypes = all_weight_types();

/// A width of whole blocks that is no round number of them.
inline std::int64_t odd_width(DType dtype) { return info(dtype).block == 1 ? 172 : info(dtype).block == 32 ? 160 : 768; }

/// Sum of squared differences over the sum of squares. Equal infinities count as equal; any other NaN or Inf makes it
/// NaN.
inline double nmse(const std::vector<double>& got, const std::vector<double>& expected) {
  EXPECT_EQ(got.size(), expected.size());
  double error = 0.0, scale = 0.0;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    if (got[i] == expected[i] && !std::isfinite(expected[i])) continue;
    error += (got[i] - expected[i]) * (got[i] - expected[i]);
    scale += expected[i] * expected[i];
  }
  return error == 0.0 ? 0.0 : error / scale;
}

/// The bytes of a tensor wherever it lies, for comparisons bit by bit.
inline std::string bits(const Tensor& tensor) {
  std::string bytes(size_bytes(tensor.dtype(), tensor.shape()).value(), '\0');
  const auto read = tensor.storage()->read(tensor.offset_bytes(), std::as_writable_bytes(std::span(bytes)));
  EXPECT_TRUE(read.has_value()) << describe(read.error());
  return bytes;
}

}  // namespace vauban::test
