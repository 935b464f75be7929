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
#include "model/config.h"
#include "model/tap.h"
#include "ops/ops.h"
#include "text/tokenizer.h"
#include "vauban/trace.h"

namespace vauban {

/// The layers of one model. Immutable; the state of sequences is in the KvStore.
class Network {
 public:
  virtual ~Network() = default;
  /// One step over `batch`. -> logits (output_rows, vocab).
  virtual Tensor forward(Ops& ops, KvStore& store, const Batch& batch, const Tap& tap) const = 0;
  virtual KvGeometry kv_geometry() const = 0;  ///< pages left 0
  virtual std::int64_t weight_bytes() const = 0;
};

/// How rows of a tensor must be rearranged to reach the canonical (Hugging Face) order.
enum class RowOrder {
  as_stored,
  interleaved_heads,  ///< GGUF llama q and k: rows of each head are RoPE pairs; becomes rotate-half order
};

/// Fetches tensors by name with an expected shape, from either naming scheme, and remembers what was used.
class WeightLoader {
 public:
  WeightLoader(const ModelSource& source, Ops& ops);
  struct Request {
    std::string hf;    ///< "model.layers.0.self_attn.q_proj.weight"
    std::string gguf;  ///< "blk.0.attn_q.weight"
    Shape shape;
    RowOrder gguf_rows = RowOrder::as_stored;
    int heads = 0;     ///< for interleaved_heads
  };
  /// Errors: not_found (names the tensor and the file), corrupt for another shape (expected and found), those of Ops.
  Result<Weight> get(const Request& request);
  bool has(std::string_view hf, std::string_view gguf) const;
  /// Notes that a tensor was read elsewhere (`rope_freqs.weight` by the configuration, a second copy of a tied head).
  void mark_used(std::string_view stored_name) { used_.emplace(stored_name); }
  /// Names in the file that no one asked for, sorted.
  std::vector<std::string> unused() const;
  const ModelSource& source() const { return source_; }

 private:
  const ModelSource& source_;
  Ops& ops_;
  std::set<std::string, std::less<>> used_;
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
  std::shared_ptr<const ModelFile> file;
  std::vector<std::string> unused_tensors;
  double load_seconds = 0;

  /// Errors: those of the parts, with the model's path as context; unsupported lists unused tensors that are not
  /// known to be harmless (rotary buffers).
  static Result<std::unique_ptr<Model>> load(const ModelSource& source, Ops& ops, const Context& context);
};

/// The tokenizer that came with a model: tokenizer.json, tokenizer.model, or GGUF keys; null when there is none.
Result<std::shared_ptr<const Tokenizer>> load_tokenizer(const ModelSource& source);
/// A bare tokenizer file: tokenizer.json, *.model or *.gguf.
Result<std::shared_ptr<const Tokenizer>> load_tokenizer_file(const std::filesystem::path& path);

/// What this architecture on this backend can honestly show: computed, and proved by the contract tests.
Capability capability_of(const Architecture& architecture, const Ops& ops, bool has_tokenizer);

}  // namespace vauban
