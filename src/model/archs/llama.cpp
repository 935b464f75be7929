/// The Llama family: RMSNorm before attention and MLP, rotary positions, grouped-query attention, gated MLP.
///
/// Sources: Touvron et al. 2023 (arXiv 2302.13971); Ainslie et al. 2023 for grouped queries (arXiv 2305.13245).
/// Names and defaults: transformers LlamaConfig; GGUF keys of the `llama` architecture.
#include "model/archs/llama.h"

#include <algorithm>
#include <cmath>

#include "base/strings.h"
#include "model/config_keys.h"
#include "model/rope_scaling.h"

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
  explicit LlamaNetwork(const ModelConfig& config) : config_(config), layers_(static_cast<std::size_t>(config.layers)) {
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

Tensor LlamaNetwork::decoder_layer(Ops& ops, KvStore& store, const Batch& batch, const Tap& tap, int layer, Tensor x) const {
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
  LayerWeights& w = layers_[static_cast<std::size_t>(layer)];
  const std::string hf = format("model.layers.{}.", layer), gguf = format("blk.{}.", layer);
  const std::int64_t q_rows = c.heads * c.head_dim, kv_rows = c.kv_heads * c.head_dim;
  const auto norm = [&](const char* hf_name, const char* gguf_name) {
    return fetch(weights, {.hf = hf + hf_name + ".weight", .gguf = gguf + gguf_name + ".weight", .shape = {c.width}});
  };
  const auto linear = [&](const char* hf_name, const char* gguf_name, Shape shape, bool bias, std::int64_t rotary_heads = 0) {
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
  const bool equal = head->view.dtype == table->view.dtype && head->view.shape == table->view.shape &&
                     std::equal(head->view.bytes.begin(), head->view.bytes.end(), table->view.bytes.begin(),
                                table->view.bytes.end());
  if (!equal)
    return with_hint(corrupt("config.json ties the head to the embedding, but {} holds a different 'lm_head.weight'",
                             weights.source().path.string()),
                     "set \"tie_word_embeddings\": false to use both, or remove one of them");
  weights.mark_used("lm_head.weight");
  return ok();
}

Result<void> LlamaNetwork::load_ends(WeightLoader& weights) {
  const Shape table_shape{config_.vocab_size, config_.width};
  const WeightLoader::Request table{.hf = "model.embed_tokens.weight", .gguf = "token_embd.weight", .shape = table_shape};
  const WeightLoader::Request head{.hf = "lm_head.weight", .gguf = "output.weight", .shape = table_shape};
  if (config_.tied_head) VB_CHECK(check_tied_copies(weights));
  const bool under_head_name = config_.tied_head && !weights.has(table.hf, table.gguf) && weights.has(head.hf, head.gguf);

  VB_TRY(embedding_, fetch(weights, under_head_name ? head : table));
  head_ = embedding_;
  if (!config_.tied_head) {
    VB_TRY(head_, fetch(weights, head));
  }
  VB_TRY(final_norm_, fetch(weights, {.hf = "model.norm.weight", .gguf = "output_norm.weight", .shape = {config_.width}}));
  return ok();
}

Result<void> LlamaNetwork::load(WeightLoader& weights) {
  VB_CHECK(load_ends(weights));
  for (std::int64_t layer = 0; layer < config_.layers; ++layer) VB_CHECK(load_layer(weights, layer));
  if (weights.source().is_gguf()) weights.mark_used("rope_freqs.weight");  // read by config_from_gguf
  return ok();
}

Result<std::unique_ptr<Network>> build(const ModelConfig& config, WeightLoader& weights) {
  auto network = std::make_unique<LlamaNetwork>(config);
  VB_CHECK(network->load(weights));
  return std::unique_ptr<Network>(std::move(network));
}

// ---- configuration

Result<void> check_heads(const ModelConfig& c, const std::string& where) {
  if (c.heads % c.kv_heads != 0)
    return corrupt("{}: {} query heads do not divide into {} key/value heads", where, c.heads, c.kv_heads);
  if (c.head_dim % 2 != 0) return corrupt("{}: rotary positions need an even head width, found {}", where, c.head_dim);
  return ok();
}

Result<std::int64_t> default_head_dim(const ModelConfig& c, const std::string& where) {
  if (c.width % c.heads != 0 || c.width / c.heads > ConfigKeys::kMaxHeads)
    return corrupt("{}: width {} does not divide into {} heads, and no head width is given", where, c.width, c.heads);
  return c.width / c.heads;
}

/// Keys that would change what the layers compute, and that this forward pass does not know.
Result<void> refuse_unknown_parts(const ConfigKeys& keys) {
  if (const Json* quantised = keys.find("quantization_config")) {
    const Json* method = quantised->find("quant_method");
    return unsupported("{}: method {} is not supported; known: none, and the block types of GGUF", keys.name("quantization_config"),
                       method ? shown(*method) : "(unnamed)");
  }
  VB_TRY(const std::string activation, keys.text_or("hidden_act", "silu"));
  if (activation != "silu")
    return unsupported("activation '{}' ({}) is not supported; known: silu", printable(activation), keys.name("hidden_act"));
  if (const Json* window = keys.find("sliding_window"))
    return unsupported("{} is {}; windows are not part of this architecture", keys.name("sliding_window"), shown(*window));
  return ok();
}

Result<void> read_hf_sizes(const ConfigKeys& keys, ModelConfig& c) {
  VB_TRY(c.vocab_size, keys.count("vocab_size"));
  VB_TRY(c.width, keys.count("hidden_size"));
  VB_TRY(c.mlp_width, keys.count("intermediate_size"));
  VB_TRY(c.layers, keys.count("num_hidden_layers", ConfigKeys::kMaxHeads));
  VB_TRY(c.heads, keys.count("num_attention_heads", ConfigKeys::kMaxHeads));
  VB_TRY(c.kv_heads, keys.count_or("num_key_value_heads", c.heads, ConfigKeys::kMaxHeads));
  VB_TRY(c.head_dim, keys.find("head_dim") ? keys.count("head_dim", ConfigKeys::kMaxHeads)
                                           : default_head_dim(c, keys.name("hidden_size")));
  VB_TRY(c.context_length, keys.count_or("max_position_embeddings", 2048));
  return check_heads(c, keys.name("num_attention_heads"));
}

/// generation_config.json says what ends a text where both files do.
Result<void> read_hf_ids(const ConfigKeys& keys, const ConfigKeys& generation, ModelConfig& c) {
  VB_TRY(c.eos_ids, (generation.find("eos_token_id") ? generation : keys).token_ids("eos_token_id"));
  VB_TRY(const std::vector<std::int32_t> bos, keys.token_ids("bos_token_id"));
  c.bos_id = bos.empty() ? -1 : bos.front();
  return ok();
}

Result<ModelConfig> config_from_hf(const ModelSource& source) {
  const std::string folder = source.path.string();
  const ConfigKeys keys(source.config, format("config.json of {}", folder));
  const ConfigKeys generation(source.generation_config, format("generation_config.json of {}", folder));
  VB_CHECK(refuse_unknown_parts(keys));
  ModelConfig c;
  c.architecture = "llama";
  VB_CHECK(read_hf_sizes(keys, c));
  VB_TRY(c.norm_epsilon, keys.positive_or("rms_norm_eps", 1e-6));
  VB_TRY(RopeConfig rope, rope_from_hf(keys, c.head_dim));
  c.rope_theta = rope.theta;
  c.rope = std::move(rope.table);
  VB_TRY(c.attention_bias, keys.flag_or("attention_bias", false));
  VB_TRY(c.mlp_bias, keys.flag_or("mlp_bias", false));
  VB_TRY(c.tied_head, keys.flag_or("tie_word_embeddings", false));
  VB_CHECK(read_hf_ids(keys, generation, c));
  return c;
}

Result<void> refuse_unknown_gguf_parts(const ConfigKeys& keys) {
  for (const char* key : {"expert_count", "attention.sliding_window", "attn_logit_softcapping", "final_logit_softcapping",
                          "logit_scale", "attention.scale", "residual_scale", "embedding_scale"}) {
    const Json* value = keys.find(key);
    if (value && !(value->is_number() && value->as_double() == 0.0))
      return unsupported("{} is {}; this is not part of the llama architecture here", keys.name(key), shown(*value));
  }
  return ok();
}

Result<void> read_gguf_sizes(const ConfigKeys& keys, const ModelFile& file, ModelConfig& c) {
  VB_TRY(c.width, keys.count("embedding_length"));
  VB_TRY(c.mlp_width, keys.count("feed_forward_length"));
  VB_TRY(c.layers, keys.count("block_count", ConfigKeys::kMaxHeads));
  VB_TRY(c.heads, keys.count("attention.head_count", ConfigKeys::kMaxHeads));
  VB_TRY(c.kv_heads, keys.count_or("attention.head_count_kv", c.heads, ConfigKeys::kMaxHeads));
  VB_TRY(c.context_length, keys.count("context_length"));
  VB_TRY(c.head_dim, keys.find("attention.key_length") ? keys.count("attention.key_length", ConfigKeys::kMaxHeads)
                                                       : default_head_dim(c, keys.name("embedding_length")));
  for (const char* key : {"attention.value_length", "rope.dimension_count"}) {
    VB_TRY(const std::int64_t size, keys.count_or(key, c.head_dim, ConfigKeys::kMaxHeads));
    if (size != c.head_dim) return unsupported("{} is {}; expected the head width {}", keys.name(key), size, c.head_dim);
  }
  const TensorEntry* table = file.find("token_embd.weight");
  if (!table || table->view.shape.rank() != 2)
    return not_found("tensor 'token_embd.weight' with 2 dimensions is missing in {}", file.files().front()->path().string());
  VB_TRY(c.vocab_size, keys.count_or("vocab_size", table->view.shape[0]));
  return check_heads(c, keys.name("attention.head_count"));
}

/// Factors that divide each pair's frequency: how converters write llama3 scaling.
Result<void> apply_rope_factors(const ModelFile& file, std::vector<double>& frequencies) {
  const TensorEntry* entry = file.find("rope_freqs.weight");
  if (!entry) return ok();
  const Shape expected{static_cast<std::int64_t>(frequencies.size())};
  if (entry->view.shape != expected)
    return corrupt("tensor 'rope_freqs.weight': expected shape {}, file has {}", expected.to_string(),
                   entry->view.shape.to_string());
  VB_TRY(const std::vector<float> factors, decode_f32(entry->view), "in tensor 'rope_freqs.weight'");
  for (std::size_t i = 0; i < frequencies.size(); ++i) {
    if (!std::isfinite(factors[i]) || factors[i] <= 0.0F)
      return corrupt("tensor 'rope_freqs.weight': expected factors > 0, found {} at {}", factors[i], i);
    frequencies[i] /= static_cast<double>(factors[i]);
  }
  return ok();
}

Result<void> read_gguf_rope(const ConfigKeys& keys, const ModelFile& file, ModelConfig& c) {
  VB_TRY(c.rope_theta, keys.positive_or("rope.freq_base", 10000.0));
  c.rope.layout = RopeLayout::half;  // q and k rows are brought into Hugging Face order when they are loaded
  c.rope.inverse_frequency = plain_frequencies(c.rope_theta, c.head_dim);
  VB_TRY(const double legacy_factor, keys.positive_or("rope.scale_linear", 1.0));
  VB_TRY(const double factor, keys.positive_or("rope.scaling.factor", legacy_factor));
  VB_TRY(const std::string type, keys.text_or("rope.scaling.type", factor == 1.0 ? "none" : "linear"));
  if (type != "none" && type != "linear")
    return unsupported("rope type '{}' ({}) is not supported; known: none, linear, and factors in 'rope_freqs.weight'",
                       printable(type), keys.name("rope.scaling.type"));
  if (type == "linear") scale_linear(c.rope.inverse_frequency, factor);
  return apply_rope_factors(file, c.rope.inverse_frequency);
}

/// -1 (stored as 2^32 - 1) marks a token that the vocabulary does not have.
Result<std::vector<std::int32_t>> gguf_token(const ConfigKeys& tokenizer, std::string_view key) {
  const Json* value = tokenizer.find(key);
  if (value && value->is_integer() && (value->as_int() == -1 || value->as_int() == 0xFFFFFFFF))
    return std::vector<std::int32_t>{};
  return tokenizer.token_ids(key);
}

Result<void> read_gguf_ids(const ConfigKeys& tokenizer, ModelConfig& c) {
  for (const char* key : {"eos_token_id", "eot_token_id", "eom_token_id"}) {
    VB_TRY(const std::vector<std::int32_t> ids, gguf_token(tokenizer, key));
    for (const std::int32_t id : ids)
      if (std::find(c.eos_ids.begin(), c.eos_ids.end(), id) == c.eos_ids.end()) c.eos_ids.push_back(id);
  }
  VB_TRY(const std::vector<std::int32_t> bos, gguf_token(tokenizer, "bos_token_id"));
  c.bos_id = bos.empty() ? -1 : bos.front();
  return ok();
}

Result<ModelConfig> config_from_gguf(const ModelSource& source) {
  const ModelFile& file = *source.file;
  const ConfigKeys keys(file.metadata(), source.path.string(), "llama.");
  const ConfigKeys tokenizer(file.metadata(), source.path.string(), "tokenizer.ggml.");
  VB_CHECK(refuse_unknown_gguf_parts(keys));
  ModelConfig c;
  c.architecture = "llama";
  VB_CHECK(read_gguf_sizes(keys, file, c));
  VB_TRY(c.norm_epsilon, keys.positive("attention.layer_norm_rms_epsilon"));
  VB_CHECK(read_gguf_rope(keys, file, c));
  c.attention_bias = file.find("blk.0.attn_q.bias") != nullptr;  // the format has no key for either
  c.mlp_bias = file.find("blk.0.ffn_gate.bias") != nullptr;
  c.tied_head = file.find("output.weight") == nullptr;
  VB_CHECK(read_gguf_ids(tokenizer, c));
  return c;
}

}  // namespace

Architecture llama_architecture() {
  return {
      .id = "llama",
      .summary = "RMSNorm, rotary positions, grouped-query attention, gated SiLU MLP; Llama 1 to 3 and what follows them",
      .hf_names = {"LlamaForCausalLM"},
      .gguf_names = {"llama"},
      .source = "arXiv 2302.13971; transformers LlamaForCausalLM",
      .sites = {Site::embed_out, Site::resid_pre, Site::attn_norm_out, Site::q, Site::k, Site::v, Site::q_rot, Site::k_rot,
                Site::attn_scores, Site::attn_pattern, Site::z, Site::attn_out, Site::resid_mid, Site::mlp_norm_out,
                Site::gate, Site::up, Site::act, Site::mlp_out, Site::resid_post, Site::final_norm_out, Site::logits},
      .ops = {Op::embed, Op::rms_norm, Op::linear, Op::rope, Op::attention, Op::gated_activation, Op::add, Op::select_rows,
              Op::lm_head},
      .config_from_hf = config_from_hf,
      .config_from_gguf = config_from_gguf,
      .build = build,
  };
}

}  // namespace vauban
