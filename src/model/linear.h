/// The layers with matrices, shared by every architecture: Linear, Embedding, Head, each with the LoRA pairs beside it.
///
/// A pair is a separate operand: the base weight keeps its bytes, quantised or not. With B = 0 the bits of the output
/// do not change. Source: Hu et al. 2021 (arXiv 2106.09685); rsLoRA only changes the scale (2312.03732).
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "ops/ops.h"

namespace vauban {

using WeightVisitor = std::function<void(Weight&)>;

/// Adds scale * B(A(dropout(x))) to what the layer gives.
struct LoraPair {
  Weight a, b;  ///< (r, in) (out, r); beside an embedding a is (V, r) and b (D, r)
  double scale = 1.0;
  double dropout = 0.0;  ///< while training; never beside an embedding
};

/// y = x W^T + bias, and the pairs.
struct Linear {
  Weight weight, bias;  ///< (out, in) (out); bias is empty where the model has none
  std::vector<LoraPair> lora;
  Tensor operator()(Ops& ops, const Tensor& x) const;  ///< (T, in) -> (T, out)
  void visit_weights(const WeightVisitor& visit);      ///< those that are there: no empty bias
};

/// Rows of a table: of token ids, or of positions.
struct Embedding {
  Weight table;  ///< (V, D)
  std::vector<LoraPair> lora;
  Tensor operator()(Ops& ops, std::span<const std::int32_t> ids) const;  ///< (T, D)
  void visit_weights(const WeightVisitor& visit);
};

/// Logits. Its table may be that of the embedding (a tied head).
struct Head {
  Weight weight, bias;   ///< (V, D) (V); bias is empty where the model has none
  double softcap = 0.0;  ///< 0: none; a head with a bias has none
  std::vector<LoraPair> lora;
  Tensor operator()(Ops& ops, const Tensor& x) const;  ///< (T, D) -> (T, V)
  void visit_weights(const WeightVisitor& visit);
};

}  // namespace vauban
