#include "format/model_source.h"

#include <algorithm>
#include <vector>

#include "base/json_file.h"
#include "base/strings.h"
#include "format/gguf.h"
#include "format/safetensors.h"

namespace vauban {

namespace fs = std::filesystem;

namespace {

constexpr std::size_t kMaxJsonBytes = std::size_t{16} << 20;  // tokenizer_config.json of a big model has about 1 MB
constexpr const char* kSingleFile = "model.safetensors";
constexpr const char* kIndexFile = "model.safetensors.index.json";

bool is_file(const fs::path& path) {
  std::error_code ignored;
  return fs::is_regular_file(path, ignored);
}

std::optional<fs::path> if_present(const fs::path& path) { return is_file(path) ? std::optional(path) : std::nullopt; }

/// Null when the file is absent.
Result<Json> read_object(const fs::path& path) {
  if (!is_file(path)) return Json();
  VB_TRY(Json value, read_json_file(path, kMaxJsonBytes));
  if (!value.is_object()) return corrupt("{}: expected a JSON object, found {}", path.string(), value.type_name());
  return value;
}

/// Names in `folder` with this extension, sorted.
std::vector<std::string> names_with_extension(const fs::path& folder, std::string_view extension) {
  std::vector<std::string> names;
  std::error_code failed;
  for (fs::directory_iterator at(folder, failed), end; !failed && at != end; at.increment(failed))
    if (at->path().extension() == extension) names.push_back(at->path().filename().string());
  std::sort(names.begin(), names.end());
  return names;
}

/// What a folder that lacks its weights or configuration offers instead.
std::string hint_for(const fs::path& folder) {
  if (const auto names = names_with_extension(folder, ".gguf"); !names.empty())
    return format("name the GGUF file itself: {}", (folder / names.front()).string());
  if (const auto names = names_with_extension(folder, ".bin"); !names.empty())
    return format("{} is a pickle, which is not read: convert it to safetensors", names.front());
  if (const auto names = names_with_extension(folder, ".safetensors"); !names.empty())
    return format("the folder holds {}: name it as the model, or rename it to {}", join(names, ", "), kSingleFile);
  return "a model folder holds config.json and model.safetensors (or its index and shards)";
}

/// config.json and what lies beside it.
Result<void> read_folder(ModelSource& source, const fs::path& folder) {
  VB_TRY(source.config, read_object(folder / "config.json"));
  if (source.config.is_null())
    return with_hint(not_found("{} is missing", (folder / "config.json").string()), hint_for(folder));
  VB_TRY(source.generation_config, read_object(folder / "generation_config.json"));
  VB_TRY(source.tokenizer_config, read_object(folder / "tokenizer_config.json"));
  VB_TRY(source.special_tokens_map, read_object(folder / "special_tokens_map.json"));
  source.tokenizer_json = if_present(folder / "tokenizer.json");
  source.tokenizer_model = if_present(folder / "tokenizer.model");
  source.chat_template = if_present(folder / "chat_template.jinja");
  return ok();
}

Result<std::shared_ptr<const ModelFile>> open_weights(const fs::path& folder) {
  if (is_file(folder / kSingleFile)) return open_safetensors(folder / kSingleFile);
  if (is_file(folder / kIndexFile)) return open_safetensors_index(folder / kIndexFile);
  return with_hint(not_found("{} holds neither {} nor {}", folder.string(), kSingleFile, kIndexFile), hint_for(folder));
}

std::string place_of_quantization(const ModelSource& source) { return format("quantization_config of {}", source.path.string()); }

/// An unknown scheme leaves the source without compressed weights: it can still be looked into.
Result<void> open_compressed(ModelSource& source, const fs::path& folder) {
  for (const char* key : {"compression_config", "quantization_config"})
    if (const Json* value = source.config.find(key); value && !value->is_null()) source.quantization = *value;
  if (source.quantization.is_null()) {
    VB_TRY(source.quantization, read_object(folder / "quantize_config.json"));
  }
  auto compressed = CompressedWeights::open(source.file, source.quantization, place_of_quantization(source));
  if (!compressed && compressed.error().code != ErrorCode::unsupported) return std::move(compressed).error();
  if (compressed) source.compressed = *std::move(compressed);
  return ok();
}

Result<void> open_folder(ModelSource& source, const fs::path& folder) {
  VB_CHECK(read_folder(source, folder));
  VB_TRY(source.file, open_weights(folder));
  return open_compressed(source, folder);
}

/// A single file; a shard alone would be a model with most of its tensors missing.
Result<void> open_safetensors_file(ModelSource& source, const fs::path& path) {
  const fs::path folder = path.has_parent_path() ? path.parent_path() : fs::path(".");
  VB_CHECK(read_folder(source, folder));
  if (is_file(folder / kIndexFile)) {
    VB_TRY(const std::string text, read_file(folder / kIndexFile, kMaxJsonBytes * 4));
    VB_TRY(const SafetensorsIndex index, parse_safetensors_index(text), "in {}", (folder / kIndexFile).string());
    for (const auto& [tensor, shard] : index.weight_map)
      if (shard == path.filename().string())
        return with_hint(invalid_input("{} is one shard of a model", path.string()),
                         format("name the folder: {}", folder.string()));
  }
  VB_TRY(source.file, open_safetensors(path));
  return open_compressed(source, folder);
}

/// Takes from `rest` the longest piece, up to one of its '+' or its end, that exists; the first piece where none does.
std::string take_path(std::string_view& rest) {
  std::error_code ignored;
  for (std::size_t end = rest.size(); end != std::string_view::npos && end > 0; end = rest.rfind('+', end - 1)) {
    if (!fs::exists(fs::path(rest.substr(0, end)), ignored)) continue;
    const std::string piece(rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
    return piece;
  }
  const std::size_t plus = std::min(rest.find('+'), rest.size());
  const std::string piece(rest.substr(0, plus));
  rest.remove_prefix(std::min(plus + 1, rest.size()));
  return piece;
}

std::string last_component(const fs::path& path) {
  std::error_code failed;
  const fs::path absolute = fs::weakly_canonical(path, failed);
  fs::path last = failed ? path.filename() : absolute.filename();
  // A link is known by its own name, not by that of its target.
  if (!path.filename().empty() && path.filename() != "." && path.filename() != "..") last = path.filename();
  return last.string();
}

}  // namespace

Result<void> ModelSource::check_quantization() const {
  const Json* stated = config.find("quantization_config");
  const bool quantised = !quantization.is_null() || (stated && !stated->is_null());
  if (compressed || !quantised) return ok();
  VB_CHECK(CompressedWeights::open(file, quantization.is_null() ? *stated : quantization, place_of_quantization(*this)));
  return unsupported("{}: a model without weights cannot be a quantised one", place_of_quantization(*this));
}

Result<void> ModelSource::refuse_compressed(std::string_view purpose) const {
  VB_CHECK(check_quantization());
  if (!compressed || compressed->size() == 0) return ok();
  return with_hint(unsupported("{}: {} is not built for compressed weights ({})", path.string(), purpose, compressed->summary()),
                   "use the model that was quantised");
}

Result<ModelSource> ModelSource::open(const fs::path& path) {
  std::error_code failed;
  const fs::file_status status = fs::status(path, failed);
  if (!fs::exists(status))
    return with_hint(not_found("no model at '{}'", path.string()), "a folder, a .gguf or a .safetensors file");
  ModelSource source;
  source.path = path;
  source.name = last_component(path);
  if (fs::is_directory(status)) {
    VB_CHECK(open_folder(source, path));
    return source;
  }
  if (!fs::is_regular_file(status)) return invalid_input("'{}' is neither a file nor a folder", path.string());
  source.name = path.stem().string();
  if (path.extension() == ".gguf") {
    VB_TRY(source.file, open_gguf(path));
    return source;
  }
  if (path.extension() == ".safetensors") {
    VB_CHECK(open_safetensors_file(source, path));
    return source;
  }
  return unsupported("'{}': expected a folder, a .gguf or a .safetensors file", path.string());
}

Result<ModelSource> ModelSource::open_with_adapters(std::string_view argument) {
  std::string_view rest = argument;
  const std::string base = take_path(rest);
  VB_TRY(ModelSource source, open(base));
  if (rest.empty() && argument.size() > base.size())
    return invalid_input("'{}': expected an adapter folder behind the '+'", argument);
  while (!rest.empty()) {
    const std::string folder = take_path(rest);
    // A file has no adapter name; the second adapter of a model needs one to be told apart.
    const std::size_t number = source.adapters.size();
    VB_TRY(auto adapter, Adapter::open(folder, number == 0 ? "default" : format("adapter_{}", number)),
           "while opening adapter {}", folder);
    source.name += "+" + last_component(folder);
    source.adapters.push_back(std::move(adapter));
  }
  return source;
}

}  // namespace vauban
