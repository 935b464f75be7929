#include "model/archs/reading.h"

#include <algorithm>
#include <cmath>

#include "base/strings.h"

namespace vauban {
namespace {

Result<void> check_heads(const ModelConfig& c, const std::string& where) {
  if (c.heads % c.kv_heads != 0)
    return corrupt("{}: {} query heads do not divide into {} key/value heads", where, c.heads, c.kv_heads);
  return ok();
}

Result<std::int64_t> default_head_dim(const ModelConfig& c, const std::string& where) {
  if (c.width % c.heads != 0 || c.width / c.heads > ConfigKeys::kMaxHeads)
    return corrupt("{}: width {} does not divide into {} heads, and no head width is given", where, c.width, c.heads);
  return c.width / c.heads;
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

/// Per-layer values (a list of equal numbers, `zeros` apart) count as one.
Result<std::int64_t> one_count(const ConfigKeys& keys, const char* key, std::int64_t fallback, bool zeros = false) {
  const Json* value = keys.find(key);
  if (!value || !value->is_array()) return keys.count_or(key, fallback, ConfigKeys::kMaxHeads);
  const Json* one = nullptr;
  for (const Json& item : value->items()) {
    if (zeros && item == Json(0)) continue;
    if (one && item != *one) return unsupported("{} differs between layers; that is not part of this architecture here", keys.name(key));
    one = &item;
  }
  if (!one && zeros && value->size() > 0) return fallback;
  if (!one || !one->is_integer() || one->as_int() < 1 || one->as_int() > ConfigKeys::kMaxHeads)
    return corrupt("{}: expected a count, found {}", keys.name(key), shown(*value));
  return one->as_int();
}

Result<void> read_gguf_heads(const ConfigKeys& keys, GgufHeads kind, ModelConfig& c) {
  VB_TRY(c.heads, one_count(keys, "attention.head_count", 0));
  if (c.heads < 1) return not_found("{} is missing", keys.name("attention.head_count"));
  VB_TRY(c.kv_heads, one_count(keys, "attention.head_count_kv", c.heads, kind == GgufHeads::of_some_layers));
  VB_CHECK(check_heads(c, keys.name("attention.head_count")));
  if (kind == GgufHeads::own_widths) {
    c.head_dim = 1;
    return ok();
  }
  if (keys.find("attention.key_length")) {
    VB_TRY(c.head_dim, keys.count("attention.key_length", ConfigKeys::kMaxHeads));
  } else {
    VB_TRY(c.head_dim, default_head_dim(c, keys.name("embedding_length")));
  }
  VB_TRY(const std::int64_t values, keys.count_or("attention.value_length", c.head_dim, ConfigKeys::kMaxHeads));
  if (values != c.head_dim)
    return unsupported("{} is {}; expected the head width {}", keys.name("attention.value_length"), values, c.head_dim);
  return ok();
}

}  // namespace

HfKeys::HfKeys(const ModelSource& source)
    : config(source.config, format("config.json of {}", source.path.string())),
      generation(source.generation_config, format("generation_config.json of {}", source.path.string())) {}

GgufKeys::GgufKeys(const ModelSource& source, std::string_view arch)
    : config(source.file->metadata(), source.path.string(), std::string(arch) + "."),
      tokenizer(source.file->metadata(), source.path.string(), "tokenizer.ggml."),
      file(*source.file) {}

Result<ModelConfig> read_hf_sizes(const HfKeys& hf, std::string_view architecture, const SizeNames& names) {
  const ConfigKeys& keys = hf.config;
  ModelConfig c;
  c.architecture = std::string(architecture);
  VB_TRY(c.vocab_size, keys.count(names.vocab));
  VB_TRY(c.width, keys.count(names.width));
  c.mlp_width = 4 * c.width;
  if (names.mlp_width) {
    VB_TRY(c.mlp_width, keys.count_or(names.mlp_width, c.mlp_width));
  }
  VB_TRY(c.layers, keys.count(names.layers, ConfigKeys::kMaxHeads));
  c.heads = 1;
  if (names.heads) {
    VB_TRY(c.heads, keys.count(names.heads, ConfigKeys::kMaxHeads));
  }
  c.kv_heads = c.heads;
  if (names.heads && names.kv_heads) {
    VB_TRY(c.kv_heads, keys.count_or(names.kv_heads, c.heads, ConfigKeys::kMaxHeads));
  }
  if (!names.heads) {
    c.head_dim = 1;
  } else if (names.head_dim && (keys.find(names.head_dim) || names.default_head_dim > 0)) {
    VB_TRY(c.head_dim, keys.count_or(names.head_dim, names.default_head_dim, ConfigKeys::kMaxHeads));
  } else {
    VB_TRY(c.head_dim, default_head_dim(c, keys.name(names.width)));
  }
  c.context_length = names.default_context;
  if (names.context) {
    VB_TRY(c.context_length, keys.count_or(names.context, names.default_context));
  }
  VB_TRY(c.tied_head, keys.flag_or("tie_word_embeddings", names.tied));
  // generation_config.json says what ends a text where both files do.
  VB_TRY(c.eos_ids, (hf.generation.find("eos_token_id") ? hf.generation : keys).token_ids("eos_token_id"));
  VB_TRY(const std::vector<std::int32_t> bos, keys.token_ids("bos_token_id"));
  c.bos_id = bos.empty() ? -1 : bos.front();
  VB_CHECK(check_heads(c, keys.name(names.heads ? names.heads : names.width)));
  return c;
}

Result<ModelConfig> read_gguf_sizes(const GgufKeys& gguf, std::string_view architecture, GgufHeads heads) {
  const ConfigKeys& keys = gguf.config;
  ModelConfig c;
  c.architecture = std::string(architecture);
  VB_TRY(c.width, keys.count("embedding_length"));
  VB_TRY(c.layers, keys.count("block_count", ConfigKeys::kMaxHeads));
  VB_TRY(c.context_length, keys.count("context_length"));
  if (heads == GgufHeads::none) {
    c.heads = c.kv_heads = c.head_dim = 1;
  } else {
    VB_TRY(c.mlp_width, one_count(keys, "feed_forward_length", 4 * c.width));
    VB_CHECK(read_gguf_heads(keys, heads, c));
  }
  const TensorEntry* table = gguf.file.find("token_embd.weight");
  if (!table || table->view.shape.rank() != 2 || table->view.shape[0] < 1)
    return not_found("tensor 'token_embd.weight' with 2 dimensions and at least one row is missing in {}",
                     gguf.file.files().front()->path().string());
  VB_TRY(c.vocab_size, keys.count_or("vocab_size", table->view.shape[0]));
  c.tied_head = gguf.file.find("output.weight") == nullptr;
  VB_CHECK(read_gguf_ids(gguf.tokenizer, c));
  return c;
}

Result<Activation> read_activation(const ConfigKeys& keys, const char* key, std::string_view fallback) {
  struct Known {
    std::string_view name;
    Activation activation;
  };
  static constexpr Known kKnown[] = {
      {"silu", Activation::silu},          {"swish", Activation::silu},
      {"gelu", Activation::gelu_erf},      {"gelu_new", Activation::gelu_tanh},
      {"gelu_fast", Activation::gelu_tanh}, {"gelu_pytorch_tanh", Activation::gelu_tanh},
      {"relu", Activation::relu},          {"relu2", Activation::relu_squared},
  };
  VB_TRY(const std::string name, keys.text_or(key, fallback));
  std::vector<std::string> names;
  for (const Known& known : kKnown) {
    if (known.name == name) return known.activation;
    names.emplace_back(known.name);
  }
  return unsupported("activation '{}' ({}) is not supported; known: {}", printable(name), keys.name(key), join(names, ", "));
}

bool SparseLayers::at(std::int64_t layer) const {
  return layer >= dense_first && (layer + 1) % step == 0 && std::find(dense.begin(), dense.end(), layer) == dense.end();
}

Result<SparseLayers> sparse_layers(const ConfigKeys& keys) {
  SparseLayers sparse;
  VB_TRY(sparse.step, keys.count_or("decoder_sparse_step", 1));
  const Json* dense = keys.find("mlp_only_layers");
  if (!dense) return sparse;
  if (!dense->is_array()) return corrupt("{}: expected a list of layers, found {}", keys.name("mlp_only_layers"), shown(*dense));
  for (const Json& layer : dense->items()) {
    if (!layer.is_integer()) return corrupt("{}: expected a list of layers, found {}", keys.name("mlp_only_layers"), shown(*dense));
    sparse.dense.push_back(layer.as_int());
  }
  return sparse;
}

Result<void> refuse_keys(const ConfigKeys& keys, std::initializer_list<const char*> names, double neutral) {
  for (const char* name : names) {
    const Json* value = keys.find(name);
    if (!value || *value == Json(false)) continue;
    if (value->is_number() && value->as_double() == neutral) continue;
    return unsupported("{} is {}; this is not part of this architecture here", keys.name(name), shown(*value));
  }
  return ok();
}

AttentionSpec attention_spec(const ModelConfig& c) {
  AttentionSpec spec;
  spec.heads = c.heads;
  spec.kv_heads = c.kv_heads;
  spec.head_dim = c.head_dim;
  spec.qkv_bias = spec.out_bias = c.attention_bias;
  spec.args.heads = static_cast<int>(c.heads);
  spec.args.kv_heads = static_cast<int>(c.kv_heads);
  spec.args.head_dim = static_cast<int>(c.head_dim);
  spec.args.scale = 1.0 / std::sqrt(static_cast<double>(c.head_dim));
  spec.args.window = c.window;
  return spec;
}

AttentionSpec attention_spec(const ModelConfig& c, bool windowed) {
  AttentionSpec spec = attention_spec(c);
  if (!windowed) spec.args.window = 0;
  return spec;
}

MlpSpec plain_mlp_spec(const ModelConfig& c) {
  MlpSpec spec = mlp_spec(c);
  spec.gated = false;
  return spec;
}

MlpSpec mlp_spec(const ModelConfig& c) {
  MlpSpec spec;
  spec.width = c.mlp_width;
  spec.in_bias = spec.out_bias = c.mlp_bias;
  spec.activation = c.activation;
  return spec;
}

Result<MoeSpec> moe_spec(const ModelConfig& c, std::int64_t experts, std::int64_t chosen, std::int64_t width) {
  if (experts > ConfigKeys::kMaxHeads || chosen > experts)
    return corrupt("{} of {} experts cannot be chosen for a token", chosen, experts);
  MoeSpec spec;
  spec.routing.experts = static_cast<int>(experts);
  spec.routing.chosen = static_cast<int>(chosen);
  spec.width = width;
  spec.activation = c.activation;
  return spec;
}

Result<MoeSpec> moe_spec(const ModelConfig& c, const ConfigKeys& keys) {
  VB_TRY(const std::int64_t experts, keys.count("expert_count"));
  VB_TRY(const std::int64_t chosen, keys.count("expert_used_count"));
  VB_TRY(const std::int64_t width, keys.count_or("expert_feed_forward_length", c.mlp_width));
  return moe_spec(c, experts, chosen, width);
}

NormSpec rms_norm(double epsilon) { return {.kind = NormKind::rms, .epsilon = epsilon}; }

NormSpec layer_norm(double epsilon, bool bias) { return {.kind = NormKind::layer, .epsilon = epsilon, .bias = bias}; }

std::vector<double> alibi_slopes(std::int64_t heads) {
  const auto slopes_of = [](std::int64_t count, std::int64_t step) {
    std::vector<double> slopes;
    for (std::int64_t i = 1; i <= count; i += step) slopes.push_back(std::exp2(-8.0 * static_cast<double>(i) / static_cast<double>(count)));
    return slopes;
  };
  std::int64_t power = 1;
  while (power * 2 <= heads) power *= 2;
  std::vector<double> slopes = slopes_of(power, 1);
  for (const double slope : slopes_of(2 * power, 2))
    if (std::ssize(slopes) < heads) slopes.push_back(slope);
  return slopes;
}

MakeBlock in_marked(const std::vector<bool>& marked, MakeBlock these, MakeBlock others) {
  return [marked, these = std::move(these), others = std::move(others)](std::int64_t layer) {
    return marked[static_cast<std::size_t>(layer)] ? these(layer) : others(layer);
  };
}

MakeBlock in_sparse(const SparseLayers& layers, const MoeSpec& sparse, const MlpSpec& dense) {
  return [layers, experts = in_all(sparse), mlp = in_all(dense)](std::int64_t layer) {
    return layers.at(layer) ? experts(layer) : mlp(layer);
  };
}

void set_layers(ModelConfig& c, const MakeBlock& mixer, const MakeBlock& feed) {
  c.decoder.layers.clear();
  for (std::int64_t layer = 0; layer < c.layers; ++layer) c.decoder.layers.push_back({.mixer = mixer(layer), .feed = feed(layer)});
}

void set_rope(ModelConfig& c, RopeConfig rope) {
  c.rope_theta = rope.theta;
  if (rope.rope.dynamic)  // made to be stretched that far
    c.context_length = static_cast<std::int64_t>(rope.rope.dynamic->factor * static_cast<double>(c.context_length));
  c.decoder.ropes = {std::move(rope.rope)};
}

Result<double> softcap_of(const ConfigKeys& keys, const ModelSource& source, const char* key, double fallback) {
  if (!keys.find(key)) return has_key(source, key) ? 0.0 : fallback;
  return keys.positive(key);
}

Result<std::vector<bool>> read_qwen_window(const ModelSource& source, const ConfigKeys& keys, ModelConfig& c) {
  VB_TRY(const bool used, keys.flag_or("use_sliding_window", false));
  std::int64_t first = c.layers;
  if (used) {
    VB_TRY(c.window, keys.count_or("sliding_window", has_key(source, "sliding_window") ? 0 : 4096));
    VB_TRY(first, keys.count_or_zero("max_window_layers", 28));  // 0: every layer
  }
  return windowed_layers(keys, c, [&](std::int64_t layer) { return layer >= first; });
}

bool has_key(const ModelSource& source, std::string_view key) { return source.config.find(key) != nullptr; }

Result<std::vector<bool>> layers_of_kind(const ConfigKeys& keys, const ModelConfig& c, std::string_view kind,
                                         const std::function<bool(std::int64_t)>& is_kind) {
  std::vector<bool> layers(static_cast<std::size_t>(c.layers));
  const Json* types = keys.find("layer_types");
  if (types && (!types->is_array() || types->size() != layers.size()))
    return corrupt("{}: expected a list of {} names, found {}", keys.name("layer_types"), c.layers, shown(*types));
  for (std::size_t i = 0; i < layers.size(); ++i) {
    if (!types) {
      layers[i] = is_kind(static_cast<std::int64_t>(i));
      continue;
    }
    const Json& type = types->items()[i];
    layers[i] = type == Json(kind);
    if (!layers[i] && type != Json("full_attention"))
      return unsupported("{}: layer type {} is not supported; known: full_attention, {}", keys.name("layer_types"), shown(type), kind);
  }
  return layers;
}

Result<std::vector<bool>> windowed_layers(const ConfigKeys& keys, const ModelConfig& c,
                                          const std::function<bool(std::int64_t)>& is_windowed) {
  return layers_of_kind(keys, c, "sliding_attention", is_windowed);
}

}  // namespace vauban
