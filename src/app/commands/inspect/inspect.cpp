/// vauban inspect MODEL: what is in a model file, without running it.

#include <algorithm>

#include "app/command.h"
#include "app/inspect/model_facts.h"
#include "app/open.h"
#include "app/shown_text.h"
#include "format/model_source.h"
#include "model/decoder/description.h"
#include "model/model.h"

namespace vauban {
namespace {

struct InspectConfig {
  std::string model;
  bool digests = true;
  CommonOptions common;
};

void fields(InspectConfig& c, FieldVisitor& f) {
  f("model", c.model, {.help = "model folder or .gguf", .required = true, .positional = true, .file = true});
  f("digests", c.digests, {.help = "SHA-256 of every tensor and file"});
  fields(c.common, f);
}

/// "q8_0 x 14, f32 x 5"
Json types_of(const ModelFile& file) {
  Json counts = Json::object();
  for (const TensorEntry& tensor : file.tensors()) {
    Json& count = counts[to_string(tensor.view.dtype)];
    count = Json(count.as_int() + 1);
  }
  return counts;
}

Json bytes_by_type(const ModelFile& file) {
  Json bytes = Json::object();
  for (const TensorEntry& tensor : file.tensors()) {
    Json& sum = bytes[to_string(tensor.view.dtype)];
    sum = Json(sum.as_int() + static_cast<std::int64_t>(tensor.view.bytes.size()));
  }
  return bytes;
}

Json tensors_of(const ModelFile& file, bool digests) {
  Json list = Json::array();
  for (const TensorEntry& tensor : file.tensors()) {
    Json row = Json::object({{"name", tensor.name},
                             {"dtype", to_string(tensor.view.dtype)},
                             {"shape", Json(std::vector<std::int64_t>(tensor.view.shape.dims().begin(), tensor.view.shape.dims().end()))},
                             {"bytes", tensor.view.bytes.size()},
                             {"file", tensor.file}});
    if (digests) row["digest"] = file.tensor_digest(tensor);
    list.push_back(std::move(row));
  }
  return list;
}

Json config_of(const ModelConfig& c) {
  return Json::object({{"vocab_size", c.vocab_size}, {"width", c.width}, {"mlp_width", c.mlp_width}, {"layers", c.layers},
                       {"heads", c.heads}, {"kv_heads", c.kv_heads}, {"head_dim", c.head_dim},
                       {"context_length", c.context_length}, {"norm_epsilon", c.norm_epsilon}, {"rope_theta", c.rope_theta},
                       {"tied_head", c.tied_head}, {"eos_ids", Json(c.eos_ids)}, {"bos_id", c.bos_id}});
}

Json adapters_of(const ModelSource& source) {
  Json list = Json::array();
  for (const auto& adapter : source.adapters) {
    const AdapterConfig& config = adapter->config();
    std::int64_t parameters = 0;
    for (const AdapterTensor& tensor : adapter->tensors()) parameters += tensor.view.shape.elements();
    list.push_back(Json::object({{"path", adapter->path().string()}, {"digest", adapter->digest()},
                                 {"rank", config.rank}, {"alpha", config.alpha}, {"rslora", config.use_rslora},
                                 {"targets", config.target_modules.pattern.empty() ? Json(config.target_modules.names) : Json(config.target_modules.pattern)},
                                 {"base_model", config.base_model}, {"parameters", parameters},
                                 {"tensors", adapter->tensors().size()}}));
  }
  return list;
}

/// Null without one; a template that cannot be read is named as the reason.
Json chat_template_of(const ModelSource& source) {
  const auto found = load_chat_template(source);
  if (!found) return Json::object({{"error", describe(found.error())}});
  if (!*found) return {};
  return Json::object({{"bytes", (*found)->source().size()}, {"digest", (*found)->digest()}});
}

/// Null for a folder that is not quantised; a scheme that is not known here is named as the reason.
Json quantization_of(const ModelSource& source) {
  if (const auto known = source.check_quantization(); !known) return Json::object({{"error", describe(known.error())}});
  if (!source.compressed) return {};
  return Json::object({{"scheme", source.compressed->summary()}, {"matrices", source.compressed->size()},
                       {"notes", Json(source.compressed->notes())}});
}

Json tokenizer_of(const ModelSource& source) {
  const auto tokenizer = load_tokenizer(source);
  if (!tokenizer) return Json::object({{"error", describe(tokenizer.error())}});
  if (!*tokenizer) return Json();
  const auto id = [](const std::optional<std::int32_t>& token) { return token ? Json(*token) : Json(); };
  return Json::object({{"kind", (*tokenizer)->kind()}, {"vocab_size", (*tokenizer)->vocab_size()}, {"digest", (*tokenizer)->digest()},
                       {"bos_id", id((*tokenizer)->bos())}, {"eos_id", id((*tokenizer)->eos())}});
}

Json rope_of(const ModelConfig& config) {
  Json out = Json::array();
  for (const RopeSpec& rope : config.decoder.ropes) out.push_back(rope_json(rope));
  return out;
}

Result<Json> describe_model(const InspectConfig& config) {
  VB_TRY(const ModelSource source, open_source(config.model));
  std::int64_t parameters = 0, bytes = 0;
  for (const TensorEntry& tensor : source.file->tensors()) {
    parameters += tensor.view.shape.elements();
    bytes += static_cast<std::int64_t>(tensor.view.bytes.size());
  }
  Json answer = Json::object({{"name", source.name}, {"container", to_string(source.file->container())},
                              {"parameters", parameters}, {"bytes", bytes},
                              {"bits_per_weight", parameters ? 8.0 * static_cast<double>(bytes) / static_cast<double>(parameters) : 0.0},
                              {"tensors", tensors_of(*source.file, config.digests)}, {"types", types_of(*source.file)},
                              {"digest", config.digests ? Json(source.file->digest()) : Json()},
                              {"tokenizer", tokenizer_of(source)}, {"adapters", adapters_of(source)}, {"architecture", Json()}, {"layers", Json()},
                              {"config", Json()}, {"metadata", source.is_gguf() ? Json() : source.file->metadata()}});
  answer["quantization"] = quantization_of(source);
  answer["bytes_by_type"] = bytes_by_type(*source.file);
  answer["chat_template"] = chat_template_of(source);
  for (const char* key : {"parameters_active", "context_length", "rope", "layer_kinds", "kv_cache"}) answer[key] = Json();
  Json files = Json::array();
  for (std::size_t i = 0; i < source.file->files().size(); ++i)
    files.push_back(Json::object({{"path", source.file->files()[i]->path().string()},
                                  {"bytes", source.file->files()[i]->bytes().size()},
                                  {"digest", config.digests ? Json(source.file->file_digest(i)) : Json()}}));
  answer["files"] = std::move(files);
  // A file of an architecture that we cannot run can still be looked into: the reason stands in its place.
  const auto architecture = find_architecture(source);
  if (!architecture) {
    answer["architecture_error"] = describe(architecture.error());
    return answer;
  }
  answer["architecture"] = (*architecture)->id;
  const auto parsed = (*architecture)->read_config(source);
  if (!parsed) {
    answer["architecture_error"] = describe(parsed.error());
    return answer;
  }
  if (source.compressed) {  // words and scales were counted above
    parameters = 0;
    for (const TensorSpec& spec : (*architecture)->tensors(*parsed)) parameters += spec.shape.elements();
    answer["parameters"] = parameters;
    answer["bits_per_weight"] = 8.0 * static_cast<double>(bytes) / static_cast<double>(std::max<std::int64_t>(parameters, 1));
  }
  answer["layers"] = parsed->layers;
  answer["parameters_active"] = parameters - idle_parameters(*parsed);
  answer["context_length"] = parsed->context_length;
  answer["rope"] = rope_of(*parsed);
  answer["layer_kinds"] = layer_kinds(*parsed);
  answer["kv_cache"] = cache_facts(*parsed);
  answer["config"] = config_of(*parsed);
  return answer;
}

/// A value as one line for a terminal.
std::string one_line(const Json& value) {
  if (value.is_null()) return "-";
  return shown(value.is_string() ? value.as_string() : value.dump().value_or("?"), 2000);
}

std::string layers_text(const Json& kinds) {
  std::string out;
  for (const Json& kind : kinds.items()) {
    const Json& feed = *kind.find("feed");
    out += format("{:<20}{} x {}{}{}\n", out.empty() ? "layer_kinds" : "", kind.find("count")->as_int(), kind.find("mixer")->find("title")->as_string(),
                  feed.is_null() ? "" : ", " + feed.find("title")->as_string(), format(" ({})", shown(kind.find("layers")->as_string(), 120)));
  }
  return out;
}

std::string cache_text(const Json& cache) {
  const auto number = [&](const char* key) { return cache.find(key)->as_int(); };
  const auto f16 = [&](const char* key) { return cache.find(key)->find("f16")->as_int(); };
  std::string out = format("{:<20}{} bytes per token as f16, {} at the whole context", "kv_cache", with_commas(f16("bytes_per_token")),
                           with_commas(f16("bytes_at_context")));
  if (number("state_values") > 0) out += format("; a state of {} values per sequence", with_commas(number("state_values")));
  return out + "\n";
}

std::string plain(const Json& answer) {
  std::string out;
  const auto line = [&](const char* key) {
    const Json* value = answer.find(key);
    if (!value) return;
    out += format("{:<20}{}\n", key, value->is_integer() ? with_commas(value->as_int()) : one_line(*value));
  };
  for (const char* key : {"name", "container", "architecture", "architecture_error", "layers", "parameters"}) line(key);
  if (const Json* active = answer.find("parameters_active"); active->is_integer() && *active != *answer.find("parameters")) line("parameters_active");
  for (const char* key : {"bytes", "bits_per_weight", "types", "bytes_by_type", "quantization", "context_length", "rope"}) line(key);
  out += layers_text(*answer.find("layer_kinds"));
  if (const Json* cache = answer.find("kv_cache"); cache->is_object()) out += cache_text(*cache);
  for (const char* key : {"digest", "tokenizer", "chat_template", "adapters", "config"}) line(key);
  out += "tensors\n";
  for (const Json& tensor : answer.find("tensors")->items())
    out += format("  {:<56}{:<8}{:<18}{:>14}\n", shown(tensor.find("name")->as_string()), tensor.find("dtype")->as_string(),
                  tensor.find("shape")->dump().value_or(""), tensor.find("bytes")->as_int());
  return out;
}

Result<int> run_inspect(const InspectConfig& config, Session& session) {
  VB_TRY(const Json answer, describe_model(config));
  if (session.out().json()) {
    VB_CHECK(session.out().print_json(answer));
  } else {
    session.out().text(plain(answer));
  }
  return 0;
}

}  // namespace

Command inspect_command() {
  return make_command<InspectConfig>(
      {"inspect", "what is in a model file: architecture, layers, cache, tensors, types, digests",
       "`parameters` are the elements of the file's tensors (of a quantised folder: those that its packed words stand for); `parameters_active` "
       "without the experts that one token is not sent to. `kv_cache` counts keys and values of all layers; at the whole context layers with a "
       "window count that alone. Nothing is run. See also: `vauban flow`, `tree`, `tensors`, `hex`.\n\n"
       "Examples:\n\n"
       "  vauban inspect MODEL\n\n"
       "  vauban inspect BASE+ADAPTER --no-digests --json"},
      run_inspect);
}

}  // namespace vauban
