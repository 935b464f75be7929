/// Names and validation of the activation primitive (include/vauban/primitive.h).
#include "vauban/primitive.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <span>
#include <utility>

#include "base/result.h"
#include "ops/primitive_rows.h"

namespace vauban {
namespace {

struct ModeName {
  PrimitiveMode mode;
  std::string_view name;
};

constexpr std::array kModes{
    ModeName{PrimitiveMode::project, "project"},
    ModeName{PrimitiveMode::subtract, "subtract"},
    ModeName{PrimitiveMode::add, "add"},
    ModeName{PrimitiveMode::subspace_project, "subspace_project"},
    ModeName{PrimitiveMode::subspace_remove, "subspace_remove"},
    ModeName{PrimitiveMode::subspace_add, "subspace_add"},
    ModeName{PrimitiveMode::clamp, "clamp"},
    ModeName{PrimitiveMode::conditional, "conditional"},
    ModeName{PrimitiveMode::offset, "offset"},
};

/// A row whose part outside the rows before it is smaller than this fraction of its length adds no dimension.
constexpr double kIndependence = 1e-6;

Result<void> check_finite(std::string_view what, std::span<const double> values) {
  const auto bad = std::find_if(values.begin(), values.end(), [](double value) { return !std::isfinite(value); });
  if (bad == values.end()) return ok();
  return invalid_input("primitive: {} must be finite, element {} is {}", what, bad - values.begin(), *bad);
}

Result<void> check_scalar(std::string_view what, double value) {
  if (std::isfinite(value)) return ok();
  return invalid_input("primitive: {} must be finite, found {}", what, value);
}

Result<void> check_shape(const Primitive& primitive, PrimitiveMode mode, std::int64_t width) {
  const std::int64_t rows = primitive.basis_rows;
  if (width < 1) return invalid_input("primitive: the activation must have a last dimension, its width is {}", width);
  if (!is_subspace(mode) && rows != 1)
    return invalid_input("primitive: mode '{}' takes one direction, found a basis of {} rows", to_string(mode), rows);
  if (rows < 1 || rows > width)
    return invalid_input("primitive: a basis needs 1 to {} rows (the activation's width), found {}", width, rows);
  const auto expected = static_cast<std::size_t>(rows) * static_cast<std::size_t>(width);
  if (primitive.direction.size() != expected)
    return invalid_input("primitive: expected a direction of [{}, {}] = {} values, found {}", rows, width, expected,
                         primitive.direction.size());
  return check_finite("the direction", primitive.direction);
}

Result<void> check_gate(const Primitive& primitive, std::int64_t width) {
  if (primitive.mode != PrimitiveMode::conditional) {
    if (primitive.gate.empty()) return ok();
    return invalid_input("primitive: mode '{}' has no gate, found one of {} values", to_string(primitive.mode),
                         primitive.gate.size());
  }
  if (primitive.inner == PrimitiveMode::conditional)
    return invalid_input("primitive: the inner mode of a conditional cannot be conditional itself");
  if (primitive.gate.size() != static_cast<std::size_t>(width))
    return invalid_input("primitive: expected a gate of {} values, found {}", width, primitive.gate.size());
  VB_CHECK(check_finite("the gate", primitive.gate));
  if (std::all_of(primitive.gate.begin(), primitive.gate.end(), [](double value) { return value == 0.0; }))
    return invalid_input("primitive: the gate is the zero vector, so it would never depend on the activation");
  return check_scalar("tau", primitive.tau);
}

Result<void> check_bounds(const Primitive& primitive, PrimitiveMode mode) {
  VB_CHECK(check_scalar("alpha", primitive.alpha));
  if (mode != PrimitiveMode::clamp) return ok();
  VB_CHECK(check_scalar("lo", primitive.lo));
  VB_CHECK(check_scalar("hi", primitive.hi));
  if (primitive.lo <= primitive.hi) return ok();
  return invalid_input("primitive: clamp needs lo <= hi, found lo = {} and hi = {}", primitive.lo, primitive.hi);
}

/// Scaled by the largest element, so that squares neither overflow nor vanish.
double norm(std::span<const double> row) {
  double largest = 0.0;
  for (const double value : row) largest = std::max(largest, std::abs(value));
  if (largest == 0.0) return 0.0;
  double sum = 0.0;
  for (const double value : row) sum += (value / largest) * (value / largest);
  return largest * std::sqrt(sum);
}

void scale_to_unit(std::span<double> row) {
  // Twice: dividing by a subnormal or very large norm can leave the first result off by more than rounding.
  for (int pass = 0; pass < 2; ++pass) {
    const double length = norm(row);
    for (double& value : row) value /= length;
  }
}

void remove_component(std::span<double> row, std::span<const double> unit) {
  double overlap = 0.0;
  for (std::size_t i = 0; i < row.size(); ++i) overlap += row[i] * unit[i];
  for (std::size_t i = 0; i < row.size(); ++i) row[i] -= overlap * unit[i];
}

/// Modified Gram-Schmidt, run twice per row ("twice is enough": Giraud, Langou, Rozloznik 2005).
Result<void> orthonormalise(Primitive& primitive, std::size_t width) {
  const std::span<double> basis = primitive.direction;
  primitive.norms_before.clear();
  for (std::size_t r = 0; r * width < basis.size(); ++r) {
    const std::span<double> row = basis.subspan(r * width, width);
    const double length = norm(row);
    if (length == 0.0) return invalid_input("primitive: row {} of the direction is the zero vector", r);
    if (!std::isfinite(length)) return invalid_input("primitive: the length of row {} of the direction overflows", r);
    primitive.norms_before.push_back(length);
    scale_to_unit(row);
    for (std::size_t earlier = 0; earlier < 2 * r; ++earlier)
      remove_component(row, basis.subspan((earlier % r) * width, width));
    if (norm(row) < kIndependence)
      return invalid_input("primitive: the basis is rank-deficient: row {} lies in the span of the rows before it", r);
    scale_to_unit(row);
  }
  return ok();
}

}  // namespace

std::string_view to_string(PrimitiveMode mode) { return kModes[static_cast<std::size_t>(mode)].name; }

Result<PrimitiveMode> primitive_mode_from(std::string_view name) {
  std::string known;
  for (const ModeName& entry : kModes) {
    if (entry.name == name) return entry.mode;
    known += known.empty() ? "" : ", ";
    known += entry.name;
  }
  return invalid_input("unknown primitive mode '{}'; known: {}", name, known);
}

Result<Primitive> validate_primitive(Primitive primitive, std::int64_t width) {
  VB_CHECK(check_gate(primitive, width));
  const PrimitiveMode mode = effective_mode(primitive);
  VB_CHECK(check_shape(primitive, mode, width));
  VB_CHECK(check_bounds(primitive, mode));
  if (mode == PrimitiveMode::offset) {  // a control vector keeps its length
    const double length = norm(primitive.direction);
    if (length == 0.0) return invalid_input("primitive: the offset is the zero vector");
    primitive.norms_before = {length};
    return primitive;
  }
  VB_CHECK(orthonormalise(primitive, static_cast<std::size_t>(width)));
  return primitive;
}

}  // namespace vauban
