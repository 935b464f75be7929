/// DecoderSpec: what a decoder computes, as data. An architecture's file reads it from a configuration; the network
/// (decoder.h), the list of tensors, the sites and the operations follow from it.
///
/// T tokens, D width, H query heads, K key/value heads, d head width, F MLP width, V vocabulary.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "ops/ops.h"
#include "vauban/site.h"

namespace vauban {

enum class NormKind { rms, layer };
struct NormSpec {
  NormKind kind = NormKind::rms;
  double epsilon = 1e-5;
  bool weight = true;         ///< false: the norm alone, nothing learned
  bool bias = false;
  bool hf_minus_one = false;  ///< folders store w - 1, a GGUF stores w (Gemma, Nemotron)
};

/// Rotary tables of a kind of layer; those of some models depend on how long the sequence is (SequenceRows::length).
struct RopeSpec {
  RopeTable table;
  /// longrope: `table` up to this many positions, `beyond` for longer sequences; 0: never.
  std::int64_t switch_length = 0;
  RopeTable beyond;
  /// Dynamic NTK: past `original` positions the base grows with the length L to
  /// theta * (factor L / original - (factor - 1))^(r / (r - 2)), r the rotary width. Source: transformers, "dynamic".
  struct Dynamic {
    double theta = 10000.0, factor = 1.0;
    std::int64_t original = 0;
  };
  std::optional<Dynamic> dynamic;

  bool by_length() const { return switch_length > 0 || dynamic.has_value(); }
  RopeTable at(std::int64_t length) const;
};

class Block;
struct BlockLoader;
struct BlockDescription;
struct DecoderSpec;

/// What a layer's block is made of. A kind of block is a file of this folder: its spec, derived from this, and its class.
struct BlockSpec {
  virtual ~BlockSpec() = default;
  /// Errors: those of the weights.
  virtual Result<std::unique_ptr<Block>> load(const BlockLoader& loader) const = 0;
  virtual void add_sites(std::vector<Site>& sites) const = 0;  ///< that it shows, in order
  virtual void add_ops(std::vector<Op>& ops) const = 0;        ///< that it cannot do without
  virtual StateSizes state_sizes() const { return {}; }        ///< what a recurrence keeps per sequence
  /// What it is, in words and numbers (description.h). `width`: D.
  virtual BlockDescription describe(const DecoderSpec& decoder, std::int64_t width) const = 0;
};

enum class Residuals {
  before,    ///< x += f(norm(x)): Llama, GPT-2
  after,     ///< x += norm(f(x)): OLMo 2
  around,    ///< x += norm(f(norm(x))): Gemma 2
  parallel,  ///< x += attention(norm(x)) + mlp(norm(x)): GPT-J, Cohere
  parallel_two_norms,  ///< the same with a norm for each: GPT-NeoX
};

struct LayerSpec {
  std::shared_ptr<const BlockSpec> mixer;  ///< attention, or what stands in its place
  std::shared_ptr<const BlockSpec> feed;   ///< MLP or experts; null: none (Mamba)
};

struct DecoderSpec {
  NormSpec norm;
  Residuals residuals = Residuals::before;
  std::vector<RopeSpec> ropes;
  double embedding_scale = 1.0, residual_scale = 1.0;
  double logit_scale = 1.0;            ///< the final norm's output is multiplied by it before the head
  double logit_softcap = 0.0;          ///< 0: none
  std::int64_t learned_positions = 0;  ///< rows of a table that is added to the embedding; 0: none
  std::int64_t position_offset = 0;    ///< row of position 0 (OPT: 2); the table has this many rows more
  bool embedding_norm = false;         ///< BLOOM
  bool head_bias = false;
  std::vector<LayerSpec> layers;
};

}  // namespace vauban
