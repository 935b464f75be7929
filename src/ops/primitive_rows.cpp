#include "ops/primitive_rows.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <vector>

#include "tensor/quant/format.h"

namespace vauban {
namespace {

template <class T>
double dot(const T* row, const double* direction, std::size_t width) {
  double sum = 0.0;
  for (std::size_t i = 0; i < width; ++i) sum += static_cast<double>(row[i]) * direction[i];
  return sum;
}

template <class T>
double length(const T* row, std::size_t width) {
  double squares = 0.0;
  for (std::size_t i = 0; i < width; ++i) squares += static_cast<double>(row[i]) * static_cast<double>(row[i]);
  return std::sqrt(squares);
}

/// How far along each direction the row moves: h' = h + sum_r factor[r] * direction[r]. `p` are the projections.
double factor(const Primitive& primitive, PrimitiveMode mode, double p) {
  switch (mode) {
    case PrimitiveMode::subtract:
    case PrimitiveMode::subspace_remove:
      return -primitive.alpha * p;
    case PrimitiveMode::add:
    case PrimitiveMode::subspace_add:
      return primitive.alpha * p;
    case PrimitiveMode::clamp:
      return primitive.alpha * (std::clamp(p, primitive.lo, primitive.hi) - p);
    case PrimitiveMode::offset:
      return primitive.alpha;
    case PrimitiveMode::project:
    case PrimitiveMode::subspace_project:
    case PrimitiveMode::conditional:
      return 0.0;
  }
  return 0.0;
}

/// d factor / d p.
double factor_slope(const Primitive& primitive, PrimitiveMode mode, double p) {
  switch (mode) {
    case PrimitiveMode::subtract:
    case PrimitiveMode::subspace_remove:
      return -primitive.alpha;
    case PrimitiveMode::add:
    case PrimitiveMode::subspace_add:
      return primitive.alpha;
    case PrimitiveMode::clamp:
      return p >= primitive.lo && p <= primitive.hi ? 0.0 : -primitive.alpha;
    case PrimitiveMode::offset:
    case PrimitiveMode::project:
    case PrimitiveMode::subspace_project:
    case PrimitiveMode::conditional:
      return 0.0;
  }
  return 0.0;
}

template <class T>
bool all_finite(const T* row, std::size_t width) {
  return std::all_of(row, row + width, [](T value) { return std::isfinite(static_cast<double>(value)); });
}

template <class T>
class Rows {
 public:
  Rows(const Primitive& primitive, std::int64_t width)
      : primitive_(primitive),
        mode_(effective_mode(primitive)),
        width_(static_cast<std::size_t>(width)),
        directions_(static_cast<std::size_t>(primitive.basis_rows)),
        factors_(directions_) {}

  bool gate_open(const T* row) const {
    return primitive_.mode != PrimitiveMode::conditional || dot(row, primitive_.gate.data(), width_) > primitive_.tau;
  }

  void project(const T* row, std::vector<double>& out) const {
    for (std::size_t r = 0; r < directions_; ++r) out.push_back(dot(row, direction(r), width_));
  }

  /// Writes the edited row and returns the L2 length of the change; 0 writes nothing.
  double move(const T* input, T* output, const double* projections) {
    bool moves = false;
    for (std::size_t r = 0; r < directions_; ++r) {
      factors_[r] = factor(primitive_, mode_, projections[r]);
      moves = moves || factors_[r] != 0.0;
    }
    if (!moves) return 0.0;
    double squares = 0.0;
    for (std::size_t i = 0; i < width_; ++i) {
      double delta = 0.0;
      for (std::size_t r = 0; r < directions_; ++r) delta += factors_[r] * direction(r)[i];
      output[i] = static_cast<T>(static_cast<double>(input[i]) + delta);
      const double change = static_cast<double>(output[i]) - static_cast<double>(input[i]);
      squares += change * change;
    }
    return std::sqrt(squares);
  }

  void move_back(const T* dy, const T* x, T* dx) {
    for (std::size_t r = 0; r < directions_; ++r)
      factors_[r] = factor_slope(primitive_, mode_, dot(x, direction(r), width_)) * dot(dy, direction(r), width_);
    for (std::size_t i = 0; i < width_; ++i) {
      double delta = 0.0;
      for (std::size_t r = 0; r < directions_; ++r) delta += factors_[r] * direction(r)[i];
      dx[i] = static_cast<T>(static_cast<double>(dy[i]) + delta);
    }
  }

 private:
  const double* direction(std::size_t r) const { return primitive_.direction.data() + r * width_; }

  const Primitive& primitive_;
  PrimitiveMode mode_;
  std::size_t width_, directions_;
  std::vector<double> factors_;
};

}  // namespace

/// Through f32 rounded to odd, so that the second rounding decides as the only one would (Boldo and Melquiond 2008).
Bf16::Bf16(double value) {
  const auto nearest = static_cast<float>(value);
  if (static_cast<double>(nearest) == value || std::isnan(value)) {
    bits = f32_to_bf16(nearest);
    return;
  }
  auto pattern = std::bit_cast<std::uint32_t>(nearest);
  if (std::abs(static_cast<double>(nearest)) > std::abs(value)) --pattern;
  bits = f32_to_bf16(std::bit_cast<float>(pattern | 1u));
}

Bf16::operator double() const { return static_cast<double>(bf16_to_f32(bits)); }

double primitive_factor(const Primitive& primitive, double p) {
  return factor(primitive, effective_mode(primitive), p);
}

bool can_change(const Primitive& primitive) {
  const PrimitiveMode mode = effective_mode(primitive);
  return primitive.alpha != 0.0 && mode != PrimitiveMode::project && mode != PrimitiveMode::subspace_project;
}

template <class T>
std::int64_t apply_primitive_rows(const Primitive& primitive, const T* input, T* output, std::int64_t width,
                                  std::span<const std::int32_t> rows, PrimitiveResult& result) {
  Rows<T> work(primitive, width);
  std::int64_t bad_row = -1;
  for (const std::int32_t row : rows) {
    const T* in = input + row * width;
    T* out = output + row * width;
    if (bad_row < 0 && !all_finite(in, static_cast<std::size_t>(width))) bad_row = row;
    result.input_norm.push_back(length(in, static_cast<std::size_t>(width)));
    const std::size_t first = result.before.size();
    work.project(in, result.before);
    const bool open = work.gate_open(in);
    if (open && primitive.mode == PrimitiveMode::conditional) ++result.gates_open;
    const bool moves = open && can_change(primitive);
    result.delta_norm.push_back(moves ? work.move(in, out, result.before.data() + first) : 0.0);
    work.project(moves ? out : in, result.after);
  }
  return bad_row;
}

template <class T>
void primitive_backward_rows(const Primitive& primitive, const T* dy, const T* x, T* dx, std::int64_t width,
                             std::span<const std::int32_t> rows) {
  Rows<T> work(primitive, width);
  for (const std::int32_t row : rows)
    if (work.gate_open(x + row * width)) work.move_back(dy + row * width, x + row * width, dx + row * width);
}

template void primitive_backward_rows<float>(const Primitive&, const float*, const float*, float*, std::int64_t,
                                             std::span<const std::int32_t>);
template void primitive_backward_rows<double>(const Primitive&, const double*, const double*, double*, std::int64_t,
                                              std::span<const std::int32_t>);
template std::int64_t apply_primitive_rows<float>(const Primitive&, const float*, float*, std::int64_t,
                                                  std::span<const std::int32_t>, PrimitiveResult&);
template std::int64_t apply_primitive_rows<Bf16>(const Primitive&, const Bf16*, Bf16*, std::int64_t,
                                                 std::span<const std::int32_t>, PrimitiveResult&);
template std::int64_t apply_primitive_rows<double>(const Primitive&, const double*, double*, std::int64_t,
                                                   std::span<const std::int32_t>, PrimitiveResult&);

}  // namespace vauban
