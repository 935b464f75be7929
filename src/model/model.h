/// Model: a network with its weights on one backend, its tokenizer and its identity.
///
/// Architectures are a list (archs/archs.cpp). Each is one file: how to read a Hugging Face config.json and GGUF keys into
/// a ModelConfig, whose DecoderSpec says what the layers compute, and what the tensors are called. The forward pass is
/// written once over Ops and Tap, in decoder/.
#pragma once

#include <functional>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/context.h"
#include "base/result.h"
#include "format/model_source.h"
#include "model/adapter_plan.h"
#include "model/config.h"
#include "model/decoder/names.h"
#include "model/network.h"
#include "model/row_order.h"
#include "model/tap.h"
#include "model/weight_source.h"
#include "ops/ops.h"
#include "text/chat_template.h"
#include "text/tokenizer.h"
#include "vauban/trace.h"

namespace vauban {

/// Fetches tensors by name with an expected shape, from either naming scheme, and remembers what was used. Adapters
/// attach here: what they replace is loaded instead of the base's, and their pairs stand beside the layers. Adapter
/// weights come as f32 under Adapter::weight_name, in the stored layout, but an embedding's A as (V, r).
class WeightLoader final : public WeightSource {
 public:
  /// `adapters` must outlive the loader.
  WeightLoader(const ModelSource& source, Ops& ops, std::span<const AdapterPlan> adapters = {});
  Result<Weight> get(const TensorSpec& request) override;
  Result<Linear> linear(const TensorSpec& module, bool with_bias) override;
  Result<Embedding> embedding(const TensorSpec& table) override;
  Result<Ends> ends(const TensorSpec& table, const TensorSpec& head, bool tied) override;
  Result<Weight> ones(std::int64_t width) override;

  /// Names in the file that no one asked for, sorted.
  std::vector<std::string> unused() const;
  /// Bytes of the stored tensors that were loaded, adapters included; a shared table counts once.
  std::int64_t loaded_bytes() const { return loaded_bytes_; }

 private:
  struct Replacement {
    const Adapter* adapter = nullptr;
    const AdapterTensor* tensor = nullptr;
    bool in_place() const { return tensor && tensor->parsed.in_adapted; }
    bool is_copy() const { return tensor && !tensor->parsed.in_adapted; }
  };
  bool is_compressed(std::string_view name) const { return source_.compressed && source_.compressed->holds(name); }
  bool has(std::string_view name) const { return source_.file->find(name) || is_compressed(name); }
  Replacement replacement(std::string_view hf) const;
  Result<Weight> get_stored(const TensorSpec& request);
  Result<OwnedView> find_view(const std::string& name, const Shape& expected, const InStack& stack);
  Result<OwnedView> find_compressed(const std::string& name, const Shape& expected, const InStack& stack);
  Result<OwnedView> gather_rows(const TensorSpec& request);
  Result<Weight> get_replacement(const TensorSpec& request, const Replacement& from);
  void note_used(const std::string& name);
  Result<Weight> load(const std::string& name, const TensorView& view, std::shared_ptr<const void> keep_alive);
  Result<Ends> tied_ends(const TensorSpec& table, const TensorSpec& head);
  Result<Weight> shared_table(const TensorSpec& table, const TensorSpec& head);
  Result<std::vector<LoraPair>> pairs_of(std::string_view module);
  Result<Weight> adapter_weight(const Adapter& adapter, const AdapterTensor& tensor);

  const ModelSource& source_;
  Ops& ops_;
  std::span<const AdapterPlan> adapters_;
  std::set<std::string, std::less<>> used_;
  std::int64_t loaded_bytes_ = 0;
};

class GgufKeyList;

/// What llama.cpp does with files of one architecture and not with others: data for what is written to it, and for notes.
struct LlamaCppRules {
  bool skips_window = false;         ///< `attention.sliding_window` is not read
  int qk_norms_from_layers = 0;      ///< norms of q and k are read of models with as many layers or more
  bool yarn_log_multiplier = false;  ///< mscale_all_dim of YaRN has a key of its own
  bool unit_vectors_by_norm_epsilon = false;  ///< queries and keys of delta nets are scaled with the norms' epsilon
  bool inner_width_is_twice = false;          ///< mixers are read only where they are twice as wide as the model
  /// Exceptions in the mixtures of quantised types: those of Falcon, and the values of an 80-layer Llama.
  enum class Mixture { plain, falcon, llama } mixture = Mixture::plain;
};

struct Architecture {
  std::string_view id;       ///< "llama"
  std::string_view summary;
  std::vector<std::string_view> hf_names;    ///< entries of config.json "architectures"
  std::vector<std::string_view> gguf_names;  ///< values of general.architecture
  std::string_view source;                   ///< paper or reference implementation
  Result<ModelConfig> (*config_from_hf)(const ModelSource& source);
  Result<ModelConfig> (*config_from_gguf)(const ModelSource& source);
  DecoderNames (*names)(const ModelConfig& config);  ///< of its tensors

  // ---- how a configuration is written (archs/writing.h); null hf_config: `convert` refuses the architecture
  std::string_view gguf_id = {};  ///< of the architecture whose GGUF files hold it; empty: its own
  /// config.json of a GGUF's configuration, without ids, dtype and the scaling of rotary frequencies.
  Json (*hf_config)(const ModelConfig& config) = nullptr;
  /// `{arch}.*` keys beside those that follow from sizes, blocks and rotation; null: none.
  void (*gguf_keys)(const ModelConfig& config, GgufKeyList& keys) = nullptr;
  /// A folder's configuration as it is read from a GGUF of the same model, where files fuse or order otherwise; its
  /// `architecture` is that of the GGUF. Null: the same.
  ModelConfig (*gguf_form)(ModelConfig config) = nullptr;
  LlamaCppRules llama_cpp = {};  ///< of GGUF files whose `general.architecture` is its own

  /// Errors: those of reading the configuration; corrupt for sizes that no model has.
  Result<ModelConfig> read_config(const ModelSource& model) const;
  Result<std::unique_ptr<Network>> build(const ModelConfig& config, WeightSource& weights) const {
    return load_decoder(config, names(config), weights);
  }
  /// Every tensor of the file: what `build` asks for.
  TensorMap tensors(const ModelConfig& config) const;
};
std::span<const Architecture> all_architectures();
/// Errors: unsupported, naming the architecture and the known ones.
Result<const Architecture*> find_architecture(const ModelSource& source);
/// The architecture of GGUF files that hold such a model; null where there is none, or none is known.
const Architecture* gguf_architecture(const Architecture& architecture);

struct Model {
  ModelIdentity identity;
  const Architecture* architecture = nullptr;
  ModelConfig config;
  std::unique_ptr<Network> network;
  std::shared_ptr<const Tokenizer> tokenizer;  ///< null where the source has none
  std::shared_ptr<const ChatTemplate> chat_template;  ///< null where the source has none
  std::string bos_text, eos_text;                     ///< for the template's variables; empty: none
  std::shared_ptr<const ModelFile> file;
  std::vector<std::shared_ptr<const Adapter>> adapters;  ///< attached, in order
  std::int64_t weight_bytes = 0;  ///< of the stored tensors that were loaded, adapters included
  std::vector<std::string> unused_tensors;
  std::vector<std::string> notes;  ///< what is computed otherwise than the checkpoint's own format asks
  double load_seconds = 0;

  /// `adapters` are attached behind those of the source; the identity covers both.
  /// Errors: those of the parts, with the model's path as context; unsupported lists unused tensors that are not
  /// known to be harmless (rotary buffers).
  static Result<std::unique_ptr<Model>> load(const ModelSource& source, Ops& ops, const Context& context,
                                             std::span<const std::shared_ptr<const Adapter>> adapters = {});
};

/// The tokenizer that came with a model: tokenizer.json, tokenizer.model, or GGUF keys; null when there is none.
Result<std::shared_ptr<const Tokenizer>> load_tokenizer(const ModelSource& source);
/// The chat template that came with a model: chat_template.jinja, tokenizer_config.json's `chat_template` (of several
/// the one named "default"), or the GGUF key; null when there is none. Errors: corrupt, unsupported, those of parsing.
Result<std::shared_ptr<const ChatTemplate>> load_chat_template(const ModelSource& source);
/// The text of a special token; "" without one.
std::string special_text(const Tokenizer* tokenizer, std::optional<std::int32_t> id);
/// A bare tokenizer file: tokenizer.json, *.model, *.tiktoken or *.gguf.
Result<std::shared_ptr<const Tokenizer>> load_tokenizer_file(const std::filesystem::path& path);

/// What a model of this configuration on this backend can honestly show: computed, and proved by the contract tests.
/// Loads two small weights to see whether it can read them back.
Capability capability_of(const ModelConfig& config, Ops& ops, bool has_tokenizer);

}  // namespace vauban
