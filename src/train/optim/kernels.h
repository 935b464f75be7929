/// What the optimisers' loops share: the choice of the type, and the cut into chunks.
#pragma once

#include <cstddef>

#include "base/thread_pool.h"
#include "tensor/dtype.h"

namespace vauban::optim {

/// Elements that one call of a loop gets at least: 64 KiB of f32 keeps a wake-up of the pool cheap beside the work.
inline constexpr std::size_t kGrain = 16384;

/// Calls `body` with a float or a double, by the type of the parameter.
template <class Body>
void with_type(DType dtype, const Body& body) {
  if (dtype == DType::f64)
    body(double{});
  else
    body(float{});
}

/// Calls `body(begin, end)` on ranges that cover [0, count); each element must depend on its own index only.
template <class Body>
void for_elements(ThreadPool& pool, std::int64_t count, const Body& body) {
  pool.parallel_for(static_cast<std::size_t>(count), kGrain, body);
}

template <class T>
T* at(void* memory) {
  return static_cast<T*>(memory);
}
template <class T>
const T* at(const void* memory) {
  return static_cast<const T*>(memory);
}

}  // namespace vauban::optim
