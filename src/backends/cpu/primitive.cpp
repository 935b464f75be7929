#include "backends/cpu/primitive.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <limits>
#include <memory>
#include <new>
#include <vector>

#include "backends/cpu/cpu_ops.h"
#include "ops/primitive_rows.h"

namespace vauban {

std::string_view to_string(PrimitivePath path) { return path == PrimitivePath::simd ? "simd" : "scalar"; }

namespace cpu {
namespace {

/// Squares outside it have lost digits to underflow, or are about to overflow.
constexpr float kSmallest = 1e-30f, kLargest = 1e30f;

std::size_t element_bytes(RowType type) { return type == RowType::f32 ? 4 : 2; }

bool fits_f32(double value) {
  const double magnitude = std::abs(value);
  return value == 0.0 || (magnitude >= static_cast<double>(kSmallest) &&
                          magnitude <= static_cast<double>(std::numeric_limits<float>::max()));
}

/// f32 copies of vectors of one width, at the start of a cache line.
class Directions {
 public:
  explicit Directions(std::size_t values)
      : memory_(static_cast<float*>(::operator new (values * sizeof(float) + 1, std::align_val_t{64}))) {}
  void append(const PrimitiveKernels& kernels, std::span<const double> values) {
    if (values.empty()) return;
    const float largest = kernels.narrow(values.data(), memory_.get() + size_, values.size());
    fit_ = fit_ && largest >= kSmallest && largest <= std::numeric_limits<float>::max();
    size_ += values.size();
  }
  const float* data() const { return memory_.get(); }
  /// The largest element of each decides; small ones may round to zero.
  bool fit_f32() const { return fit_; }

 private:
  struct Free {
    void operator()(float* memory) const { ::operator delete (memory, std::align_val_t{64}); }
  };
  std::unique_ptr<float, Free> memory_;
  std::size_t size_ = 0;
  bool fit_ = true;
};

/// The smallest index that was noted.
class FirstIndex {
 public:
  void note(std::size_t index) {
    std::size_t first = first_.load();
    while (index < first && !first_.compare_exchange_weak(first, index)) {
    }
  }
  bool found() const { return first_.load() != kNone; }
  std::size_t value() const { return first_.load(); }

 private:
  static constexpr std::size_t kNone = std::numeric_limits<std::size_t>::max();
  std::atomic<std::size_t> first_{kNone};
};

/// In f64: for rows whose squares f32 cannot hold.
template <class T>
double exact_length(const std::byte* in, std::size_t width) {
  double sum = 0.0;
  for (std::size_t i = 0; i < width; ++i) {
    T element;
    std::memcpy(static_cast<void*>(&element), in + i * sizeof(T), sizeof(T));
    sum += static_cast<double>(element) * static_cast<double>(element);
  }
  return std::sqrt(sum);
}

/// One row on the scalar path, whatever its address.
template <class T>
bool exact_row(const Primitive& primitive, const std::byte* in, std::byte* out, std::int64_t width,
               PrimitiveResult& result) {
  std::vector<T> row(static_cast<std::size_t>(width));
  std::memcpy(static_cast<void*>(row.data()), in, row.size() * sizeof(T));
  std::vector<T> edited = row;
  const std::int32_t only = 0;
  const std::int64_t bad = apply_primitive_rows(primitive, row.data(), edited.data(), width, {&only, 1}, result);
  if (out) std::memcpy(out, edited.data(), edited.size() * sizeof(T));
  return bad < 0;
}

bool exact_row(RowType type, const Primitive& primitive, const std::byte* in, std::byte* out, std::int64_t width,
               PrimitiveResult& result) {
  return type == RowType::f32 ? exact_row<float>(primitive, in, out, width, result)
                              : exact_row<Bf16>(primitive, in, out, width, result);
}

/// On rows in place where their addresses allow it; else through copies.
template <class T>
std::int64_t scalar_rows(const Primitive& primitive, const PrimitiveRows& x, std::byte* output,
                         std::span<const std::int32_t> rows, PrimitiveResult& result) {
  const auto is_aligned = [](const std::byte* p) { return reinterpret_cast<std::uintptr_t>(p) % alignof(T) == 0; };
  if (is_aligned(x.input) && is_aligned(output)) {
    const T* in = reinterpret_cast<const T*>(x.input);
    // Without an output nothing is written.
    T* out = output ? reinterpret_cast<T*>(output) : const_cast<T*>(in);
    return apply_primitive_rows(primitive, in, out, x.width, rows, result);
  }
  const std::size_t row_bytes = static_cast<std::size_t>(x.width) * sizeof(T);
  std::int64_t bad = -1;
  for (const std::int32_t row : rows) {
    const std::size_t offset = static_cast<std::size_t>(row) * row_bytes;
    const bool good = exact_row<T>(primitive, x.input + offset, output ? output + offset : nullptr, x.width, result);
    if (!good && bad < 0) bad = row;
  }
  return bad;
}

/// Where the results of each named row lie, and which named row each row of x is.
class Plan {
 public:
  static constexpr std::int32_t kUntouched = -1;
  Plan(std::int64_t count, std::span<const std::int32_t> rows) : slot_(static_cast<std::size_t>(count), kUntouched) {
    for (std::size_t i = 0; i < rows.size(); ++i) {
      std::int32_t& slot = slot_[static_cast<std::size_t>(rows[i])];
      if (slot == kUntouched) slot = static_cast<std::int32_t>(i);
    }
  }
  /// The first place in `rows` that names this row.
  std::int32_t slot(std::size_t row) const { return slot_[row]; }

 private:
  std::vector<std::int32_t> slot_;
};

class Application {
 public:
  Application(const PrimitiveKernels& kernels, const Primitive& primitive, const PrimitiveRows& x,
              std::span<const std::int32_t> rows, PrimitiveResult& result)
      : kernels_(kernels),
        primitive_(primitive),
        x_(x),
        rows_(rows),
        result_(result),
        changes_(can_change(primitive)),
        gated_(primitive.mode == PrimitiveMode::conditional),
        count_(static_cast<std::size_t>(primitive.basis_rows)),
        width_(static_cast<std::size_t>(x.width)),
        row_bytes_(width_ * element_bytes(x.type)),
        plan_(x.count, rows),
        open_(rows.size()),
        directions_((count_ + 1) * width_) {
    directions_.append(kernels, primitive.direction);
    directions_.append(kernels, primitive.gate);
    result_.before.assign(rows.size() * count_, 0.0);
    result_.after.assign(rows.size() * count_, 0.0);
    result_.delta_norm.assign(rows.size(), 0.0);
    result_.input_norm.assign(rows.size(), 0.0);
  }

  std::int64_t run(ThreadPool& pool) {
    const auto body = [this](std::size_t begin, std::size_t end) {
      std::vector<float> scratch(3 * count_ + 1);
      for (std::size_t row = begin; row < end; ++row) visit(row, scratch);
    };
    constexpr std::size_t kWorthAThread = 64 * 1024;  // multiply-adds: some 5 us
    pool.parallel_for(static_cast<std::size_t>(x_.count), kWorthAThread / (2 * width_ * count_) + 1, std::cref(body));
    repeat_duplicates();
    result_.gates_open = std::count(open_.begin(), open_.end(), std::uint8_t{1});
    return bad_.found() ? rows_[bad_.value()] : -1;
  }

 private:
  void visit(std::size_t row, std::vector<float>& scratch) {
    const std::byte* in = x_.input + row * row_bytes_;
    std::byte* out = changes_ ? x_.output + row * row_bytes_ : nullptr;
    const std::int32_t slot = plan_.slot(row);
    if (slot == Plan::kUntouched) {
      if (out) std::memcpy(out, in, row_bytes_);
      return;
    }
    const auto i = static_cast<std::size_t>(slot);
    if (!directions_.fit_f32() || !fast(i, in, out, scratch)) exact(i, in, out);
  }

  /// False, with nothing decided, where f32 cannot be trusted with this row.
  bool fast(std::size_t i, const std::byte* in, std::byte* out, std::vector<float>& scratch) {
    float *p = scratch.data(), *factors = p + count_ + 1, *after = factors + count_;
    const std::size_t products = count_ + (gated_ ? 1 : 0);
    kernels_.project(x_.type, in, 1, width_, directions_.data(), products, p);
    if (!std::all_of(p, p + products, [](float value) { return std::isfinite(value); })) return false;
    const bool open = !gated_ || static_cast<double>(p[count_]) > primitive_.tau;
    bool moves = false;
    for (std::size_t r = 0; r < count_; ++r) {
      const double factor = out && open ? primitive_factor(primitive_, static_cast<double>(p[r])) : 0.0;
      if (!fits_f32(factor)) return false;
      factors[r] = static_cast<float>(factor);
      moves = moves || factor != 0.0;
    }
    double delta = 0.0;
    if (moves && !move(in, out, factors, after, delta)) return false;
    if (!moves && out) std::memcpy(out, in, row_bytes_);
    std::copy_n(p, count_, result_.before.begin() + static_cast<std::ptrdiff_t>(i * count_));
    std::copy_n(moves ? after : p, count_, result_.after.begin() + static_cast<std::ptrdiff_t>(i * count_));
    result_.delta_norm[i] = delta;
    result_.input_norm[i] = length(in);
    open_[i] = gated_ && open;
    return true;
  }

  double length(const std::byte* in) const {
    const float squares = kernels_.squares(x_.type, in, width_);
    if (squares >= kSmallest && squares <= kLargest) return std::sqrt(static_cast<double>(squares));
    return x_.type == RowType::f32 ? exact_length<float>(in, width_) : exact_length<Bf16>(in, width_);
  }

  bool move(const std::byte* in, std::byte* out, const float* factors, float* after, double& delta) const {
    const float squares = kernels_.edit(x_.type, in, out, width_, directions_.data(), factors, count_, after);
    const bool trusted = squares >= kSmallest && squares <= kLargest;
    if (!trusted && std::memcmp(in, out, row_bytes_) != 0) return false;
    delta = std::sqrt(static_cast<double>(squares));
    return std::all_of(after, after + count_, [](float value) { return std::isfinite(value); });
  }

  void exact(std::size_t i, const std::byte* in, std::byte* out) {
    PrimitiveResult one;
    if (!exact_row(x_.type, primitive_, in, out, x_.width, one)) bad_.note(i);
    std::copy_n(one.before.begin(), count_, result_.before.begin() + static_cast<std::ptrdiff_t>(i * count_));
    std::copy_n(one.after.begin(), count_, result_.after.begin() + static_cast<std::ptrdiff_t>(i * count_));
    result_.delta_norm[i] = one.delta_norm.front();
    result_.input_norm[i] = one.input_norm.front();
    open_[i] = one.gates_open != 0;
  }

  /// A row that is named twice was computed once.
  void repeat_duplicates() {
    for (std::size_t i = 0; i < rows_.size(); ++i) {
      const auto first = static_cast<std::size_t>(plan_.slot(static_cast<std::size_t>(rows_[i])));
      if (first == i) continue;
      for (auto* values : {&result_.before, &result_.after})
        std::copy_n(values->begin() + static_cast<std::ptrdiff_t>(first * count_), count_,
                    values->begin() + static_cast<std::ptrdiff_t>(i * count_));
      result_.delta_norm[i] = result_.delta_norm[first];
      result_.input_norm[i] = result_.input_norm[first];
      open_[i] = open_[first];
    }
  }

  const PrimitiveKernels& kernels_;
  const Primitive& primitive_;
  const PrimitiveRows& x_;
  std::span<const std::int32_t> rows_;
  PrimitiveResult& result_;
  bool changes_, gated_;
  std::size_t count_, width_, row_bytes_;
  Plan plan_;
  std::vector<std::uint8_t> open_;
  Directions directions_;
  FirstIndex bad_;
};

}  // namespace

std::int64_t apply_primitive(const PrimitiveKernels& kernels, ThreadPool& pool, const Primitive& primitive,
                             const PrimitiveRows& x, std::span<const std::int32_t> rows, PrimitiveResult& result) {
  return Application(kernels, primitive, x, rows, result).run(pool);
}

std::int64_t apply_primitive_scalar(const Primitive& primitive, const PrimitiveRows& x,
                                    std::span<const std::int32_t> rows, PrimitiveResult& result) {
  const std::size_t row_bytes = static_cast<std::size_t>(x.width) * element_bytes(x.type);
  std::byte* output = can_change(primitive) ? x.output : nullptr;
  if (output) std::memcpy(output, x.input, static_cast<std::size_t>(x.count) * row_bytes);
  return x.type == RowType::f32 ? scalar_rows<float>(primitive, x, output, rows, result)
                                : scalar_rows<Bf16>(primitive, x, output, rows, result);
}

Result<void> project_rows(const PrimitiveKernels& kernels, ThreadPool& pool, const PrimitiveRows& x,
                          std::span<const double> directions, std::span<const std::int32_t> rows,
                          ProjectionSink& sink) {
  constexpr std::size_t kBlock = 64, kShare = 8;  // rows whose projections are kept; rows that one thread takes
  const auto width = static_cast<std::size_t>(x.width);
  const std::size_t count = directions.size() / width, row_bytes = width * element_bytes(x.type);
  Directions narrow(directions.size());
  for (std::size_t n = 0; n < count; ++n) narrow.append(kernels, directions.subspan(n * width, width));
  if (!narrow.fit_f32()) return unsupported("projection: the size of a direction does not fit f32");
  std::vector<float> p(std::min(kBlock, rows.size()) * count);
  std::vector<double> wide(count);
  for (std::size_t first = 0; first < rows.size(); first += kBlock) {
    const std::size_t here = std::min(kBlock, rows.size() - first);
    const auto body = [&](std::size_t begin, std::size_t end) {
      for (std::size_t i = begin; i < end;) {  // runs of consecutive rows share the directions
        std::size_t stop = i + 1;
        while (stop < end && rows[first + stop] == rows[first + stop - 1] + 1) ++stop;
        kernels.project(x.type, x.input + static_cast<std::size_t>(rows[first + i]) * row_bytes, stop - i, width,
                        narrow.data(), count, p.data() + i * count);
        i = stop;
      }
    };
    pool.parallel_for(here, kShare, std::cref(body));
    for (std::size_t i = 0; i < here; ++i) {
      const float* row = p.data() + i * count;
      if (!std::all_of(row, row + count, [](float value) { return std::isfinite(value); }))
        return invalid_input(
            "projection: the activation of row {} holds NaN or Inf, or a projection of it overflows f32",
            rows[first + i]);
      std::copy_n(row, count, wide.begin());
      sink.add(wide);
    }
  }
  return ok();
}

}  // namespace cpu
}  // namespace vauban
