// Every gradient, each by its own name, against the reference's.
#include <array>
#include <cstring>
#include <stdexcept>

#include "torch/alone/proof.h"
#include "ops/primitive_rows.h"

namespace vauban::proof {
namespace {

constexpr std::int64_t kRows = 9, kWidth = 17, kVocabulary = 33;
constexpr std::string_view kRow = "forward";

/// What one call gives: its results by name.
struct Part {
  std::string name;
  Numbers values;
};
using Parts = std::vector<Part>;
using Pullback = std::function<Parts(Ops&, Gradients&)>;

/// One check per result.
void prove(Proof& proof, std::string_view id, std::initializer_list<std::string_view> names, const Pullback& pullback) {
  for (const std::string_view name : names)
    proof.near(kRow, format("gradient.{}.{}", id, name), kGradient, [&](Ops& ops) {
      Gradients* gradients = ops.gradients();
      if (!gradients) throw std::runtime_error("this backend has no gradients");
      for (Part& part : pullback(ops, *gradients))
        if (part.name == name) return std::move(part.values);
      throw std::runtime_error(format("no result '{}'", name));
    });
}

Tensor some(const Ops& ops, const Shape& shape, std::uint64_t stream) {
  return activation(ops, shape, normals(shape.elements(), stream));
}

Weight parameter(Ops& ops, Gradients& gradients, const Shape& shape, std::uint64_t stream) {
  const Tensor initial = some(ops, shape, stream);
  const std::size_t size = size_bytes(initial.dtype(), shape).value();
  auto made = gradients.make_parameter("w", {initial.dtype(), shape, {initial.data(), size}});
  if (!made) throw std::runtime_error(describe(made.error()));
  return *std::move(made);
}

std::vector<std::int32_t> spread(std::int64_t count, std::int64_t bound) {
  std::vector<std::int32_t> ids;
  for (std::int64_t t = 0; t < count; ++t) ids.push_back(static_cast<std::int32_t>((t * t + 3) % bound));
  return ids;
}

void prove_products(Proof& proof) {
  prove(proof, "linear", {"dx", "dw", "db", "dw_twice"}, [](Ops& ops, Gradients& g) -> Parts {
    const Weight w = parameter(ops, g, {kVocabulary, kWidth}, 1);
    const Tensor x = some(ops, {kRows, kWidth}, 2), dy = some(ops, {kRows, kVocabulary}, 3);
    Tensor dw = g.zeros({kVocabulary, kWidth}), db = g.zeros({kVocabulary});
    g.linear_weight_backward(dy, x, dw);
    g.bias_backward(dy, db);
    const Numbers once = to_f64(dw);
    g.linear_weight_backward(dy, x, dw);
    return {{"dx", to_f64(g.linear_input_backward(dy, w))}, {"dw", once}, {"db", to_f64(db)}, {"dw_twice", to_f64(dw)}};
  });
  for (const DType dtype : {DType::f16, DType::bf16, DType::q8_0, DType::q4_0}) {
    const Stored frozen = stored(dtype, {19, 96}, normals(19 * 96, 4));
    prove(proof, format("frozen_linear_{}", to_string(dtype)), {"dx"}, [&](Ops& ops, Gradients& g) -> Parts {
      return {{"dx", to_f64(g.linear_input_backward(some(ops, {5, 19}, 5), load(ops, frozen)))}};
    });
  }
  prove(proof, "embed", {"dtable"}, [](Ops& ops, Gradients& g) -> Parts {
    Tensor dtable = g.zeros({kVocabulary, kWidth});
    g.embed_backward(some(ops, {43, kWidth}, 6), spread(43, kVocabulary), dtable);
    return {{"dtable", to_f64(dtable)}};
  });
}

void prove_norms(Proof& proof) {
  prove(proof, "rms_norm", {"dx", "dw"}, [](Ops& ops, Gradients& g) -> Parts {
    Tensor dw = g.zeros({kWidth});
    const Tensor dx = g.rms_norm_backward(some(ops, {kRows, kWidth}, 7), some(ops, {kRows, kWidth}, 8),
                                          parameter(ops, g, {kWidth}, 9), 1e-2, &dw);
    return {{"dx", to_f64(dx)}, {"dw", to_f64(dw)}};
  });
  prove(proof, "layer_norm", {"dx", "dw", "db"}, [](Ops& ops, Gradients& g) -> Parts {
    Tensor dw = g.zeros({kWidth}), db = g.zeros({kWidth});
    const Tensor dx = g.layer_norm_backward(some(ops, {kRows, kWidth}, 7), some(ops, {kRows, kWidth}, 8),
                                            parameter(ops, g, {kWidth}, 9), 1e-2, &dw, &db);
    return {{"dx", to_f64(dx)}, {"dw", to_f64(dw)}, {"db", to_f64(db)}};
  });
}

void prove_rope(Proof& proof) {
  for (const RopeLayout layout : {RopeLayout::half, RopeLayout::interleaved}) {
    const RopeTable table{.layout = layout, .inverse_frequency = {1.0, 0.1, 0.003}, .attention_factor = 1.25};
    const std::vector<std::int32_t> positions{0, 1, 2, 511, 0, 1, 90};
    prove(proof, layout == RopeLayout::half ? "rope_half" : "rope_interleaved", {"dx"}, [&](Ops& ops, Gradients& g) -> Parts {
      return {{"dx", to_f64(g.rope_backward(some(ops, {7, 3, 9}, 10), positions, table))}};
    });
  }
}

void prove_documents(Proof& proof) {
  for (const auto& [window, softcap] : {std::pair<std::int64_t, double>{0, 0.0}, {4, 2.0}}) {
    const AttentionArgs args{.heads = 6, .kv_heads = 2, .head_dim = 6, .scale = 0.6, .window = window, .softcap = softcap};
    const std::int64_t rows = 16;
    Batch batch;  // three documents in one step
    batch.sequences = {{.first_row = 0, .rows = 6, .past = 0, .pages = {}},
                       {.first_row = 6, .rows = 1, .past = 0, .pages = {}},
                       {.first_row = 7, .rows = 9, .past = 0, .pages = {}}};
    prove(proof, window == 0 ? "attention" : "attention_window_softcap", {"z", "log_sum_exp", "dq", "dk", "dv"},
          [&](Ops& ops, Gradients& g) -> Parts {
            const Tensor q = some(ops, {rows, 6, 6}, 11), k = some(ops, {rows, 2, 6}, 12), v = some(ops, {rows, 2, 6}, 13);
            const TrainingAttention forward = g.attention(q, k, v, batch, args);
            const AttentionGradients d = g.attention_backward(some(ops, {rows, 6, 6}, 14), q, k, v, forward, batch, args);
            return {{"z", to_f64(forward.z)}, {"log_sum_exp", to_f64(forward.log_sum_exp)},
                    {"dq", to_f64(d.q)}, {"dk", to_f64(d.k)}, {"dv", to_f64(d.v)}};
          });
  }
}

/// ALiBi and sinks, of which the sinks are learnt.
void prove_score_terms(Proof& proof) {
  prove(proof, "attention_alibi_sinks", {"z", "log_sum_exp", "dq", "dk", "dv", "dsinks"},
        [](Ops& ops, Gradients& g) -> Parts {
          const Weight sinks = parameter(ops, g, {4}, 25);
          const AttentionArgs args{.heads = 4, .kv_heads = 2, .head_dim = 6, .scale = 0.6, .window = 5, .softcap = 0.0,
                                   .alibi_slopes = {0.25, 0.0625, 0.015625, 0.00390625}, .sinks = &sinks};
          Batch batch;
          batch.sequences = {{.first_row = 0, .rows = 9, .past = 0, .pages = {}},
                             {.first_row = 9, .rows = 7, .past = 0, .pages = {}}};
          const Tensor q = some(ops, {16, 4, 6}, 11), k = some(ops, {16, 2, 6}, 12), v = some(ops, {16, 2, 6}, 13);
          Tensor dsinks = g.zeros({4});
          const TrainingAttention forward = g.attention(q, k, v, batch, args);
          const AttentionGradients d =
              g.attention_backward(some(ops, {16, 4, 6}, 14), q, k, v, forward, batch, args, &dsinks);
          return {{"z", to_f64(forward.z)}, {"log_sum_exp", to_f64(forward.log_sum_exp)}, {"dq", to_f64(d.q)},
                  {"dk", to_f64(d.k)}, {"dv", to_f64(d.v)}, {"dsinks", to_f64(dsinks)}};
        });
}

void prove_elementwise(Proof& proof) {
  const std::array names{"silu", "gelu_tanh", "gelu_erf", "relu", "relu_squared", "sigmoid"};
  for (const Activation act : {Activation::silu, Activation::gelu_tanh, Activation::gelu_erf, Activation::relu,
                               Activation::relu_squared, Activation::sigmoid}) {
    const char* kind = names[static_cast<std::size_t>(act)];
    prove(proof, format("activation_{}", kind), {"dx"}, [&](Ops& ops, Gradients& g) -> Parts {
      return {{"dx", to_f64(g.activation_backward(some(ops, {kRows, kWidth}, 15), some(ops, {kRows, kWidth}, 16), act))}};
    });
    prove(proof, format("gated_activation_{}", kind), {"dgate", "dup"}, [&](Ops& ops, Gradients& g) -> Parts {
      const GateGradients d = g.gated_activation_backward(some(ops, {kRows, kWidth}, 15), some(ops, {kRows, kWidth}, 16),
                                                          some(ops, {kRows, kWidth}, 17), act);
      return {{"dgate", to_f64(d.gate)}, {"dup", to_f64(d.up)}};
    });
  }
  prove(proof, "gated_activation_clamped_swiglu", {"dgate", "dup"}, [](Ops& ops, Gradients& g) -> Parts {
    const auto wide = [&](std::uint64_t stream) { return activation(ops, {kRows, kWidth}, normals(kRows * kWidth, stream, 6.0)); };
    const GateGradients d =
        g.gated_activation_backward(some(ops, {kRows, kWidth}, 15), wide(16), wide(17), Activation::clamped_swiglu);
    return {{"dgate", to_f64(d.gate)}, {"dup", to_f64(d.up)}};
  });
  prove(proof, "rows", {"clamp", "multiply.dx", "multiply.dw"}, [](Ops& ops, Gradients& g) -> Parts {
    const Tensor dy = some(ops, {kRows, kWidth}, 18), x = some(ops, {kRows, kWidth}, 16);
    Tensor dw = g.zeros({kWidth});
    const Tensor dx = g.multiply_backward(dy, x, parameter(ops, g, {kWidth}, 9), &dw);
    return {{"clamp", to_f64(g.clamp_backward(dy, x, 0.8))}, {"multiply.dx", to_f64(dx)}, {"multiply.dw", to_f64(dw)}};
  });
  prove(proof, "movement", {"scaled", "masked", "columns", "select_rows"}, [](Ops& ops, Gradients& g) -> Parts {
    const Tensor dy = some(ops, {kRows, kWidth}, 18);
    const std::vector<std::int32_t> rows{4, 0, 4, 2, 4, 1, 1, 8, 5};
    return {{"scaled", to_f64(g.scaled(dy, -0.7))},
            {"masked", to_f64(g.masked(dy, 0.3, {7, 2}))},
            {"columns", to_f64(g.columns_backward(dy, 3, 40))},
            {"select_rows", to_f64(g.select_rows_backward(dy, rows, 11))}};
  });
}

void prove_head(Proof& proof) {
  for (const double cap : {0.0, 3.0}) {
    const std::vector<std::int32_t> targets = spread(kRows, kVocabulary);
    const std::string suffix = cap == 0.0 ? "" : "_softcap";
    prove(proof, "head" + suffix, {"logprobs", "dx", "dw"}, [&](Ops& ops, Gradients& g) -> Parts {
      Tensor dw = g.zeros({kVocabulary, kWidth});
      const HeadResult result = g.head(some(ops, {kRows, kWidth}, 19), parameter(ops, g, {kVocabulary, kWidth}, 20), cap,
                                       targets, normals(kRows, 21), &dw);
      return {{"logprobs", result.logprobs}, {"dx", to_f64(result.dx)}, {"dw", to_f64(dw)}};
    });
    prove(proof, "lm_head" + suffix, {"dx", "dw"}, [&](Ops& ops, Gradients& g) -> Parts {
      const Tensor x = some(ops, {kRows, kWidth}, 19);
      const Weight w = parameter(ops, g, {kVocabulary, kWidth}, 20);
      Tensor dw = g.zeros({kVocabulary, kWidth});
      const Tensor dx = g.lm_head_backward(some(ops, {kRows, kVocabulary}, 22), ops.lm_head(x, w, cap), x, w, cap, &dw);
      return {{"dx", to_f64(dx)}, {"dw", to_f64(dw)}};
    });
  }
}

void prove_primitives(Proof& proof) {
  using Mode = PrimitiveMode;
  for (const Mode mode : {Mode::project, Mode::subtract, Mode::add, Mode::subspace_project, Mode::subspace_remove,
                          Mode::subspace_add, Mode::clamp, Mode::conditional, Mode::offset}) {
    const std::int64_t k = is_subspace(mode) ? 3 : 1;
    Primitive p{.mode = mode, .direction = normals(k * kWidth, 71), .basis_rows = k, .alpha = 0.8};
    if (mode == Mode::clamp) p.lo = -0.4, p.hi = 0.4;
    if (mode == Mode::conditional) p.gate = normals(kWidth, 73);
    const Primitive valid = validate_primitive(std::move(p), kWidth).value();
    const std::vector<std::int32_t> rows{0, 1, 2, 4, 5, 6, 8};
    prove(proof, format("primitive_{}", to_string(mode)), {"dx"}, [&](Ops& ops, Gradients& g) -> Parts {
      return {{"dx", to_f64(g.primitive_backward(some(ops, {kRows, kWidth}, 23), some(ops, {kRows, kWidth}, 24), valid, rows))}};
    });
  }
}

}  // namespace

void prove_gradients(Proof& proof) {
  prove_products(proof);
  prove_norms(proof);
  prove_rope(proof);
  prove_documents(proof);
  prove_score_terms(proof);
  prove_elementwise(proof);
  prove_head(proof);
  prove_primitives(proof);
}

}  // namespace vauban::proof
