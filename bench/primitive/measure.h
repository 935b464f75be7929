/// Speed of the activation primitive: bytes that it must read and write, over time, against what this machine's memory
/// can do.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "backends/cpu/primitive.h"
#include "base/context.h"
#include "base/json.h"
#include "base/result.h"

namespace vauban::bench {

/// Seconds of `samples` timed calls after one that is not counted, sorted. A call shorter than 200 us is repeated
/// inside its sample, and the sample is the mean of the repetitions.
struct Timing {
  std::vector<double> sorted_s;
  double median_s() const;
  double quartile_s(int which) const;  ///< 1 or 3
};
Timing time_calls(const std::function<void()>& call, int samples);

/// GB/s of summing f32 arrays: of 256 MiB (memory), and of `bytes` read again and again, on the threads of `pool`.
double read_bandwidth_gb_s(ThreadPool& pool, std::size_t bytes, int samples);

/// One primitive on `rows` rows of `width`, the same for every implementation.
struct Case {
  cpu::RowType type = cpu::RowType::f32;
  std::int64_t rows = 1, width = 896;
  PrimitiveMode mode = PrimitiveMode::subtract;
  /// Read once, and written once where the mode edits.
  double bytes() const;
  std::string name() const;
};
/// D = 896, 2048, 4096, 8192 x 1, 16, 256, 4096 rows x f32, bf16, for `modes`.
std::vector<Case> all_cases(const std::vector<PrimitiveMode>& modes);

/// The two paths of the cpu backend, timed by turns on the same rows, so that neither has the quieter machine.
struct PathTimings {
  Timing scalar, simd;
};
PathTimings time_paths(const Case& c, ThreadPool& pool, int samples);

/// {"cpu", "cores", "threads", "compiler", "build", "kernels"}
Json machine(const ThreadPool& pool);
Json to_json(const Timing& timing, double bytes, double read_gb_s);

}  // namespace vauban::bench
