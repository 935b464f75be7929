#include "model/model.h"

#include <algorithm>
#include <chrono>

#include "base/sha256.h"
#include "base/strings.h"

namespace vauban {
namespace {

Result<void> check_ops(const ModelConfig& config, const Ops& ops) {
  for (const Op op : ops_of(config.decoder))
    if (!ops.supports(op, Direction::forward))
      return unsupported("architecture '{}' needs the operation '{}', which backend '{}' does not have",
                         config.architecture, to_string(op), ops.backend());
  return ok();
}

Result<void> refuse_unused(const std::vector<std::string>& unused, const DecoderNames& names) {
  std::vector<std::string> unknown;
  for (const std::string& name : unused)
    if (!names.is_recomputed(name)) unknown.push_back(printable(name));
  if (unknown.empty()) return ok();
  constexpr std::size_t kShown = 5;
  const std::size_t total = unknown.size();
  if (total > kShown) unknown.resize(kShown);
  return unsupported("{} tensor{} in the file {} no part of this architecture: {}{}", total, total == 1 ? "" : "s",
                     total == 1 ? "is" : "are", join(unknown, ", "), total > kShown ? ", ..." : "");
}

/// What was made from what. Null for a model without adapters.
Json lineage_of(const Model& model, const ModelSource& source) {
  if (model.adapters.empty()) return {};
  Json adapters = Json::array();
  for (const auto& adapter : model.adapters)
    adapters.push_back(Json::object({{"name", adapter->name()},
                                     {"path", adapter->path().empty() ? Json() : Json(adapter->path().string())},
                                     {"digest", adapter->digest()}}));
  return Json::object({{"kind", "adapter"},
                       {"base", Json::object({{"path", source.path.string()}, {"digest", source.file->digest()}})},
                       {"adapters", std::move(adapters)}});
}

/// Of the base alone, or over the base's and the adapters' digests, a line each.
std::string model_digest(const Model& model, const ModelSource& source) {
  if (model.adapters.empty()) return source.file->digest();
  Sha256 hash;
  hash.update(source.file->digest() + "\n");
  for (const auto& adapter : model.adapters) hash.update(adapter->digest() + "\n");
  return hash.finish_hex();
}

Result<void> load_parts(Model& model, const ModelSource& source, Ops& ops) {
  VB_TRY(model.architecture, find_architecture(source));
  VB_TRY(model.config, model.architecture->read_config(source));
  VB_CHECK(check_ops(model.config, ops));
  VB_TRY(const std::vector<AdapterPlan> plans, plan_adapters(model.adapters, *model.architecture, model.config));
  WeightLoader weights(source, ops, plans);
  VB_TRY(model.network, model.architecture->build(model.config, weights));
  model.weight_bytes = weights.loaded_bytes();
  model.unused_tensors = weights.unused();
  VB_CHECK(refuse_unused(model.unused_tensors, model.architecture->names(model.config)));
  VB_TRY(model.tokenizer, load_tokenizer(source), "while loading the tokenizer");
  VB_TRY(model.chat_template, load_chat_template(source));
  const Tokenizer* tokenizer = model.tokenizer.get();
  model.bos_text = special_text(tokenizer, tokenizer ? tokenizer->bos() : std::nullopt);
  model.eos_text = special_text(tokenizer, tokenizer ? tokenizer->eos() : std::nullopt);
  return ok();
}

void add_tokenizer_ids(const Tokenizer* tokenizer, ModelConfig& config) {
  if (!tokenizer) return;
  if (config.eos_ids.empty() && tokenizer->eos()) config.eos_ids.push_back(*tokenizer->eos());
  if (config.bos_id < 0 && tokenizer->bos()) config.bos_id = *tokenizer->bos();
}

/// SHA-256 of everything beside weights and vocabulary that decides what the network computes: config.json and
/// generation_config.json, or the keys of a GGUF without those of its tokenizer.
std::string config_digest(const ModelSource& source) {
  Sha256 digest;
  const auto add = [&](std::string_view key, const Json& value) {
    digest.update(key);
    digest.update(std::string_view("\0", 1));
    digest.update(value.dump().value_or(std::string(value.type_name())));
    digest.update(std::string_view("\n", 1));
  };
  if (!source.is_gguf()) {
    add("config", source.config);
    add("generation_config", source.generation_config);
    return digest.finish_hex();
  }
  for (const auto& [key, value] : source.file->metadata().entries())
    if (!key.starts_with("tokenizer.")) add(key, value);
  return digest.finish_hex();
}

}  // namespace

Result<std::unique_ptr<Model>> Model::load(const ModelSource& source, Ops& ops, const Context& context,
                                           std::span<const std::shared_ptr<const Adapter>> adapters) {
  const std::chrono::nanoseconds start = context.clock.monotonic();
  VB_CHECK(context.cancel.check());
  auto model = std::make_unique<Model>();
  model->adapters = source.adapters;
  model->adapters.insert(model->adapters.end(), adapters.begin(), adapters.end());
  VB_CHECK(load_parts(*model, source, ops), "while loading model {}", source.path.string());
  add_tokenizer_ids(model->tokenizer.get(), model->config);
  model->file = source.file;
  if (source.compressed) model->notes = source.compressed->notes();
  model->identity.name = source.name;
  model->identity.path = source.path.string();
  model->identity.digest = model_digest(*model, source);
  model->identity.lineage = lineage_of(*model, source);
  model->identity.config_digest = config_digest(source);
  model->identity.architecture = std::string(model->architecture->id);
  model->load_seconds = std::chrono::duration<double>(context.clock.monotonic() - start).count();
  return model;
}

}  // namespace vauban
