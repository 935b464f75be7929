/// vauban inspect MODEL: what is in a model file, without running it.

#include <algorithm>

#include "app/command.h"
#include "app/open.h"
#include "format/model_source.h"
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
  for (const auto& adapter : source.adapters)
    list.push_back(Json::object({{"path", adapter->path().string()}, {"digest", adapter->digest()},
                                 {"rank", adapter->config().rank}, {"alpha", adapter->config().alpha},
                                 {"tensors", adapter->tensors().size()}}));
  return list;
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
  return Json::object({{"kind", (*tokenizer)->kind()}, {"vocab_size", (*tokenizer)->vocab_size()}, {"digest", (*tokenizer)->digest()}});
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
  answer["config"] = config_of(*parsed);
  return answer;
}

std::string plain(const Json& answer) {
  const auto text = [&](std::string_view key) {
    const Json* value = answer.find(key);
    return !value || value->is_null() ? std::string("-") : value->is_string() ? value->as_string() : value->dump().value_or("?");
  };
  std::string out;
  for (const char* key : {"name", "container", "architecture", "architecture_error", "layers", "parameters", "bytes",
                          "bits_per_weight", "types", "quantization", "digest", "tokenizer", "config"})
    if (answer.find(key)) out += format("{:<20}{}\n", key, text(key));
  out += "tensors\n";
  for (const Json& tensor : answer.find("tensors")->items())
    out += format("  {:<56}{:<8}{:<18}{:>14}\n", tensor.find("name")->as_string(), tensor.find("dtype")->as_string(),
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
  return make_command<InspectConfig>({"inspect", "what is in a model file: architecture, tensors, types, digests", ""}, run_inspect);
}

}  // namespace vauban
