// Every forward operation but attention and the primitive.
#include <array>
#include <cmath>

#include "torch/alone/proof.h"

namespace vauban::proof {
namespace {

constexpr std::string_view kRow = "forward";
constexpr std::array kTypes{DType::f32,  DType::f16,  DType::bf16, DType::q8_0,
                            DType::q5_1, DType::q5_0, DType::q4_1, DType::q4_0};

std::string name(std::string_view operation, std::string_view variant) { return format("{}.{}", operation, variant); }

void prove_products(Proof& proof) {
  for (const DType dtype : kTypes) {
    const Stored weight = stored(dtype, {37, 1056}, normals(37 * 1056, 1));
    proof.near(kRow, name("linear", to_string(dtype)), kSum, [&](Ops& ops) {
      return to_f64(ops.linear(activation(ops, {5, 1056}, normals(5 * 1056, 2)), load(ops, weight)));
    });
    const Stored table = stored(dtype, {41, 96}, normals(41 * 96, 4));
    proof.near(kRow, name("embed", to_string(dtype)), kExact, [&](Ops& ops) {
      return to_f64(ops.embed(load(ops, table), std::vector<std::int32_t>{3, 0, 40, 3}));
    });
  }
  const Stored odd = stored(DType::f32, {5, 33}, normals(5 * 33, 1)), bias = stored(DType::bf16, {5}, normals(5, 3));
  proof.near(kRow, "linear.bias", kSum, [&](Ops& ops) {
    const Weight b = load(ops, bias);
    return to_f64(ops.linear(activation(ops, {3, 33}, normals(3 * 33, 2)), load(ops, odd), &b));
  });
  const Stored head = stored(DType::f16, {70, 64}, normals(70 * 64, 12));
  for (const double cap : {0.0, 2.0, 30.0})
    proof.near("logits", format("lm_head.softcap_{}", cap), kSum, [&](Ops& ops) {
      return to_f64(ops.lm_head(activation(ops, {3, 64}, normals(3 * 64, 13)), load(ops, head), cap));
    });
}

void prove_norms(Proof& proof) {
  const Stored weight = stored(DType::f32, {172}, normals(172, 5)), bias = stored(DType::bf16, {172}, normals(172, 14));
  const Stored narrow = stored(DType::f32, {12}, normals(12, 5));
  proof.near(kRow, "rms_norm.rows", kElement, [&](Ops& ops) {
    return to_f64(ops.rms_norm(activation(ops, {19, 172}, normals(19 * 172, 6, 3.0)), load(ops, weight), 1e-5));
  });
  proof.near(kRow, "rms_norm.heads", kElement, [&](Ops& ops) {
    return to_f64(ops.rms_norm(activation(ops, {2, 3, 12}, normals(72, 6)), load(ops, narrow), 1e-6));
  });
  for (const bool with_bias : {true, false})
    proof.near(kRow, with_bias ? "layer_norm.bias" : "layer_norm.plain", kElement, [&](Ops& ops) {
      const Weight b = load(ops, bias);
      const Tensor x = activation(ops, {19, 172}, normals(19 * 172, 6, 3.0));
      return to_f64(ops.layer_norm(x, load(ops, weight), with_bias ? &b : nullptr, 1e-5));
    });
}

void prove_rope(Proof& proof) {
  for (const RopeLayout layout : {RopeLayout::half, RopeLayout::interleaved})
    for (const int pairs : {12, 10}) {  // of 24: with 10, the last four columns pass through
      RopeTable table{.layout = layout, .inverse_frequency = {}, .attention_factor = 1.25};
      for (int i = 0; i < pairs; ++i) table.inverse_frequency.push_back(std::pow(10000.0, -static_cast<double>(i) / pairs));
      const std::vector<std::int32_t> positions{0, 1, 511, 70000};
      const std::string_view kind = layout == RopeLayout::half ? "half" : "interleaved";
      proof.near(kRow, format("rope.{}_{}_of_24", kind, 2 * pairs), kElement, [&](Ops& ops) {
        return to_f64(ops.rope(activation(ops, {4, 3, 24}, normals(4 * 3 * 24, 7)), positions, table));
      });
    }
}

void prove_elementwise(Proof& proof) {
  const std::array names{"silu", "gelu_tanh", "gelu_erf", "relu", "relu_squared", "sigmoid"};
  for (const Activation act : {Activation::silu, Activation::gelu_tanh, Activation::gelu_erf, Activation::relu,
                               Activation::relu_squared, Activation::sigmoid}) {
    const char* kind = names[static_cast<std::size_t>(act)];
    proof.near(kRow, name("activation", kind), kElement, [&](Ops& ops) {
      return to_f64(ops.activation(activation(ops, {9, 43}, normals(9 * 43, 8, 4.0)), act));
    });
    proof.near(kRow, name("gated_activation", kind), kElement, [&](Ops& ops) {
      return to_f64(ops.gated_activation(activation(ops, {9, 43}, normals(9 * 43, 8, 4.0)),
                                         activation(ops, {9, 43}, normals(9 * 43, 9)), act));
    });
  }
  proof.near(kRow, "gated_activation.clamped_swiglu", kElement, [](Ops& ops) {
    return to_f64(ops.gated_activation(activation(ops, {9, 43}, normals(9 * 43, 8, 6.0)),
                                       activation(ops, {9, 43}, normals(9 * 43, 9, 6.0)), Activation::clamped_swiglu));
  });
  proof.near(kRow, "add.scaled", kElement, [](Ops& ops) {
    return to_f64(ops.add(activation(ops, {5, 43}, normals(215, 10)), activation(ops, {5, 43}, normals(215, 11)), -0.7));
  });
  proof.near(kRow, "select_rows", kExact, [](Ops& ops) {
    return to_f64(ops.select_rows(activation(ops, {5, 43}, normals(215, 10)), std::vector<std::int32_t>{4, 0, 4}));
  });
  proof.near(kRow, "columns", kExact, [](Ops& ops) {
    return to_f64(ops.columns(activation(ops, {5, 43}, normals(215, 10)), 16, 8));
  });
}

void prove_rows(Proof& proof) {
  const auto some = [](Ops& ops, std::uint64_t stream) { return activation(ops, {5, 43}, normals(215, stream)); };
  const Stored factors = stored(DType::f32, {43}, normals(43, 12));
  proof.near(kRow, "scale", kElement, [&](Ops& ops) { return to_f64(ops.scale(some(ops, 10), 0.3)); });
  proof.near(kRow, "clamp", kExact, [&](Ops& ops) { return to_f64(ops.clamp(some(ops, 10), 0.5)); });
  proof.near(kRow, "multiply", kElement, [&](Ops& ops) { return to_f64(ops.multiply(some(ops, 10), load(ops, factors))); });
  proof.near(kRow, "join_columns", kExact, [&](Ops& ops) {
    return to_f64(ops.join_columns(std::array{some(ops, 10), ops.columns(some(ops, 11), 2, 7)}, 64));
  });
  proof.near(kRow, "join_rows", kExact, [&](Ops& ops) {
    return to_f64(ops.join_rows(std::array{some(ops, 10), some(ops, 11)}));
  });
  proof.near(kRow, "blend_rows", kElement, [&](Ops& ops) {
    return to_f64(ops.blend_rows(some(ops, 10), std::vector<std::int32_t>{4, 0, 2, 1, 4, 4}, normals(6, 13), 3));
  });
}

void prove_refusals(Proof& proof) {
  const Stored table = stored(DType::f32, {4, 8}, normals(32, 1));
  proof.refuses(kRow, "refuses.token_id", ErrorCode::invalid_input, [&](Ops& ops) {
    ops.embed(load(ops, table), std::vector<std::int32_t>{1, 4});
  });
  proof.refuses(kRow, "refuses.shapes", ErrorCode::internal, [&](Ops& ops) {
    ops.linear(activation(ops, {2, 7}, normals(14, 2)), load(ops, table));
  });
}

}  // namespace

void prove_forward(Proof& proof) {
  prove_products(proof);
  prove_norms(proof);
  prove_rope(proof);
  prove_elementwise(proof);
  prove_rows(proof);
  prove_refusals(proof);
}

void prove_native(Proof& proof) {
  const Stored weight = stored(DType::bf16, {37, 512}, normals(37 * 512, 1)), scale = stored(DType::f32, {37}, normals(37, 5));
  proof.near(kRow, "native.linear_norm_silu", kNative, [&](Ops& ops) {
    const Tensor y = ops.linear(activation(ops, {5, 512}, normals(5 * 512, 2)), load(ops, weight));
    return to_f64(ops.activation(ops.rms_norm(y, load(ops, scale), 1e-5), Activation::silu));
  });
  proof.at_least(kRow, "native.is_16_bits_wide", 1.0, proof.device().activation_dtype() == DType::bf16 ? 1.0 : 0.0);
}

}  // namespace vauban::proof
