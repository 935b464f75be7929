#include "train/clip.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace vauban {

namespace {

constexpr std::size_t kChunk = 16384;  // elements; part of the result's definition, so not to be tuned by machine
constexpr std::size_t kLanes = 8;

/// Eight running sums hide the latency of the additions; their order is fixed.
template <class T>
double sum_of_squares(const T* values, std::size_t count) {
  double lanes[kLanes] = {};
  const std::size_t whole = count - count % kLanes;
  for (std::size_t i = 0; i < whole; i += kLanes)
    for (std::size_t lane = 0; lane < kLanes; ++lane) {
      const auto value = static_cast<double>(values[i + lane]);
      lanes[lane] += value * value;
    }
  double sum = 0;
  for (const double lane : lanes) sum += lane;
  for (std::size_t i = whole; i < count; ++i) sum += static_cast<double>(values[i]) * static_cast<double>(values[i]);
  return sum;
}

double chunk_sum(const ParameterSlot& parameter, std::size_t begin, std::size_t end) {
  if (parameter.dtype == DType::f64)
    return sum_of_squares(static_cast<const double*>(parameter.grad) + begin, end - begin);
  return sum_of_squares(static_cast<const float*>(parameter.grad) + begin, end - begin);
}

double parameter_sum(const ParameterSlot& parameter, ThreadPool& pool) {
  const auto count = static_cast<std::size_t>(parameter.shape.elements());
  std::vector<double> sums((count + kChunk - 1) / kChunk, 0);
  pool.parallel_for(sums.size(), 1, [&](std::size_t first, std::size_t last) {
    for (std::size_t chunk = first; chunk < last; ++chunk)
      sums[chunk] = chunk_sum(parameter, chunk * kChunk, std::min(count, (chunk + 1) * kChunk));
  });
  double total = 0;
  for (const double sum : sums) total += sum;
  return total;
}

}  // namespace

double global_norm(std::span<const ParameterSlot> parameters, ThreadPool& pool) {
  double total = 0;
  for (const ParameterSlot& parameter : parameters) total += parameter_sum(parameter, pool);
  return std::sqrt(total);
}

double clip_factor(double norm, double max_norm) { return std::min(1.0, max_norm / (norm + 1e-6)); }

}  // namespace vauban
