/// The Llama family: RMSNorm before attention and MLP, rotary positions, grouped-query attention, gated MLP.
///
/// Sources: Touvron et al. 2023 (arXiv 2302.13971); Ainslie et al. 2023 for grouped queries (arXiv 2305.13245).
/// The configuration is read in llama_config.cpp.
#include "model/archs/llama.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/format.h"
#include "model/archs/llama_config.h"

namespace vauban {
namespace {

// ---- forward: T tokens, D width, H query heads, K key/value heads, d head width, F MLP width, V vocabulary

struct Linear {
  Weight weight, bias;  // bias is empty where the model has none
  Tensor operator()(Ops& ops, const Tensor& x) const { return ops.linear(x, weight, bias.empty() ? nullptr : &bias); }
};

struct LayerWeights {
  Weight attn_norm, mlp_norm;  // (D)
  Linear q, k, v, o;           // (H*d, D) (K*d, D) (K*d, D) (D, H*d)
  Linear gate, up, down;       // (F, D) (F, D) (D, F)
};

class LlamaNetwork final : public Network {
 public:
  explicit LlamaNetwork(const ModelConfig& config) : config_(config) {
    attention_.heads = static_cast<int>(config.heads);
    attention_.kv_heads = static_cast<int>(config.kv_heads);
    attention_.head_dim = static_cast<int>(config.head_dim);
    attention_.scale = 1.0 / std::sqrt(static_cast<double>(config.head_dim));
  }

  Result<void> load(WeightLoader& weights);
  Tensor forward(Ops& ops, KvStore& store, const Batch& batch, const Tap& tap) const override;
  KvGeometry kv_geometry() const override;
  std::int64_t weight_bytes() const override { return weight_bytes_; }

 private:
  Tensor decoder_layer(Ops& ops, KvStore& store, const Batch& batch, const Tap& tap, int layer, Tensor x) const;
  Tensor attention(Ops& ops, KvStore& store, const Batch& batch, const Tap& tap, int layer, const Tensor& h) const;
  Tensor mlp(Ops& ops, const Tap& tap, int layer, const Tensor& h) const;
  void show_attention(Ops& ops, KvStore& store, const Batch& batch, const Tap& tap, int layer, const Tensor& q) const;
  Tensor split_heads(const Tensor& x, std::int64_t heads) const {
    return x.reshaped({x.shape().rows(), heads, config_.head_dim});
  }

  Result<void> load_ends(WeightLoader& weights);
  Result<void> load_layer(WeightLoader& weights, std::int64_t layer);
  Result<Weight> fetch(WeightLoader& weights, WeightLoader::Request request);
  Result<Linear> fetch_linear(WeightLoader& weights, WeightLoader::Request request, bool with_bias);

  ModelConfig config_;
  AttentionArgs attention_;
  Weight embedding_, final_norm_, head_;  // (V, D) (D) (V, D)
  std::vector<LayerWeights> layers_;
  std::int64_t weight_bytes_ = 0;
};

Tensor LlamaNetwork::forward(Ops& ops, KvStore& store, const Batch& batch, const Tap& tap) const {
  Tensor x = tap.at(Site::embed_out, 0, ops.embed(embedding_, batch.ids));  // (T, D)
  for (int layer = 0; layer < static_cast<int>(config_.layers); ++layer)
    x = decoder_layer(ops, store, batch, tap, layer, std::move(x));
  x = tap.at(Site::final_norm_out, 0, ops.rms_norm(x, final_norm_, config_.norm_epsilon));
  if (batch.output_rows.empty()) return Tensor(ops.activation_dtype(), {0, config_.vocab_size}, StorageRef());
  return tap.at(Site::logits, 0, ops.lm_head(ops.select_rows(x, batch.output_rows), head_));
}

Tensor LlamaNetwork::decoder_layer(Ops& ops, KvStore& store, const Batch& batch, const Tap& tap, int layer,
                                   Tensor x) const {
  const LayerWeights& w = layers_[static_cast<std::size_t>(layer)];
  x = tap.at(Site::resid_pre, layer, std::move(x));
  Tensor h = tap.at(Site::attn_norm_out, layer, ops.rms_norm(x, w.attn_norm, config_.norm_epsilon));
  x = ops.add(x, attention(ops, store, batch, tap, layer, h));
  x = tap.at(Site::resid_mid, layer, std::move(x));
  h = tap.at(Site::mlp_norm_out, layer, ops.rms_norm(x, w.mlp_norm, config_.norm_epsilon));
  x = ops.add(x, mlp(ops, tap, layer, h));
  return tap.at(Site::resid_post, layer, std::move(x));
}

Tensor LlamaNetwork::attention(Ops& ops, KvStore& store, const Batch& batch, const Tap& tap, int layer,
                               const Tensor& h) const {
  const LayerWeights& w = layers_[static_cast<std::size_t>(layer)];
  Tensor q = tap.at(Site::q, layer, split_heads(w.q(ops, h), config_.heads));           // (T, H, d)
  Tensor k = tap.at(Site::k, layer, split_heads(w.k(ops, h), config_.kv_heads));        // (T, K, d)
  const Tensor v = tap.at(Site::v, layer, split_heads(w.v(ops, h), config_.kv_heads));  // (T, K, d)
  q = tap.at(Site::q_rot, layer, ops.rope(q, batch.positions, config_.rope));
  k = tap.at(Site::k_rot, layer, ops.rope(k, batch.positions, config_.rope));
  ops.kv_write(store, layer, k, v, batch);
  show_attention(ops, store, batch, tap, layer, q);
  const Tensor z = tap.at(Site::z, layer, ops.attention(q, store, layer, batch, attention_));  // (T, H, d)
  return tap.at(Site::attn_out, layer, w.o(ops, z.reshaped({z.shape()[0], config_.heads * config_.head_dim})));
}

Tensor LlamaNetwork::mlp(Ops& ops, const Tap& tap, int layer, const Tensor& h) const {
  const LayerWeights& w = layers_[static_cast<std::size_t>(layer)];
  const Tensor gate = tap.at(Site::gate, layer, w.gate(ops, h));  // (T, F)
  const Tensor up = tap.at(Site::up, layer, w.up(ops, h));
  const Tensor act = tap.at(Site::act, layer, ops.gated_activation(gate, up, config_.activation));
  return tap.at(Site::mlp_out, layer, w.down(ops, act));
}

/// Scores and patterns are recomputed beside attention, and only for a tap that wants them; attention keeps its bits.
void LlamaNetwork::show_attention(Ops& ops, KvStore& store, const Batch& batch, const Tap& tap, int layer,
                                  const Tensor& q) const {
  const bool scores = tap.wants(Site::attn_scores, layer) && ops.supports(Op::attention_scores, Direction::forward);
  const bool pattern = tap.wants(Site::attn_pattern, layer) && ops.supports(Op::attention_pattern, Direction::forward);
  for (std::size_t s = 0; s < batch.sequences.size() && (scores || pattern); ++s) {
    if (scores)
      tap.observe_sequence(Site::attn_scores, layer, s, ops.attention_scores(q, store, layer, batch, s, attention_));
    if (pattern)
      tap.observe_sequence(Site::attn_pattern, layer, s, ops.attention_pattern(q, store, layer, batch, s, attention_));
  }
}

KvGeometry LlamaNetwork::kv_geometry() const {
  KvGeometry geometry;
  geometry.layers = static_cast<int>(config_.layers);
  geometry.kv_heads = attention_.kv_heads;
  geometry.head_dim = attention_.head_dim;
  return geometry;
}

// ---- weights

Result<Weight> LlamaNetwork::fetch(WeightLoader& weights, WeightLoader::Request request) {
  VB_TRY(Weight weight, weights.get(request));
  VB_TRY(const std::uint64_t bytes, size_bytes(weight.dtype, weight.shape));
  weight_bytes_ += static_cast<std::int64_t>(bytes);
  return weight;
}

/// `request` names the module; ".weight" and ".bias" are appended. A bias is permuted with the rows of its matrix.
Result<Linear> LlamaNetwork::fetch_linear(WeightLoader& weights, WeightLoader::Request request, bool with_bias) {
  WeightLoader::Request bias = request;
  bias.hf += ".bias";
  bias.gguf += ".bias";
  bias.shape = {request.shape[0]};
  request.hf += ".weight";
  request.gguf += ".weight";
  Linear linear;
  VB_TRY(linear.weight, fetch(weights, std::move(request)));
  if (!with_bias) return linear;
  VB_TRY(linear.bias, fetch(weights, std::move(bias)));
  return linear;
}

Result<void> LlamaNetwork::load_layer(WeightLoader& weights, std::int64_t layer) {
  const ModelConfig& c = config_;
  LayerWeights& w = layers_.emplace_back();  // grows with what the file holds, not with what its header claims
  const std::string hf = format("model.layers.{}.", layer), gguf = format("blk.{}.", layer);
  const std::int64_t q_rows = c.heads * c.head_dim, kv_rows = c.kv_heads * c.head_dim;
  const auto norm = [&](const char* hf_name, const char* gguf_name) {
    return fetch(weights, {.hf = hf + hf_name + ".weight", .gguf = gguf + gguf_name + ".weight", .shape = {c.width}});
  };
  const auto linear = [&](const char* hf_name, const char* gguf_name, Shape shape, bool bias,
                          std::int64_t rotary_heads = 0) {
    return fetch_linear(weights,
                        {.hf = hf + hf_name,
                         .gguf = gguf + gguf_name,
                         .shape = shape,
                         .gguf_rows = rotary_heads ? RowOrder::interleaved_heads : RowOrder::as_stored,
                         .heads = static_cast<int>(rotary_heads)},
                        bias);
  };
  VB_TRY(w.attn_norm, norm("input_layernorm", "attn_norm"));
  VB_TRY(w.q, linear("self_attn.q_proj", "attn_q", {q_rows, c.width}, c.attention_bias, c.heads));
  VB_TRY(w.k, linear("self_attn.k_proj", "attn_k", {kv_rows, c.width}, c.attention_bias, c.kv_heads));
  VB_TRY(w.v, linear("self_attn.v_proj", "attn_v", {kv_rows, c.width}, c.attention_bias));
  VB_TRY(w.o, linear("self_attn.o_proj", "attn_output", {c.width, q_rows}, c.attention_bias));
  VB_TRY(w.mlp_norm, norm("post_attention_layernorm", "ffn_norm"));
  VB_TRY(w.gate, linear("mlp.gate_proj", "ffn_gate", {c.mlp_width, c.width}, c.mlp_bias));
  VB_TRY(w.up, linear("mlp.up_proj", "ffn_up", {c.mlp_width, c.width}, c.mlp_bias));
  VB_TRY(w.down, linear("mlp.down_proj", "ffn_down", {c.width, c.mlp_width}, c.mlp_bias));
  return ok();
}

/// A tied table may be stored under either name. Stored under both with different values there would be two answers.
Result<void> check_tied_copies(WeightLoader& weights) {
  const ModelFile& file = *weights.source().file;
  const TensorEntry* head = file.find("lm_head.weight");
  const TensorEntry* table = file.find("model.embed_tokens.weight");
  if (!head || !table) return ok();
  const bool equal =
      head->view.dtype == table->view.dtype && head->view.shape == table->view.shape &&
      std::equal(head->view.bytes.begin(), head->view.bytes.end(), table->view.bytes.begin(), table->view.bytes.end());
  if (!equal)
    return with_hint(corrupt("config.json ties the head to the embedding, but {} holds a different 'lm_head.weight'",
                             weights.source().path.string()),
                     "set \"tie_word_embeddings\": false to use both, or remove one of them");
  weights.mark_used("lm_head.weight");
  return ok();
}

Result<void> LlamaNetwork::load_ends(WeightLoader& weights) {
  const Shape table_shape{config_.vocab_size, config_.width};
  const WeightLoader::Request table{
      .hf = "model.embed_tokens.weight", .gguf = "token_embd.weight", .shape = table_shape};
  const WeightLoader::Request head{.hf = "lm_head.weight", .gguf = "output.weight", .shape = table_shape};
  if (config_.tied_head) VB_CHECK(check_tied_copies(weights));
  const bool under_head_name =
      config_.tied_head && !weights.has(table.hf, table.gguf) && weights.has(head.hf, head.gguf);

  VB_TRY(embedding_, fetch(weights, under_head_name ? head : table));
  head_ = embedding_;
  if (!config_.tied_head) {
    VB_TRY(head_, fetch(weights, head));
  }
  VB_TRY(final_norm_,
         fetch(weights, {.hf = "model.norm.weight", .gguf = "output_norm.weight", .shape = {config_.width}}));
  return ok();
}

Result<void> LlamaNetwork::load(WeightLoader& weights) {
  VB_CHECK(load_ends(weights));
  for (std::int64_t layer = 0; layer < config_.layers; ++layer) VB_CHECK(load_layer(weights, layer));
  if (weights.source().is_gguf()) weights.mark_used("rope_freqs.weight");  // read by llama_config_from_gguf
  return ok();
}

Result<std::unique_ptr<Network>> build(const ModelConfig& config, WeightLoader& weights) {
  auto network = std::make_unique<LlamaNetwork>(config);
  VB_CHECK(network->load(weights));
  return std::unique_ptr<Network>(std::move(network));
}

}  // namespace

Architecture llama_architecture() {
  return {
      .id = "llama",
      .summary =
          "RMSNorm, rotary positions, grouped-query attention, gated SiLU MLP; Llama 1 to 3 and what follows them",
      .hf_names = {"LlamaForCausalLM"},
      .gguf_names = {"llama"},
      .source = "arXiv 2302.13971; transformers LlamaForCausalLM",
      .sites = {Site::embed_out,
                Site::resid_pre,
                Site::attn_norm_out,
                Site::q,
                Site::k,
                Site::v,
                Site::q_rot,
                Site::k_rot,
                Site::attn_scores,
                Site::attn_pattern,
                Site::z,
                Site::attn_out,
                Site::resid_mid,
                Site::mlp_norm_out,
                Site::gate,
                Site::up,
                Site::act,
                Site::mlp_out,
                Site::resid_post,
                Site::final_norm_out,
                Site::logits},
      .ops = {Op::embed, Op::rms_norm, Op::linear, Op::rope, Op::attention, Op::gated_activation, Op::add,
              Op::select_rows, Op::lm_head},
      .config_from_hf = llama_config_from_hf,
      .config_from_gguf = llama_config_from_gguf,
      .build = build,
  };
}

}  // namespace vauban
