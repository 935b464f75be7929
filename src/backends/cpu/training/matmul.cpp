#include "backends/cpu/training/matmul.h"

#include <omp.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <dnnl.hpp>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "backends/cpu/training/training_kernels.h"

namespace vauban::cpu {
namespace {

using dnnl::memory;

/// A product cut into tiles of at most rows x columns. Neighbours in the order of their numbers, which threads work on at
/// the same time, share their part of the larger operand.
struct Tiling {
  std::int64_t m, n, rows, columns;

  std::int64_t down() const { return (m + rows - 1) / rows; }
  std::int64_t across() const { return (n + columns - 1) / columns; }
  std::int64_t count() const { return down() * across(); }
  Tile tile(std::int64_t number) const {
    const std::int64_t row = (m > n ? number / across() : number % down()) * rows;
    const std::int64_t column = (m > n ? number % across() : number / down()) * columns;
    return {row, column, std::min(rows, m - row), std::min(columns, n - column)};
  }
};

/// Tiles as large as leaves eight of them or a multiple, so that two to eight threads share the work evenly.
/// `a_transposed`: oneDNN then packs both operands of each tile, and a tall one packs B less often.
Tiling tiling_of(std::int64_t m, std::int64_t n, std::int64_t k, bool a_transposed) {
  const std::int64_t least_rows = k > 4096 ? 256 : 64, most_rows = a_transposed ? 2048 : 256;
  const std::int64_t parts = (m + 8 * most_rows - 1) / (8 * most_rows) * 8, part = ((m + parts - 1) / parts + 15) / 16 * 16;
  Tiling tile{m, n, std::min(m, std::clamp(part, least_rows, most_rows)), std::min<std::int64_t>(n, 768)};
  while (tile.count() < 8 && (tile.rows > least_rows || tile.columns > 96)) {
    if (tile.rows > least_rows && tile.rows * 2 >= tile.columns)
      tile.rows = std::max<std::int64_t>(least_rows, tile.rows / 2);
    else if (tile.columns > 96)
      tile.columns = std::max<std::int64_t>(96, (tile.columns / 2 + 15) / 16 * 16);
    else
      break;
  }
  return tile;
}

/// With a packed right operand small tiles cost no more than large ones, and their columns are whole blocks.
Tiling tiling_of_packed(std::int64_t m, std::int64_t n) {
  constexpr std::int64_t kMostRows = 256, kMostColumns = 768;
  const std::int64_t parts = (m + 8 * kMostRows - 1) / (8 * kMostRows) * 8;
  return {m, n, (m + parts - 1) / parts, std::min(n, kMostColumns)};
}

/// What a compiled product depends on.
using Key = std::array<std::int64_t, 10>;

struct Product {
  memory::desc a, b, c, scratch;
  dnnl::matmul primitive;
};

Product compile(const dnnl::engine& engine, const Key& key) {
  // b_rows 0: packed
  const auto [m, n, k, a_rows, a_columns, b_rows, b_columns, c_stride, bf16, accumulate] = key;
  const auto type = bf16 ? memory::data_type::bf16 : memory::data_type::f32;
  Product p;
  p.a = memory::desc({m, k}, type, {a_rows, a_columns});
  p.b = b_rows == 0 ? memory::desc({k, n}, type, memory::format_tag::BA16a64b2a)
                    : memory::desc({k, n}, type, {b_rows, b_columns});
  p.c = memory::desc({m, n}, memory::data_type::f32, {c_stride, 1});
  dnnl::primitive_attr attributes;
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  if (accumulate) {
    dnnl::post_ops sum;
    sum.append_sum(1.0f);
    attributes.set_post_ops(sum);
  }
#if DNNL_VERSION_MAJOR >= 3
  const dnnl::matmul::primitive_desc desc(engine, p.a, p.b, p.c, attributes);
#else
  const dnnl::matmul::primitive_desc desc(dnnl::matmul::desc(p.a, p.b, p.c), attributes, engine);
#endif
  p.scratch = desc.scratchpad_desc();
  p.primitive = dnnl::matmul(desc);
  return p;
}

std::size_t size_of(MatmulType type) { return type == MatmulType::bf16 ? 2 : 4; }

const std::byte* row_of(const Operand& x, std::int64_t row, MatmulType type) {
  return static_cast<const std::byte*>(x.data) + row * x.row_stride * static_cast<std::int64_t>(size_of(type));
}
/// `k`: rows of x. A packed operand's columns begin at whole blocks.
const std::byte* column_of(const Operand& x, std::int64_t column, std::int64_t k, MatmulType type) {
  constexpr auto kRows = static_cast<std::int64_t>(kPackRows);
  if (x.packed) return static_cast<const std::byte*>(x.data) + column * ((k + kRows - 1) / kRows * kRows) * 2;
  return static_cast<const std::byte*>(x.data) + column * x.column_stride * static_cast<std::int64_t>(size_of(type));
}

/// As a Key names it.
std::int64_t b_rows(const Operand& b) { return b.packed ? 0 : b.row_stride; }

void* aligned(std::vector<std::byte>& room) {
  return room.data() + (64 - reinterpret_cast<std::uintptr_t>(room.data()) % 64) % 64;
}

}  // namespace

struct Matmul::State {
  explicit State(ThreadPool& workers) : pool(workers), engine(dnnl::engine::kind::cpu, 0) {}

  ThreadPool& pool;
  dnnl::engine engine;
  std::mutex mutex;
  std::map<Key, Product> products;
  std::vector<std::vector<std::byte>> scratch;  // idle ones

  const Product& product(const Key& key) {
    const std::lock_guard lock(mutex);
    const auto it = products.find(key);
    if (it != products.end()) return it->second;
    return products.emplace(key, compile(engine, key)).first->second;
  }
  std::vector<std::byte> take_scratch(std::size_t size) {
    std::vector<std::byte> taken;
    {
      const std::lock_guard lock(mutex);
      if (!scratch.empty()) {
        taken = std::move(scratch.back());
        scratch.pop_back();
      }
    }
    if (taken.size() < size + 64) taken.resize(size + 64);
    return taken;
  }
  void give_back(std::vector<std::byte> used) {
    const std::lock_guard lock(mutex);
    scratch.push_back(std::move(used));
  }

  /// body(tile) for every tile, on the pool's threads; what the first failure says.
  template <class Body>
  Result<void> for_each(const Tiling& tiling, std::int64_t k, const Body& body) {
    constexpr std::size_t kMostProducts = 4096;
    if (products.size() > kMostProducts) products.clear();
    std::mutex failure_mutex;
    std::string failure;
    pool.parallel_for(static_cast<std::size_t>(tiling.count()), 1, [&](std::size_t begin, std::size_t end) {
      for (auto t = static_cast<std::int64_t>(begin); t < static_cast<std::int64_t>(end); ++t) try {
          body(tiling.tile(t));
        } catch (const std::exception& e) {
          const std::lock_guard lock(failure_mutex);
          failure = e.what();
        }
    });
    if (!failure.empty()) return internal("oneDNN: {} (product of {} x {} x {})", failure, tiling.m, tiling.n, k);
    return ok();
  }

  void run(const Key& key, const std::byte* a, const std::byte* b, float* c) {
    omp_set_num_threads(1);  // of this thread's own parallel regions: the tiles are the parallelism
    const Product& p = product(key);
    std::vector<std::byte> room = take_scratch(p.scratch.get_size());
    dnnl::stream stream(engine);
    p.primitive.execute(stream, {{DNNL_ARG_SRC, memory(p.a, engine, const_cast<std::byte*>(a))},
                                 {DNNL_ARG_WEIGHTS, memory(p.b, engine, const_cast<std::byte*>(b))},
                                 {DNNL_ARG_DST, memory(p.c, engine, c)},
                                 {DNNL_ARG_SCRATCHPAD, memory(p.scratch, engine, aligned(room))}});
    stream.wait();
    give_back(std::move(room));
  }
};

Matmul::Matmul(ThreadPool& pool) : state_(std::make_unique<State>(pool)) {}
Matmul::~Matmul() = default;

Result<void> Matmul::multiply(MatmulType type, std::int64_t m, std::int64_t n, std::int64_t k, const Operand& a,
                              const Operand& b, float* c, std::int64_t c_stride, bool accumulate) {
  const Tiling tiling = b.packed ? tiling_of_packed(m, n) : tiling_of(m, n, k, a.column_stride != 1);
  return state_->for_each(tiling, k, [&](const Tile& tile) {
    const Key key{tile.rows,    tile.columns,    k,        a.row_stride,             a.column_stride,
                  b_rows(b), b.column_stride, c_stride, type == MatmulType::bf16, accumulate};
    state_->run(key, row_of(a, tile.row, type), column_of(b, tile.column, k, type), c + tile.row * c_stride + tile.column);
  });
}

Result<void> Matmul::for_tiles(MatmulType type, std::int64_t m, std::int64_t n, std::int64_t k, const Operand& a,
                               const Operand& b, const std::function<void(const Tile&, float* values)>& use) {
  const Tiling tiling{m, n, std::min(m, kTileRows), std::min(n, kTileColumns)};
  return state_->for_each(tiling, k, [&](const Tile& tile) {
    const Key key{tile.rows,    tile.columns,    k,            a.row_stride,             a.column_stride,
                  b_rows(b), b.column_stride, tile.columns, type == MatmulType::bf16, false};
    std::vector<std::byte> room = state_->take_scratch(static_cast<std::size_t>(tiling.rows * tiling.columns) * sizeof(float));
    auto* values = static_cast<float*>(aligned(room));
    state_->run(key, row_of(a, tile.row, type), column_of(b, tile.column, k, type), values);
    use(tile, values);
    state_->give_back(std::move(room));
  });
}

bool Matmul::wants_packed(MatmulType type, std::int64_t m, std::int64_t n, std::int64_t k, const Operand& a) {
  return type == MatmulType::bf16 && a.column_stride == 1 && m >= 256 && n >= 64 && k >= 64;
}

bool Matmul::has_fast_bf16() {
  // The values are sets of features: AMX and what comes later contain AVX512-BF16.
  const auto wanted = static_cast<unsigned>(dnnl::cpu_isa::avx512_core_bf16);
  return (static_cast<unsigned>(dnnl::get_effective_cpu_isa()) & wanted) == wanted;
}

}  // namespace vauban::cpu
