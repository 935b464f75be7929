/// Model: a network with its weights on one backend, its tokenizer and its identity.
///
/// Architectures are a list (archs/archs.cpp). Each is one file, with its configuration reader beside it: how to read
/// a Hugging Face config.json and GGUF keys, and how to build the Network: fetching every tensor by name with the
/// expected shape, and writing the forward pass once over Ops and Tap.
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
#include "model/linear.h"
#include "model/tap.h"
#include "model/tensor_map.h"
#include "ops/ops.h"
#include "text/chat_template.h"
#include "text/tokenizer.h"
#include "vauban/trace.h"

namespace vauban {

/// The layers of one model. Its weights change only through visit_weights; the state of sequences is in the KvStore.
class Network {
 public:
  virtual ~Network() = default;
  /// One step over `batch`. -> logits (output_rows, vocab).
  virtual Tensor forward(Ops& ops, KvStore& store, const Batch& batch, const Tap& tap) const = 0;
  virtual KvGeometry kv_geometry() const = 0;  ///< pages left 0
  virtual std::int64_t weight_bytes() const = 0;
  /// Every weight that the forward pass reads, LoRA pairs included; a table that both ends share comes once for each. The
  /// visitor may replace one by another of the same shape between two steps, all of one name alike.
  virtual void visit_weights(const WeightVisitor& visit) = 0;
};

/// Fetches tensors by name with an expected shape, from either naming scheme, and remembers what was used. Adapters
/// attach here: what they replace is loaded instead of the base's, and their pairs stand beside the layers. Adapter
/// weights come as f32 under Adapter::weight_name, in the stored layout, but an embedding's A as (V, r).
class WeightLoader {
 public:
  /// `adapters` must outlive the loader.
  WeightLoader(const ModelSource& source, Ops& ops, std::span<const AdapterPlan> adapters = {});
  using Request = TensorSpec;
  /// Errors: not_found (names the tensor and the file), corrupt for another shape (expected and found), those of Ops.
  Result<Weight> get(const Request& request);
  /// `module` names the layer without ".weight". Errors: the same.
  Result<Linear> linear(const TensorSpec& module, bool with_bias);
  Result<Embedding> embedding(const TensorSpec& table);
  struct Ends {
    Embedding embedding;
    Head head;
  };
  /// The token table and the head. With `tied` the head reads the table; a file may then hold it under either name, or
  /// under both when they are equal. Errors: the same; corrupt when they differ.
  Result<Ends> ends(const TensorSpec& table, const TensorSpec& head, bool tied);

  bool has(std::string_view hf, std::string_view gguf) const;
  /// Notes that a tensor was read elsewhere (`rope_freqs.weight` by the configuration, a second copy of a tied head).
  void mark_used(std::string_view stored_name) { used_.emplace(stored_name); }
  /// Names in the file that no one asked for, sorted.
  std::vector<std::string> unused() const;
  /// Bytes of the stored tensors that were loaded, adapters included; a shared table counts once.
  std::int64_t loaded_bytes() const { return loaded_bytes_; }
  const ModelSource& source() const { return source_; }

 private:
  struct Replacement {
    const Adapter* adapter = nullptr;
    const AdapterTensor* tensor = nullptr;
    bool in_place() const { return tensor && tensor->parsed.in_adapted; }
    bool is_copy() const { return tensor && !tensor->parsed.in_adapted; }
  };
  Replacement replacement(std::string_view hf) const;
  Result<Weight> get_stored(const Request& request);
  Result<Weight> get_replacement(const Request& request, const Replacement& from);
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

struct Architecture {
  std::string_view id;       ///< "llama"
  std::string_view summary;
  std::vector<std::string_view> hf_names;    ///< entries of config.json "architectures"
  std::vector<std::string_view> gguf_names;  ///< values of general.architecture
  std::string_view source;                   ///< paper or reference implementation
  std::vector<Site> sites;                   ///< sites its forward pass has, in order
  std::vector<Op> ops;                       ///< operations its forward pass cannot do without
  Result<ModelConfig> (*config_from_hf)(const ModelSource& source);
  Result<ModelConfig> (*config_from_gguf)(const ModelSource& source);
  Result<std::unique_ptr<Network>> (*build)(const ModelConfig& config, WeightLoader& weights);
  TensorMap (*tensors)(const ModelConfig& config);  ///< every tensor of the file; `build` asks for the same ones
};
std::span<const Architecture> all_architectures();
/// Errors: unsupported, naming the architecture and the known ones.
Result<const Architecture*> find_architecture(const ModelSource& source);

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
  std::vector<std::string> unused_tensors;
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
/// A bare tokenizer file: tokenizer.json, *.model or *.gguf.
Result<std::shared_ptr<const Tokenizer>> load_tokenizer_file(const std::filesystem::path& path);

/// What this architecture on this backend can honestly show: computed, and proved by the contract tests.
/// Loads two small weights to see whether it can read them back.
Capability capability_of(const Architecture& architecture, Ops& ops, bool has_tokenizer);

}  // namespace vauban
