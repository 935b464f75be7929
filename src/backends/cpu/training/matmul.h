/// Matmul: dense products of training on oneDNN, in fixed tiles of the output that our own pool's threads claim.
///
/// Each tile is one single-threaded oneDNN call over the whole inner dimension, and the tiles depend on the shape alone,
/// so results do not depend on the thread count. (oneDNN may choose other blocking for other shapes: bits may change with
/// the number of rows. Training needs no more; inference in exact numerics does not use this.)
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>

#include "base/result.h"
#include "base/thread_pool.h"

namespace vauban::cpu {

enum class MatmulType { f32, bf16 };

/// X(i, j) = data[i * row_stride + j * column_stride]; one of the strides is 1.
/// `packed`, only on the right and in bf16: blocks of 64 columns one after the other, each as pack_bf16 writes it; the
/// strides then mean nothing. oneDNN multiplies from this form; from others it makes it anew for every tile.
struct Operand {
  const void* data;
  std::int64_t row_stride, column_stride;
  bool packed = false;
};

/// Rows [row, row + rows) and columns [column, column + columns) of a product.
struct Tile {
  std::int64_t row, column, rows, columns;
};

class Matmul {
 public:
  explicit Matmul(ThreadPool& pool);
  ~Matmul();

  /// c[i][j] (+)= sum_k A(i, k) B(k, j) for i < m, j < n; inner size k; accumulated and stored in f32. No size is 0.
  /// Errors: internal, with oneDNN's message.
  Result<void> multiply(MatmulType type, std::int64_t m, std::int64_t n, std::int64_t k, const Operand& a,
                        const Operand& b, float* c, std::int64_t c_stride, bool accumulate);

  /// Whether a packed right operand is worth its making: several tiles read it.
  static bool wants_packed(MatmulType type, std::int64_t m, std::int64_t n, std::int64_t k, const Operand& a);

  /// Tiles of at most this size are what for_tiles hands out.
  static constexpr std::int64_t kTileRows = 256, kTileColumns = 640;

  /// The product of multiply(), which is nowhere stored: each tile is handed to `use` while it lies in the thread's own
  /// cache, `values` (rows, columns) without gaps, free to be written. `use` runs on several threads.
  Result<void> for_tiles(MatmulType type, std::int64_t m, std::int64_t n, std::int64_t k, const Operand& a,
                         const Operand& b, const std::function<void(const Tile&, float* values)>& use);

  /// Whether the processor multiplies bf16 faster than f32.
  static bool has_fast_bf16();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace vauban::cpu
