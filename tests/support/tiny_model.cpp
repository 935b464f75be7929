#include "support/tiny_model.h"

#include <algorithm>
#include <cmath>
#include <span>
#include <string>
#include <vector>

#include "base/json_file.h"
#include "base/rng.h"
#include "format/safetensors_writer.h"
#include "support/tiny_tokenizer.h"

namespace vauban::test {
namespace {

constexpr std::int64_t kVocab = 300, kWidth = 64, kMlp = 128, kLayers = 2, kHeads = 4, kKvHeads = 2, kHeadDim = 16;
constexpr std::int64_t kContext = 512;
constexpr double kOutSpread = 0.20, kDownSpread = 0.15;

/// Spread of each kind of weight. After a norm the activations have spread 1; with these values attention scores spread
/// by about 2, each branch adds about as much as the stream holds, and logits spread by about 4, so that the largest
/// one depends on the whole prompt.
struct Kind {
  const char* suffix;
  Shape shape;
  double spread;
};
const std::vector<Kind>& layer_kinds() {
  static const std::vector<Kind> kinds = {
      {"self_attn.q_proj.weight", {kHeads * kHeadDim, kWidth}, 0.18},
      {"self_attn.k_proj.weight", {kKvHeads * kHeadDim, kWidth}, 0.18},
      {"self_attn.v_proj.weight", {kKvHeads * kHeadDim, kWidth}, 0.15},
      {"self_attn.o_proj.weight", {kWidth, kHeads * kHeadDim}, kOutSpread},
      {"mlp.gate_proj.weight", {kMlp, kWidth}, 0.20},
      {"mlp.up_proj.weight", {kMlp, kWidth}, 0.15},
      {"mlp.down_proj.weight", {kWidth, kMlp}, kDownSpread},
  };
  return kinds;
}

/// Values around `centre`; each tensor draws from a stream of its own, so that none depends on another.
class Initialiser {
 public:
  Initialiser(TinyModel& model, const TinyModelOptions& options) : model_(model), options_(options) {}

  std::vector<float>& add(const std::string& name, const Shape& shape, double centre, double spread) {
    Rng rng(options_.seed, ++streams_);
    std::vector<float> values(static_cast<std::size_t>(shape.elements()));
    for (float& value : values) value = static_cast<float>(centre + spread * rng.normal());
    return model_.tensors.insert_or_assign(name, TinyTensor{shape, std::move(values)}).first->second.values;
  }

  void perturb(const std::string& name, double spread) {
    constexpr std::uint64_t kNoiseStreams = 1'000'000;
    Rng rng(options_.seed, kNoiseStreams + ++streams_);
    for (float& value : model_.tensors.at(name).values)
      value = static_cast<float>(value + options_.perturb * spread * rng.normal());
  }

 private:
  TinyModel& model_;
  TinyModelOptions options_;
  std::uint64_t streams_ = 0;
};

/// Readable pieces win most of the time, and a text ends only now and then.
void quieten(std::vector<float>& head, std::int64_t first_row, std::int64_t rows, float factor) {
  const auto begin = head.begin() + first_row * kWidth;
  std::for_each(begin, begin + rows * kWidth, [factor](float& value) { value *= factor; });
}

void add_tensors(TinyModel& model, const TinyModelOptions& options) {
  Initialiser tensors(model, options);
  tensors.add("model.embed_tokens.weight", {kVocab, kWidth}, 0.0, 1.0);
  std::vector<float>& head = tensors.add("lm_head.weight", {kVocab, kWidth}, 0.0, 0.5);
  quieten(head, 0, kTinySpecialTokens, 0.3F);
  quieten(head, kTinySpecialTokens, kTinyByteTokens, 0.15F);
  tensors.add("model.norm.weight", {kWidth}, 1.0, 0.1);
  for (std::int64_t layer = 0; layer < kLayers; ++layer) {
    const std::string prefix = format("model.layers.{}.", layer);
    for (const char* norm : {"input_layernorm.weight", "post_attention_layernorm.weight"})
      tensors.add(prefix + norm, {kWidth}, 1.0, 0.1);
    for (const Kind& kind : layer_kinds()) tensors.add(prefix + kind.suffix, kind.shape, 0.0, kind.spread);
  }
  if (options.perturb == 0.0) return;
  tensors.perturb("model.layers.0.self_attn.o_proj.weight", kOutSpread);
  tensors.perturb("model.layers.1.mlp.down_proj.weight", kDownSpread);
}

Json config_json() {
  return Json::object({{"architectures", Json::array({"LlamaForCausalLM"})},
                       {"model_type", "llama"},
                       {"attention_bias", false},
                       {"mlp_bias", false},
                       {"bos_token_id", 1},
                       {"eos_token_id", 2},
                       {"head_dim", kHeadDim},
                       {"hidden_act", "silu"},
                       {"hidden_size", kWidth},
                       {"intermediate_size", kMlp},
                       {"max_position_embeddings", kContext},
                       {"num_attention_heads", kHeads},
                       {"num_hidden_layers", kLayers},
                       {"num_key_value_heads", kKvHeads},
                       {"rms_norm_eps", 1e-5},
                       {"rope_scaling", nullptr},
                       {"rope_theta", 10000.0},
                       {"tie_word_embeddings", false},
                       {"torch_dtype", "float32"},
                       {"vocab_size", kVocab}});
}

Json tokenizer_config_json() {
  return Json::object({{"add_bos_token", true},
                       {"add_eos_token", false},
                       {"bos_token", "<s>"},
                       {"eos_token", "</s>"},
                       {"unk_token", "<unk>"},
                       {"clean_up_tokenization_spaces", false},
                       {"legacy", true},
                       {"model_max_length", kContext},
                       {"tokenizer_class", "LlamaTokenizer"}});
}

}  // namespace

TinyModel make_tiny_model(const TinyModelOptions& options) {
  TinyModel model;
  model.config = config_json();
  model.generation_config = Json::object({{"bos_token_id", 1}, {"eos_token_id", 2}});
  model.tokenizer = tiny_tokenizer_json();
  add_tensors(model, options);
  return model;
}

Result<void> write_tiny_model(const std::filesystem::path& folder, const TinyModel& model) {
  std::error_code failed;
  std::filesystem::create_directories(folder, failed);
  if (failed) return io("cannot make the folder {}: {}", folder.string(), failed.message());
  std::vector<NamedTensorView> tensors;
  for (const auto& [name, tensor] : model.tensors)
    tensors.push_back({name, {DType::f32, tensor.shape, std::as_bytes(std::span(tensor.values))}});
  VB_CHECK(write_safetensors(folder / "model.safetensors", tensors, {{"format", "pt"}}));
  VB_CHECK(write_json_file(folder / "config.json", model.config));
  VB_CHECK(write_json_file(folder / "generation_config.json", model.generation_config));
  if (model.tokenizer.is_null()) return ok();
  VB_CHECK(write_json_file(folder / "tokenizer_config.json", tokenizer_config_json()));
  VB_CHECK(write_json_file(folder / "special_tokens_map.json",
                           Json::object({{"bos_token", "<s>"}, {"eos_token", "</s>"}, {"unk_token", "<unk>"}})));
  return write_json_file(folder / "tokenizer.json", model.tokenizer);
}

Result<void> write_tiny_model(const std::filesystem::path& folder, const TinyModelOptions& options) {
  if (!std::isfinite(options.perturb) || options.perturb < 0)
    return invalid_input("perturb: expected a number >= 0, found {}", options.perturb);
  return write_tiny_model(folder, make_tiny_model(options));
}

}  // namespace vauban::test
