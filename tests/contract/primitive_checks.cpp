#include "contract/primitive_checks.h"

#include "ops/primitive_rows.h"
#include "support/test_data.h"

namespace vauban::test {
namespace {

using Mode = PrimitiveMode;
using Rows = std::vector<double>;

constexpr std::array kModes{Mode::project,         Mode::subtract,     Mode::add,   Mode::subspace_project,
                            Mode::subspace_remove, Mode::subspace_add, Mode::clamp, Mode::conditional,
                            Mode::offset};

double dot(std::span<const double> a, std::span<const double> b) {
  double sum = 0.0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}
double length(std::span<const double> v) { return std::sqrt(dot(v, v)); }

/// What the formulas say about one row.
struct Expected {
  Rows row, before;
  bool open = false;
};

Expected expected_of(const Primitive& p, std::span<const double> h) {
  const std::size_t width = h.size(), k = p.direction.size() / width;
  Expected out{.row = Rows(h.begin(), h.end()), .before = {}};
  out.open = p.mode == Mode::conditional && dot(h, p.gate) > p.tau;
  const Mode mode = p.mode == Mode::conditional ? p.inner : p.mode;
  for (std::size_t r = 0; r < k; ++r) {
    const std::span<const double> d(p.direction.data() + r * width, width);
    const double c = dot(h, d);
    out.before.push_back(c);
    if (p.mode == Mode::conditional && !out.open) continue;
    double step = 0.0;
    if (mode == Mode::subtract || mode == Mode::subspace_remove) step = -p.alpha * c;
    if (mode == Mode::add || mode == Mode::subspace_add) step = p.alpha * c;
    if (mode == Mode::clamp) step = p.alpha * (std::min(std::max(c, p.lo), p.hi) - c);
    if (mode == Mode::offset) step = p.alpha;
    for (std::size_t i = 0; i < width; ++i) out.row[i] += step * d[i];
  }
  return out;
}

class Checker {
 public:
  Checker(const ApplyPrimitive& apply, DType storage, const PrimitiveBounds& bounds)
      : apply_(apply), storage_(storage), bounds_(bounds) {}

  void check(const Primitive& p, std::int64_t width, double scale) {
    name_ = format("{} D={} alpha={}", to_string(p.mode), width, p.alpha);
    const Tensor x = stored_rows(storage_, {2, 3, width}, normals(static_cast<std::size_t>(6 * width), 61, scale));
    const std::string bytes = bits(x);
    const PrimitiveResult result = apply_(x, p, kRows);
    if (bits(x) != bytes) fault("the input was written");
    if (result.output.shape() != x.shape() || result.output.dtype() != x.dtype())
      return fault("the output has another shape or type");
    const std::size_t k = static_cast<std::size_t>(p.basis_rows);
    if (result.before.size() != 3 * k || result.after.size() != 3 * k || result.delta_norm.size() != 3 ||
        result.input_norm.size() != 3)
      return fault("projections or changes are missing");
    const Rows in = to_f64(x), out = to_f64(result.output);
    std::int64_t open = 0;
    for (std::size_t row = 0; row < 6; ++row) {
      const auto named = std::find(kRows.begin(), kRows.end(), static_cast<std::int32_t>(row));
      const std::span h(in.data() + row * in.size() / 6, in.size() / 6),
          to(out.data() + row * in.size() / 6, in.size() / 6);
      if (named == kRows.end())
        check_untouched(x, result.output, row);
      else
        open += check_row(p, h, to, result, static_cast<std::size_t>(named - kRows.begin()), x, row);
    }
    if (result.gates_open != open) fault(format("{} gates open, expected {}", result.gates_open, open));
  }

  std::vector<std::string> found;

 private:
  void fault(const std::string& what) { found.push_back(name_ + ": " + what); }

  std::string row_bits(const Tensor& x, std::size_t row) const {
    const std::string all = bits(x);
    return all.substr(row * all.size() / 6, all.size() / 6);
  }
  void check_untouched(const Tensor& x, const Tensor& out, std::size_t row) {
    if (row_bits(x, row) != row_bits(out, row)) fault(format("row {} was not named and changed", row));
  }

  /// Returns whether its gate is open.
  bool check_row(const Primitive& p, std::span<const double> h, std::span<const double> out,
                 const PrimitiveResult& result, std::size_t place, const Tensor& x, std::size_t row) {
    const Expected expected = expected_of(p, h);
    const std::size_t k = expected.before.size();
    const double norm = length(h), slack = bounds_.projection * norm + 1e-300;
    double moved = 0.0, change = 0.0;
    for (std::size_t i = 0; i < h.size(); ++i) {
      moved = std::max(moved, std::abs(expected.row[i] - h[i]));
      change += (out[i] - h[i]) * (out[i] - h[i]);
      if (!(std::abs(out[i] - expected.row[i]) <= bounds_.element * std::abs(expected.row[i]) + slack * (1 + p.alpha)))
        return fault(format("row {} element {} is {}, expected {}", row, i, out[i], expected.row[i])), expected.open;
    }
    if (moved == 0.0 && row_bits(x, row) != row_bits(result.output, row))
      fault(format("row {} must keep its bits", row));
    for (std::size_t r = 0; r < k; ++r) {
      const std::span<const double> d(p.direction.data() + r * h.size(), h.size());
      const double before = result.before[place * k + r], after = result.after[place * k + r];
      if (!(std::abs(before - expected.before[r]) <= slack * length(d)))
        fault(format("row {} projection {} is {}, expected {}", row, r, before, expected.before[r]));
      // Measured on the row as it was written.
      if (!(std::abs(after - dot(out, d)) <= bounds_.projection * length(out) * length(d) + 1e-300))
        fault(format("row {} projection {} afterwards is {}, that row has {}", row, r, after, dot(out, d)));
    }
    if (!(std::abs(result.input_norm[place] - norm) <= 1e-5 * norm))
      fault(format("row {} is {} long, reported {}", row, norm, result.input_norm[place]));
    const double delta = result.delta_norm[place];
    if (!(std::abs(delta - std::sqrt(change)) <= 1e-5 * std::sqrt(change)))
      fault(format("row {} changed by {}, reported {}", row, std::sqrt(change), delta));
    return expected.open;
  }

  static inline const std::vector<std::int32_t> kRows{5, 0, 2};  // in any order
  const ApplyPrimitive& apply_;
  DType storage_;
  PrimitiveBounds bounds_;
  std::string name_;
};

/// h = [1, 2, 3] (and its negative) with d = e2, and a gate that stands exactly on its threshold.
void check_published_case(const ApplyPrimitive& apply, DType storage, std::vector<std::string>& found) {
  const Tensor x = stored_rows(storage, {1, 3}, {1.0, 2.0, 3.0});
  const std::vector<std::int32_t> rows{0};
  const auto run = [&](Primitive p, Rows h, double before, double after, double delta, std::int64_t open = 0) {
    if (p.direction.empty()) p.direction = {0.0, 1.0, 0.0};
    const PrimitiveResult got = apply(x, validate_primitive(p, 3).value(), rows);
    if (to_f64(got.output) != h || got.before != Rows{before} || got.after != Rows{after} ||
        got.delta_norm != Rows{delta} || got.gates_open != open)
      found.push_back(format("{} of [1, 2, 3] along e2 is not the published one", to_string(p.mode)));
  };
  run({.mode = Mode::project}, {1, 2, 3}, 2, 2, 0);
  run({.mode = Mode::subtract}, {1, 0, 3}, 2, 0, 2);
  run({.mode = Mode::subtract, .alpha = 0.25}, {1, 1.5, 3}, 2, 1.5, 0.5);
  run({.mode = Mode::add, .alpha = 0.5}, {1, 3, 3}, 2, 3, 1);
  run({.mode = Mode::clamp, .lo = -1, .hi = 1}, {1, 1, 3}, 2, 1, 1);
  run({.mode = Mode::clamp, .lo = 2.5, .hi = 3}, {1, 2.5, 3}, 2, 2.5, 0.5);
  run({.mode = Mode::clamp, .lo = 0, .hi = 5}, {1, 2, 3}, 2, 2, 0);
  run({.mode = Mode::offset, .direction = {0, 4, 0}, .alpha = 0.5}, {1, 4, 3}, 8, 16, 2);
  run({.mode = Mode::conditional, .gate = {0, 0, 1}, .tau = 2.5}, {1, 0, 3}, 2, 0, 2, 1);
  run({.mode = Mode::conditional, .gate = {0, 0, 1}, .tau = 3.0}, {1, 2, 3}, 2, 2, 0, 0);  // strictly greater
}

void check_alpha_zero(const ApplyPrimitive& apply, DType storage, std::int64_t width, std::vector<std::string>& found) {
  Rows h = normals(static_cast<std::size_t>(2 * width), 63);
  h[0] = -0.0;
  const Tensor x = stored_rows(storage, {2, width}, h);
  const std::vector<std::int32_t> rows{0, 1};
  for (const Mode mode : kModes) {
    const PrimitiveResult got = apply(x, primitive_of(mode, width, 0.0), rows);
    if (bits(got.output) != bits(x) || got.before != got.after || got.delta_norm != Rows{0.0, 0.0})
      found.push_back(format("{} D={} alpha=0 is not the identity", to_string(mode), width));
  }
}

}  // namespace

PrimitiveBounds exact_bounds(DType storage) {
  if (storage == DType::f64) return {.projection = 1e-14, .element = 1e-15};
  return {.projection = 1e-14, .element = storage == DType::bf16 ? 0x1p-8 : 0x1p-23};
}
PrimitiveBounds f32_bounds(DType storage) {
  return {.projection = 2e-6, .element = storage == DType::bf16 ? 0x1p-8 : 0x1p-22};
}

Tensor stored_rows(DType dtype, const Shape& shape, const std::vector<double>& values) {
  const std::size_t element = static_cast<std::size_t>(info(dtype).bits) / 8;
  Tensor tensor(dtype, shape, StorageRef(new GuardedStorage(values.size() * element, element)));
  for (std::size_t i = 0; i < values.size(); ++i) {
    const auto narrow = static_cast<float>(values[i]);
    if (dtype == DType::f64) tensor.as<double>()[i] = values[i];
    if (dtype == DType::f32) tensor.as<float>()[i] = narrow;
    if (dtype == DType::bf16) tensor.as<std::uint16_t>()[i] = f32_to_bf16(narrow);
  }
  return tensor;
}

std::span<const PrimitiveMode> all_primitive_modes() { return kModes; }

Primitive primitive_of(PrimitiveMode mode, std::int64_t width, double alpha, std::uint64_t stream) {
  const std::int64_t rows = is_subspace(mode) ? std::min<std::int64_t>(3, width) : 1;
  Primitive p{.mode = mode,
              .direction = normals(static_cast<std::size_t>(rows * width), stream),
              .basis_rows = rows,
              .alpha = alpha};
  if (mode == Mode::clamp) p.lo = -0.4, p.hi = 0.3;
  if (mode == Mode::conditional) p.gate = normals(static_cast<std::size_t>(width), stream + 1);
  return validate_primitive(p, width).value();
}

std::vector<std::string> violations(const ApplyPrimitive& apply, DType storage, const PrimitiveBounds& bounds,
                                    std::span<const std::int64_t> widths) {
  Checker checker(apply, storage, bounds);
  for (const std::int64_t width : widths) {
    for (const Mode mode : kModes) checker.check(primitive_of(mode, width, 0.6), width, 1.0);
    for (const Mode inner : kModes) {
      if (inner == Mode::conditional || inner == Mode::subtract) continue;
      Primitive gated = primitive_of(inner, width, 0.6);
      gated.mode = Mode::conditional;
      gated.inner = inner;
      gated.gate = primitive_of(Mode::conditional, width, 0.6).gate;
      checker.check(gated, width, 1.0);
    }
    check_alpha_zero(apply, storage, width, checker.found);
  }
  check_published_case(apply, storage, checker.found);
  return checker.found;
}

}  // namespace vauban::test
