/// The cases: every method of Gradients, at odd sizes (width 17, vocabulary 33, head_dim 6), no row, one row, many
/// rows.
#include "contract/gradients_bench.h"

namespace vauban::test {
namespace {

using Cases = std::vector<GradientCase>;
using Targets = std::vector<Tensor*>;
constexpr std::int64_t kWidth = 17, kVocabulary = 33;
const std::array<std::int64_t, 4> kRows{0, 1, 5, 43};

std::vector<std::int32_t> spread_ids(std::int64_t rows, std::int64_t count) {
  std::vector<std::int32_t> ids;
  for (std::int64_t t = 0; t < rows; ++t) ids.push_back(static_cast<std::int32_t>((t * t + 3) % count));
  return ids;
}

std::string rows_name(std::string name, std::int64_t rows) { return name + "Rows" + std::to_string(rows); }

void add_elementwise(Cases& cases) {
  cases.push_back(
      {.name = "scaled",
       .x = {{5, kWidth}},
       .w = {},
       .forward = [](auto& m, auto& o) { return m.gradients.scaled(o.x[0], -0.7); },
       .backward = [](auto& m, auto&, auto&, auto& dy, auto&) -> Tensors { return {m.gradients.scaled(dy, -0.7)}; }});
  cases.push_back({.name = "masked",
                   .x = {{23, kWidth}},
                   .w = {},
                   .forward =
                       [](auto& m, auto& o) {
                         return m.gradients.masked(o.x[0], 0.3, {7, 2});
                       },
                   .backward = [](auto& m, auto&, auto&, auto& dy, auto&) -> Tensors {
                     return {m.gradients.masked(dy, 0.3, {7, 2})};
                   }});
}

void add_activations(Cases& cases) {
  const std::array names{"Silu", "GeluTanh", "GeluErf", "Relu", "ReluSquared", "Sigmoid"};
  for (const Activation act : {Activation::silu, Activation::gelu_tanh, Activation::gelu_erf, Activation::relu,
                               Activation::relu_squared, Activation::sigmoid}) {
    const double kink = act == Activation::relu || act == Activation::relu_squared ? 0.05 : 0.0;
    const std::string name = names[static_cast<std::size_t>(act)];
    cases.push_back({.name = "activation" + name,
                     .x = {{9, kWidth}},
                     .w = {},
                     .forward = [act](auto& m, auto& o) { return m.ops.activation(o.x[0], act); },
                     .backward = [act](auto& m, auto& o, auto&, auto& dy, auto&) -> Tensors {
                       return {m.gradients.activation_backward(dy, o.x[0], act)};
                     },
                     .kink = kink});
    cases.push_back({.name = "gated" + name,
                     .x = {{9, kWidth}, {9, kWidth}},
                     .w = {},
                     .forward = [act](auto& m, auto& o) { return m.ops.gated_activation(o.x[0], o.x[1], act); },
                     .backward = [act](auto& m, auto& o, auto&, auto& dy, auto&) -> Tensors {
                       const GateGradients d = m.gradients.gated_activation_backward(dy, o.x[0], o.x[1], act);
                       return {d.gate, d.up};
                     },
                     .kink = kink});
  }
  // At six times the size that many of either operand lie beyond 7.
  cases.push_back({.name = "gatedClampedSwiglu",
                   .x = {{23, kWidth}, {23, kWidth}},
                   .w = {},
                   .forward =
                       [](auto& m, auto& o) {
                         return m.ops.gated_activation(m.gradients.scaled(o.x[0], 6.0), m.gradients.scaled(o.x[1], 6.0),
                                                       Activation::clamped_swiglu);
                       },
                   .backward = [](auto& m, auto& o, auto&, auto& dy, auto&) -> Tensors {
                     const GateGradients d = m.gradients.gated_activation_backward(
                         dy, m.gradients.scaled(o.x[0], 6.0), m.gradients.scaled(o.x[1], 6.0), Activation::clamped_swiglu);
                     return {m.gradients.scaled(d.gate, 6.0), m.gradients.scaled(d.up, 6.0)};
                   },
                   .kink = 0.05,
                   .kink_at = 7.0 / 6.0});
}

void add_rows(Cases& cases) {
  cases.push_back({.name = "clamp",
                   .x = {{9, kWidth}},
                   .w = {},
                   .forward = [](auto& m, auto& o) { return m.ops.clamp(o.x[0], 0.8); },
                   .backward = [](auto& m, auto& o, auto&, auto& dy, auto&) -> Tensors {
                     return {m.gradients.clamp_backward(dy, o.x[0], 0.8)};
                   },
                   .kink = 0.05,
                   .kink_at = 0.8});
  for (const Shape& shape : {Shape{0, kWidth}, Shape{1, kWidth}, Shape{150, kWidth}, Shape{5, 3, 6}})
    cases.push_back({.name = rows_name("multiply", shape.rows()),
                     .x = {shape},
                     .w = {{shape.width()}},
                     .forward = [](auto& m, auto& o) { return m.ops.multiply(o.x[0], o.w[0]); },
                     .backward = [](auto& m, auto& o, auto&, auto& dy, const Targets& dw) -> Tensors {
                       return {m.gradients.multiply_backward(dy, o.x[0], o.w[0], dw[0])};
                     }});
}

void add_embed(Cases& cases) {
  for (const std::int64_t rows : kRows) {
    const std::vector<std::int32_t> ids = spread_ids(rows, kVocabulary);  // several ids come more than once
    cases.push_back({.name = rows_name("embed", rows),
                     .x = {},
                     .w = {{kVocabulary, kWidth}},
                     .forward = [ids](auto& m, auto& o) { return m.ops.embed(o.w[0], ids); },
                     .backward = [ids](auto& m, auto&, auto&, auto& dy, const Targets& dw) -> Tensors {
                       if (dw[0]) m.gradients.embed_backward(dy, ids, *dw[0]);
                       return {};
                     }});
  }
}

GradientCase linear_case(std::string name, std::int64_t rows, std::int64_t n_out, std::int64_t n_in) {
  return {.name = std::move(name),
          .x = {{rows, n_in}},
          .w = {{n_out, n_in}, {n_out}},
          .forward = [](auto& m, auto& o) { return m.ops.linear(o.x[0], o.w[0], &o.w[1]); },
          .backward = [](auto& m, auto& o, auto&, auto& dy, const Targets& dw) -> Tensors {
            if (dw[0]) m.gradients.linear_weight_backward(dy, o.x[0], *dw[0]);
            if (dw[1]) m.gradients.bias_backward(dy, *dw[1]);
            return {m.gradients.linear_input_backward(dy, o.w[0])};
          }};
}

void add_linear(Cases& cases) {
  for (const std::int64_t rows : kRows) cases.push_back(linear_case(rows_name("linear", rows), rows, kVocabulary, kWidth));
  // A frozen base in a packed type: only the input has a gradient.
  for (const DType dtype : kWeightTypes) {
    const std::int64_t width = info(dtype).block > 32 ? 256 : 96;
    const StoredWeight packed = stored(dtype, {19, width}, normals(static_cast<std::size_t>(19 * width), 60));
    cases.push_back({.name = "frozenLinear_" + std::string(to_string(dtype)),
                     .x = {{5, width}},
                     .w = {},
                     .forward = [packed](auto& m, auto& o) { return m.ops.linear(o.x[0], load(m.ops, packed)); },
                     .backward = [packed](auto& m, auto&, auto&, auto& dy, auto&) -> Tensors {
                       return {m.gradients.linear_input_backward(dy, load(m.ops, packed))};
                     }});
  }
}

void add_norms(Cases& cases) {
  std::vector<Shape> shapes{{43, kWidth}, {5, 3, 6}, {4, 1}, {2, 260}};
  for (const std::int64_t rows : kRows)
    if (rows < 43) shapes.push_back({rows, kWidth});
  for (const Shape& shape : shapes) {
    std::string name;
    for (const std::int64_t dim : shape.dims()) name += "_" + std::to_string(dim);
    const Shape width{shape.width()};
    cases.push_back({.name = "rmsNorm" + name,
                     .x = {shape},
                     .w = {width},
                     .forward = [](auto& m, auto& o) { return m.ops.rms_norm(o.x[0], o.w[0], 1e-2); },
                     .backward = [](auto& m, auto& o, auto&, auto& dy, const Targets& dw) -> Tensors {
                       return {m.gradients.rms_norm_backward(dy, o.x[0], o.w[0], 1e-2, dw[0])};
                     },
                     // A row of one value is x / sqrt(x^2 + epsilon): near 0 it bends within one step of a difference.
                     .kink = shape.width() == 1 ? 0.3 : 0.0});
    if (shape.width() == 1) continue;  // centred, a single value is always 0: nothing is left to compare
    cases.push_back({.name = "layerNorm" + name,
                     .x = {shape},
                     .w = {width, width},
                     .forward = [](auto& m, auto& o) { return m.ops.layer_norm(o.x[0], o.w[0], &o.w[1], 1e-2); },
                     .backward = [](auto& m, auto& o, auto&, auto& dy, const Targets& dw) -> Tensors {
                       return {m.gradients.layer_norm_backward(dy, o.x[0], o.w[0], 1e-2, dw[0], dw[1])};
                     }});
  }
}

void add_rope(Cases& cases) {
  for (const RopeLayout layout : {RopeLayout::half, RopeLayout::interleaved})
    for (const std::int64_t head : {6, 9}) {  // of 9, the last three pass through
      const RopeTable table{.layout = layout, .inverse_frequency = {1.0, 0.1, 0.003}, .attention_factor = 1.25};
      const std::vector<std::int32_t> positions{0, 1, 2, 511, 0, 1, 90};
      const char* name = layout == RopeLayout::half ? "ropeHalf" : "ropeInterleaved";
      cases.push_back({.name = name + std::to_string(head),
                       .x = {{7, 3, head}},
                       .w = {},
                       .forward = [=](auto& m, auto& o) { return m.ops.rope(o.x[0], positions, table); },
                       .backward = [=](auto& m, auto&, auto&, auto& dy, auto&) -> Tensors {
                         return {m.gradients.rope_backward(dy, positions, table)};
                       }});
    }
}

struct AttentionCase {
  const char* name;
  int heads, kv_heads, head_dim;
  std::int64_t window;
  double softcap;
  std::vector<std::int32_t> lengths;
  bool alibi = false, sinks = false;
};

std::vector<double> slopes(int heads) {
  std::vector<double> all;
  for (int head = 1; head <= heads; ++head) all.push_back(std::exp2(-8.0 * head / heads));
  return all;
}

/// With sinks they are the only parameter.
AttentionArgs with_sinks(AttentionArgs args, const Operands& o) {
  if (!o.w.empty()) args.sinks = &o.w[0];
  return args;
}

void add_attention(Cases& cases) {
  const std::vector<AttentionCase> list{
      {"MultiHead", 3, 3, 6, 0, 0.0, {11}},      {"Grouped", 6, 2, 6, 0, 0.0, {11}},
      {"OneKeyHead", 4, 1, 8, 0, 0.0, {9}},      {"Documents", 4, 2, 6, 0, 0.0, {3, 1, 7, 2}},
      {"Window", 4, 2, 6, 3, 0.0, {13}},         {"WindowOfOne", 2, 2, 6, 1, 0.0, {5}},
      {"Softcap", 4, 2, 6, 0, 1.5, {9}},         {"Everything", 6, 2, 6, 4, 2.0, {6, 1, 9}},
      {"OneRow", 2, 1, 6, 0, 0.0, {1}},          {"NoRow", 2, 1, 6, 0, 0.0, {}},
      {"ManyRows", 2, 1, 16, 0, 0.0, {150, 21}}, {"ManyRowsWindow", 2, 1, 6, 40, 0.0, {150, 21}},
      {"WideHeads", 4, 2, 40, 0, 0.0, {70, 33}}, {"WideHeadsWindow", 2, 1, 40, 21, 2.0, {70}},
      {"Alibi", 6, 2, 6, 0, 0.0, {11, 3}, true}, {"AlibiWindowSoftcap", 4, 1, 6, 5, 2.0, {70}, true},
      {"Sinks", 4, 2, 6, 0, 0.0, {5, 1, 9}, false, true},
      {"SinksWindow", 4, 2, 6, 3, 0.0, {40, 0, 3}, false, true},
      {"SinksAlibiSoftcap", 6, 3, 16, 0, 2.0, {50, 12}, true, true},
      {"SinksNoRow", 2, 1, 6, 0, 0.0, {}, false, true},
  };
  for (const AttentionCase& a : list) {
    const AttentionArgs args{.heads = a.heads,
                             .kv_heads = a.kv_heads,
                             .head_dim = a.head_dim,
                             .scale = 0.6,
                             .window = a.window,
                             .softcap = a.softcap,
                             .alibi_slopes = a.alibi ? slopes(a.heads) : std::vector<double>{}};
    const Batch batch = documents(a.lengths);
    const auto rows = static_cast<std::int64_t>(batch.ids.size());
    const Shape q{rows, a.heads, a.head_dim}, kv{rows, a.kv_heads, a.head_dim};
    cases.push_back(
        {.name = std::string("attention") + a.name,
         .x = {q, kv, kv},
         .w = a.sinks ? std::vector<Shape>{{a.heads}} : std::vector<Shape>{},
         .forward =
             [=](auto& m, auto& o) {
               return m.gradients.attention(o.x[0], o.x[1], o.x[2], batch, with_sinks(args, o)).z;
             },
         .backward = [=](auto& m, auto& o, auto&, auto& dy, const Targets& dw) -> Tensors {
           const AttentionArgs own = with_sinks(args, o);
           const auto forward = m.gradients.attention(o.x[0], o.x[1], o.x[2], batch, own);
           const AttentionGradients d = m.gradients.attention_backward(dy, o.x[0], o.x[1], o.x[2], forward, batch, own,
                                                                       dw.empty() ? nullptr : dw[0]);
           return {d.q, d.k, d.v};
         }});
  }
}

void add_movement(Cases& cases) {
  cases.push_back({.name = "columns",
                   .x = {{5, kWidth}},
                   .w = {},
                   .forward = [](auto& m, auto& o) { return m.ops.columns(o.x[0], 3, 7); },
                   .backward = [](auto& m, auto&, auto&, auto& dy, auto&) -> Tensors {
                     return {m.gradients.columns_backward(dy, 3, kWidth)};
                   }});
  const std::array<std::vector<std::int32_t>, 3> selections{
      {{4, 0, 4, 2, 4}, {}, {1}}};  // a row that is taken three times gets three gradients
  for (const std::vector<std::int32_t>& rows : selections)
    cases.push_back({.name = rows_name("select", static_cast<std::int64_t>(rows.size())),
                     .x = {{6, kWidth}},
                     .w = {},
                     .forward = [rows](auto& m, auto& o) { return m.ops.select_rows(o.x[0], rows); },
                     .backward = [rows](auto& m, auto&, auto&, auto& dy, auto&) -> Tensors {
                       return {m.gradients.select_rows_backward(dy, rows, 6)};
                     }});
}

/// Log-probabilities as a tensor, so that the head is a case like any other.
Tensor as_tensor(const std::vector<double>& values) {
  Tensor tensor = make_host_tensor(DType::f64, {static_cast<std::int64_t>(values.size())});
  std::copy(values.begin(), values.end(), tensor.as<double>());
  return tensor;
}

GradientCase head_case(std::string name, std::int64_t rows, std::int64_t vocabulary, std::int64_t width, double cap) {
  const std::vector<std::int32_t> targets = spread_ids(rows, vocabulary);
  return {.name = std::move(name),
          .x = {{rows, width}},
          .w = {{vocabulary, width}},
          .forward =
              [=](auto& m, auto& o) {
                return as_tensor(m.gradients.head(o.x[0], o.w[0], cap, targets, {}, nullptr).logprobs);
              },
          .backward = [=](auto& m, auto& o, auto&, auto& dy, const Targets& dw) -> Tensors {
            const std::vector<double> coefficients = to_f64(dy);
            const auto result = m.gradients.head(o.x[0], o.w[0], cap, targets, coefficients, dw[0]);
            // No rows are no coefficients, and those ask for the forward alone.
            return {rows == 0 ? o.x[0] : result.dx};
          }};
}

void add_head(Cases& cases) {
  // The last is of several tiles in both directions.
  std::vector<std::pair<std::int64_t, std::int64_t>> sizes{{140, 1301}};
  for (const std::int64_t rows : kRows) sizes.insert(sizes.end() - 1, {rows, kVocabulary});
  for (const double cap : {0.0, 3.0})
    for (const auto& [rows, vocabulary] : sizes) {
      const std::string suffix = rows_name(cap == 0.0 ? "" : "Softcap", rows);
      const std::vector<Shape> x{{rows, kWidth}}, w{{vocabulary, kWidth}};
      cases.push_back(head_case("head" + suffix, rows, vocabulary, kWidth, cap));
      cases.push_back({.name = "lmHead" + suffix,
                       .x = x,
                       .w = w,
                       .forward = [=](auto& m, auto& o) { return m.ops.lm_head(o.x[0], o.w[0], cap); },
                       .backward = [=](auto& m, auto& o, auto& y, auto& dy, const Targets& dw) -> Tensors {
                         return {m.gradients.lm_head_backward(dy, y, o.x[0], o.w[0], cap, dw[0])};
                       }});
    }
}

Primitive some_primitive(PrimitiveMode mode, PrimitiveMode inner) {
  const PrimitiveMode effective = mode == PrimitiveMode::conditional ? inner : mode;
  const bool basis = effective == PrimitiveMode::subspace_project || effective == PrimitiveMode::subspace_remove ||
                     effective == PrimitiveMode::subspace_add;
  const std::int64_t rows = basis ? 3 : 1;
  Primitive p{.mode = mode,
              .direction = normals(static_cast<std::size_t>(rows * kWidth), 71),
              .basis_rows = rows,
              .alpha = 0.8};
  if (effective == PrimitiveMode::clamp) p.lo = -0.4, p.hi = 0.4;
  if (mode == PrimitiveMode::conditional) p.gate = normals(kWidth, 73);
  p.inner = inner;
  return validate_primitive(p, kWidth).value();
}

void add_primitive(Cases& cases, std::string name, const Primitive& p) {
  const std::vector<std::int32_t> rows{0, 1, 2, 4, 5, 6, 8, 4};  // 3 and 7 pass through; 4 is edited once
  cases.push_back({.name = std::move(name),
                   .x = {{9, kWidth}},
                   .w = {},
                   .forward = [=](auto& m, auto& o) { return m.ops.primitive(o.x[0], p, rows).output; },
                   .backward = [=](auto& m, auto& o, auto&, auto& dy, auto&) -> Tensors {
                     return {m.gradients.primitive_backward(dy, o.x[0], p, rows)};
                   }});
}

void add_primitive(Cases& cases, PrimitiveMode mode, PrimitiveMode inner = PrimitiveMode::subtract) {
  std::string name = "primitive_" + std::string(to_string(mode));
  if (mode == PrimitiveMode::conditional) name += "_" + std::string(to_string(inner));
  add_primitive(cases, std::move(name), some_primitive(mode, inner));
}

void add_primitives(Cases& cases) {
  using Mode = PrimitiveMode;
  const std::array inner{Mode::project,         Mode::subtract,     Mode::add,   Mode::subspace_project,
                         Mode::subspace_remove, Mode::subspace_add, Mode::clamp, Mode::offset};
  for (const Mode mode : inner) add_primitive(cases, mode);
  for (const Mode mode : inner) add_primitive(cases, Mode::conditional, mode);
  Primitive within = some_primitive(Mode::clamp, Mode::subtract);  // bounds that no row reaches: the slope there is 0
  within.lo = -9.0, within.hi = 9.0;
  add_primitive(cases, "primitive_clamp_within", within);
}

}  // namespace

std::vector<GradientCase> all_gradient_cases() {
  Cases cases;
  add_elementwise(cases);
  add_activations(cases);
  add_rows(cases);
  add_embed(cases);
  add_linear(cases);
  add_norms(cases);
  add_rope(cases);
  add_attention(cases);
  add_movement(cases);
  add_head(cases);
  add_primitives(cases);
  return cases;
}

std::vector<GradientCase> large_gradient_cases() {
  return {linear_case("linearToMany", 301, 811, 71), linear_case("linearFromMany", 257, 67, 775),
          head_case("headOfManySoftcap", 301, 811, 71, 3.0)};
}

}  // namespace vauban::test
