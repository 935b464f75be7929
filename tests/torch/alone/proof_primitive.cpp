// The activation primitive: every mode, what it says of itself, alpha 0, what it refuses.
#include <array>
#include <limits>
#include <stdexcept>

#include "torch/alone/proof.h"
#include "ops/primitive_rows.h"

namespace vauban::proof {
namespace {

using Mode = PrimitiveMode;
constexpr std::array kModes{Mode::project,         Mode::subtract,     Mode::add,   Mode::subspace_project,
                            Mode::subspace_remove, Mode::subspace_add, Mode::clamp, Mode::conditional,
                            Mode::offset};
constexpr std::int64_t kWidth = 173, kRows = 7;
const std::vector<std::int32_t> kTouched{0, 1, 2, 4, 6};

std::string_view row_of(const Primitive& p) { return can_change(p) ? "interventions" : "activations"; }

Primitive valid(Primitive p, std::int64_t width) {
  auto checked = validate_primitive(std::move(p), width);
  if (!checked) throw std::runtime_error(describe(checked.error()));
  return *std::move(checked);
}

Primitive some(Mode mode, double alpha) {
  const std::int64_t rows = is_subspace(mode) ? 3 : 1;
  Primitive p{.mode = mode, .direction = normals(rows * kWidth, 50), .basis_rows = rows, .alpha = alpha};
  if (mode == Mode::clamp) p.lo = -0.4, p.hi = 0.4;
  if (mode == Mode::conditional) p.gate = normals(kWidth, 51);
  return valid(std::move(p), kWidth);
}

PrimitiveResult apply(Ops& ops, const Primitive& p) {
  return ops.primitive(activation(ops, {kRows, kWidth}, normals(kRows * kWidth, 60)), p, kTouched);
}

/// What it says: projections before and after, how far each row moved, how many gates were open.
Numbers said(const PrimitiveResult& result) {
  Numbers all = result.before;
  all.insert(all.end(), result.after.begin(), result.after.end());
  all.insert(all.end(), result.delta_norm.begin(), result.delta_norm.end());
  all.push_back(static_cast<double>(result.gates_open));
  return all;
}

void prove_mode(Proof& proof, Mode mode) {
  const Primitive p = some(mode, 0.7), idle = some(mode, 0.0);
  const std::string_view kind = to_string(mode);
  proof.near(row_of(p), format("primitive.{}.output", kind), kElement,
             [&](Ops& ops) { return to_f64(apply(ops, p).output); });
  proof.near(row_of(p), format("primitive.{}.measured_effect", kind), kSum,
             [&](Ops& ops) { return said(apply(ops, p)); });
  proof.same(row_of(p), format("primitive.{}.alpha_zero_is_bitwise", kind), [&](Ops& ops) {
    Numbers h = normals(kRows * kWidth, 60);
    h[5] = -0.0;
    const Tensor x = activation(ops, {kRows, kWidth}, h);
    return std::pair{to_f64(ops.primitive(x, idle, kTouched).output), to_f64(x)};
  });
}

/// h = [1, 2, 3], d = e2: trace-contract section 7.
void prove_by_hand(Proof& proof) {
  const auto run = [](Ops& ops, Primitive p, const Numbers& h) {
    p.direction = {0.0, 1.0, 0.0};
    return to_f64(ops.primitive(activation(ops, {1, 3}, h), valid(std::move(p), 3), std::vector<std::int32_t>{0}).output);
  };
  proof.equals("interventions", "primitive.by_hand.subtract", kExact, {1.0, 0.0, 3.0},
               [&](Ops& ops) { return run(ops, {.mode = Mode::subtract}, {1.0, 2.0, 3.0}); });
  proof.equals("interventions", "primitive.by_hand.clamp", kExact, {1.0, 1.0, 3.0}, [&](Ops& ops) {
    return run(ops, {.mode = Mode::clamp, .lo = -1.0, .hi = 1.0}, {1.0, 2.0, 3.0});
  });
  proof.equals("interventions", "primitive.by_hand.shut_gate", kExact, {1.0, 2.0, 3.0}, [&](Ops& ops) {
    return run(ops, {.mode = Mode::conditional, .gate = {0.0, 0.0, 1.0}, .tau = 3.0}, {1.0, 2.0, 3.0});
  });
  for (const double bad : {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity()})
    proof.refuses("interventions", format("primitive.refuses_{}", bad != bad ? "nan" : "infinity"),
                  ErrorCode::invalid_input,
                  [&](Ops& ops) { run(ops, {.mode = Mode::subtract}, {1.0, bad, 3.0}); });
}

void prove_conditional_modes(Proof& proof) {
  for (const Mode inner : kModes) {
    if (inner == Mode::conditional) continue;
    Primitive p = some(inner, 0.7);
    p.mode = Mode::conditional, p.inner = inner, p.gate = normals(kWidth, 51);
    proof.near("interventions", format("primitive.conditional_{}", to_string(inner)), kElement,
               [&](Ops& ops) { return to_f64(apply(ops, p).output); });
  }
}

}  // namespace

void prove_primitive(Proof& proof) {
  for (const Mode mode : kModes) prove_mode(proof, mode);
  prove_by_hand(proof);
  prove_conditional_modes(proof);
  proof.same("interventions", "primitive.untouched_rows_are_bitwise", [](Ops& ops) {
    const Numbers out = to_f64(apply(ops, some(Mode::subtract, 0.7)).output), in = normals(kRows * kWidth, 60);
    const auto row = [](const Numbers& all, std::int64_t r) {
      return Numbers(all.begin() + r * kWidth, all.begin() + (r + 1) * kWidth);
    };
    Numbers got = row(out, 3), expected = row(in, 3);
    const Numbers more = row(out, 5), as_before = row(in, 5);
    got.insert(got.end(), more.begin(), more.end());
    expected.insert(expected.end(), as_before.begin(), as_before.end());
    return std::pair{got, expected};
  });
}

}  // namespace vauban::proof
