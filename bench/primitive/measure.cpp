#include "primitive/measure.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <memory>
#include <thread>

#include "backends/cpu/cpu_ops.h"
#include "backends/cpu/cpu_target.h"
#include "backends/cpu/primitive_gate.h"
#include "base/processor.h"
#include "base/rng.h"
#include "ops/primitive_rows.h"
#include "tensor/quant/format.h"

namespace vauban::bench {
namespace {

double seconds(const std::function<void()>& call, int repetitions) {
  const auto start = std::chrono::steady_clock::now();
  for (int i = 0; i < repetitions; ++i) call();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count() / repetitions;
}

int repetitions_for(double once_s) {
  return static_cast<int>(std::clamp(200e-6 / std::max(once_s, 1e-9), 1.0, 1000.0));
}

/// Rows, room for the output, and one primitive on all of them.
class Rows {
 public:
  explicit Rows(const Case& c)
      : size_(static_cast<std::size_t>(c.rows * c.width) * (c.type == cpu::RowType::f32 ? 4 : 2)),
        in_(new (std::align_val_t{64}) std::byte[size_]),
        out_(new (std::align_val_t{64}) std::byte[size_]()),
        view_{.type = c.type, .input = in_.get(), .output = out_.get(), .count = c.rows, .width = c.width} {
    Rng rng(7, static_cast<std::uint64_t>(c.width));
    std::vector<float> pool(4093);
    for (float& value : pool) value = static_cast<float>(rng.normal());
    for (std::size_t i = 0; i < static_cast<std::size_t>(c.rows * c.width); ++i) {
      const float value = pool[i % pool.size()];
      if (c.type == cpu::RowType::f32)
        reinterpret_cast<float*>(in_.get())[i] = value;
      else
        reinterpret_cast<std::uint16_t*>(in_.get())[i] = f32_to_bf16(value);
    }
    for (std::int64_t row = 0; row < c.rows; ++row) rows_.push_back(static_cast<std::int32_t>(row));
    Primitive p{.mode = c.mode, .direction = {}, .alpha = 0.7};
    p.basis_rows = is_subspace(c.mode) ? 4 : 1;
    for (std::int64_t i = 0; i < p.basis_rows * c.width; ++i) p.direction.push_back(rng.normal());
    primitive_ = validate_primitive(p, c.width).value();
  }
  void scalar() {
    PrimitiveResult result;
    cpu::apply_primitive_scalar(primitive_, view_, rows_, result);
  }
  void simd(ThreadPool& pool) {
    PrimitiveResult result;
    cpu::apply_primitive(cpu::primitive_kernels_of(available_cpu_targets().back()), pool, primitive_, view_, rows_,
                         result);
  }

 private:
  struct Free {
    void operator()(std::byte* p) const { ::operator delete[](p, std::align_val_t{64}); }
  };
  std::size_t size_;
  std::unique_ptr<std::byte[], Free> in_, out_;
  cpu::PrimitiveRows view_;
  std::vector<std::int32_t> rows_;
  Primitive primitive_;
};

}  // namespace

double Timing::median_s() const { return sorted_s[sorted_s.size() / 2]; }
double Timing::quartile_s(int which) const {
  return sorted_s[std::min(sorted_s.size() - 1, sorted_s.size() * static_cast<std::size_t>(which) / 4)];
}

Timing time_calls(const std::function<void()>& call, int samples) {
  const int repetitions = repetitions_for(seconds(call, 1));
  Timing timing;
  for (int i = 0; i < samples; ++i) timing.sorted_s.push_back(seconds(call, repetitions));
  std::sort(timing.sorted_s.begin(), timing.sorted_s.end());
  return timing;
}

double read_bandwidth_gb_s(ThreadPool& pool, std::size_t bytes, int samples) {
  const std::size_t count = bytes / sizeof(float), lanes = 64;
  const std::vector<float> values(count, 1.0f);
  std::atomic<float> sink{0.0f};
  const auto body = [&](std::size_t begin, std::size_t end) {
    std::array<float, 64> sums{};
    for (std::size_t i = begin; i + lanes <= end; i += lanes)
      for (std::size_t lane = 0; lane < lanes; ++lane) sums[lane] += values[i + lane];
    float total = 0.0f;
    for (const float sum : sums) total += sum;
    sink.store(total, std::memory_order_relaxed);
  };
  const Timing timing = time_calls([&] { pool.parallel_for(count, 1 << 16, std::cref(body)); }, samples);
  return static_cast<double>(bytes) / timing.median_s() / 1e9;
}

double Case::bytes() const {
  const double element = type == cpu::RowType::f32 ? 4.0 : 2.0;
  const bool edits = mode != PrimitiveMode::project && mode != PrimitiveMode::subspace_project;
  return static_cast<double>(rows * width) * element * (edits ? 2.0 : 1.0);
}

std::string Case::name() const {
  return format("{} {} D={} rows={}", to_string(mode), type == cpu::RowType::f32 ? "f32" : "bf16", width, rows);
}

std::vector<Case> all_cases(const std::vector<PrimitiveMode>& modes) {
  std::vector<Case> cases;
  for (const PrimitiveMode mode : modes)
    for (const cpu::RowType type : {cpu::RowType::f32, cpu::RowType::bf16})
      for (const std::int64_t width : {896, 2048, 4096, 8192})
        for (const std::int64_t rows : {1, 16, 256, 4096})
          cases.push_back({.type = type, .rows = rows, .width = width, .mode = mode});
  return cases;
}

PathTimings time_paths(const Case& c, ThreadPool& pool, int samples) {
  Rows rows(c);
  const std::function<void()> scalar = [&] { rows.scalar(); }, simd = [&] { rows.simd(pool); };
  simd();
  const int scalar_repetitions = repetitions_for(seconds(scalar, 1)),
            simd_repetitions = repetitions_for(seconds(simd, 1));
  PathTimings out;
  for (int i = 0; i < samples; ++i) {
    out.scalar.sorted_s.push_back(seconds(scalar, scalar_repetitions));
    out.simd.sorted_s.push_back(seconds(simd, simd_repetitions));
  }
  std::sort(out.scalar.sorted_s.begin(), out.scalar.sorted_s.end());
  std::sort(out.simd.sorted_s.begin(), out.simd.sorted_s.end());
  return out;
}

Json machine(const ThreadPool& pool) {
  return Json::object({{"cpu", processor_name()},
                       {"cores", static_cast<std::int64_t>(std::thread::hardware_concurrency())},
                       {"threads", pool.size()},
                       {"architecture", primitive_gate_build().architecture},
                       {"compiler", VAUBAN_COMPILER},
                       {"build", VAUBAN_BUILD},
                       {"kernels", to_string(available_cpu_targets().back())}});
}

Json to_json(const Timing& timing, double bytes, double read_gb_s) {
  const double gb_s = bytes / timing.median_s() / 1e9;
  return Json::object({{"median_s", timing.median_s()},
                       {"quartile_1_s", timing.quartile_s(1)},
                       {"quartile_3_s", timing.quartile_s(3)},
                       {"gb_s", gb_s},
                       {"of_read_bandwidth", gb_s / read_gb_s}});
}

}  // namespace vauban::bench
