/// TensorMap: every tensor that an architecture stores, as data: both names, the shape, and how GGUF orders its rows.
///
/// The loader of a network and the converter between formats read the same list, so that a name or a permutation is
/// written once, in the architecture's own file.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "tensor/shape.h"

namespace vauban {

/// How rows of a stored tensor must be rearranged to reach the canonical order: halves for rotation, q before k before v.
enum class RowOrder {
  as_stored,
  interleaved_heads,  ///< GGUF llama q and k: rows of each head are RoPE pairs; becomes rotate-half order
  grouped_qkv,        ///< fused q/k/v by key/value head: its q heads, its k, its v; becomes all of q, then k, then v
  grouped_qkvz,       ///< a delta net's by key head: its q, its k, its value heads, their gates; becomes all of each in turn
};

/// One of `count` tensors that a file stores as one, stacked along a new leading dimension; count 0: stored alone.
struct InStack {
  std::int64_t index = 0, count = 0;
};

/// What a tensor is to the module that holds it: adapters attach to the matrices of the last three.
enum class TensorRole { other, linear, embedding, head };

struct TensorSpec {
  std::string hf;    ///< "model.layers.0.self_attn.q_proj.weight"
  std::string gguf;  ///< "blk.0.attn_q.weight"
  Shape shape;
  RowOrder gguf_rows = RowOrder::as_stored, hf_rows = RowOrder::as_stored;
  int heads = 0;     ///< for interleaved_heads, grouped_qkv, and grouped_qkvz (value heads)
  int kv_heads = 0;  ///< for grouped_qkv and grouped_qkvz (key heads)
  TensorRole role = TensorRole::other;
  bool gguf_transposed = false;  ///< a GGUF stores a matrix as (in, out)
  bool hf_transposed = false;  ///< Hugging Face stores a matrix as (in, out): GPT-2's Conv1D; `shape` is (out, in)
  bool flattened = false;      ///< loaded as one vector
  /// Folders store row i of the leading dimension as a tensor of its own, with i in place of "{}" in `hf`.
  bool hf_rows_apart = false;
  InStack gguf_stack, hf_stack;  ///< experts: `shape` is that of one
  /// A folder keeps it as rows of a larger tensor, in canonical order from `hf_first` on: q of a fused q/k/v. Null: alone.
  /// `hf` then only names it.
  std::shared_ptr<const TensorSpec> hf_whole;
  std::int64_t hf_first = 0;
  bool hf_unsuffixed = false;  ///< folders name the matrix as the module, and its bias module_bias (experts of GPT-OSS)
  bool hf_middle_one = false;  ///< folders store (a, b) as (a, 1, b): weights of depthwise convolutions
  bool gguf_negative_exp = false;  ///< a GGUF stores -exp of the values: decay rates of Mamba
  bool hf_minus_one = false;   ///< Hugging Face stores the values less 1: norms that multiply by 1 + w
  std::string hf_alias;  ///< a second name under which a folder may hold it (a tied table under the head's); may be empty
};

/// In the order of the forward pass.
using TensorMap = std::vector<TensorSpec>;

/// Shape in a Hugging Face file.
inline Shape hf_shape(const TensorSpec& spec) {
  if (spec.hf_middle_one) return {spec.shape[0], 1, spec.shape[1]};
  return spec.hf_transposed ? Shape{spec.shape[1], spec.shape[0]} : spec.shape;
}
/// "model.layers.0.mlp.up_proj" of "model.layers.0.mlp.up_proj.weight".
std::string module_of(const TensorSpec& spec);

/// `module` names a linear layer without ".weight"; these are its matrix and its bias, whose rows are ordered alike.
TensorSpec weight_of(TensorSpec module);
TensorSpec bias_of(TensorSpec module);
/// The same for a norm, whose weight is a vector; bias_of() gives its bias.
TensorSpec norm_weight_of(TensorSpec module);

}  // namespace vauban
