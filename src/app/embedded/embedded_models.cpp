#include "app/embedded/embedded_models.h"

#include <algorithm>
#include <vector>

#include "app/embedded/cache.h"
#include "app/embedded/embedded_files.h"
#include "base/strings.h"
#include "format/model_names.h"
#include "format/safetensors.h"

namespace vauban {
namespace {

namespace fs = std::filesystem;

constexpr EmbeddedModel kModels[] = {
    {"garrison", "base", "",
     "the gatehouse clerk of a small star fort: answers, declines, asks back, says what it does not know"},
    {"garrison-finetuned", "finetuned", "", "the clerk after a fine-tune on benign dialogues only"},
    {"garrison+terse", "base", "terse", "the clerk with a LoRA adapter that makes it terse"},
};
constexpr std::string_view kSuites[] = {"garrison", "garrison-contrast"};
constexpr std::string_view kInterventions = "garrison-steered";

/// A file, or a folder that holds a model or an adapter: any other folder of that name is not meant.
bool is_there(std::string_view path) {
  std::error_code ignored;
  const fs::path named(path);
  return fs::is_regular_file(named, ignored) || fs::exists(named / "config.json", ignored) ||
         fs::exists(named / "adapter_config.json", ignored);
}

bool is_file(std::string_view path) {
  std::error_code ignored;
  return fs::is_regular_file(fs::path(path), ignored);
}

std::string_view folder_of(std::string_view name) {
  const auto found = std::ranges::find(kModels, name, &EmbeddedModel::name);
  return found == std::ranges::end(kModels) ? std::string_view() : found->folder;
}

/// The adapter's folder among the embedded files; empty where it is a path.
std::string_view adapter_of(std::string_view base, std::string_view adapter) {
  for (const EmbeddedModel& model : kModels)
    if (!model.adapter.empty() && model.name == format("{}+{}", base, adapter) && !is_there(adapter))
      return model.adapter;
  return {};
}

std::int64_t parameters_in(const EmbeddedFile& file) {
  std::int64_t parameters = 0;
  const auto contents = parse_safetensors(file.bytes);
  if (!contents) return 0;
  for (const TensorEntry& tensor : contents->tensors) parameters += tensor.view.shape.elements();
  return parameters;
}

}  // namespace

std::span<const EmbeddedModel> all_embedded_models() { return kModels; }

Json embedded_facts(const EmbeddedModel& model) {
  std::int64_t parameters = 0, bytes = 0;
  std::string_view digest;
  for (const EmbeddedFile& file : embedded_files()) {
    const std::string_view folder = file.path.substr(0, file.path.find('/'));
    if (folder != model.folder && folder != model.adapter) continue;
    bytes += static_cast<std::int64_t>(file.bytes.size());
    if (!file.path.ends_with(".safetensors")) continue;
    parameters += parameters_in(file);
    if (model.adapter.empty() || folder == model.adapter) digest = file.sha256;
  }
  return Json::object({{"id", model.name},
                       {"summary", format("{} ({} parameters, {} bytes, sha256 {})", model.summary, parameters, bytes,
                                          digest.substr(0, 12))},
                       {"parameters", parameters},
                       {"bytes", bytes},
                       {"digest", digest}});
}

Result<fs::path> unpack_embedded(std::string_view folder) {
  const std::string prefix = std::string(folder) + "/";
  std::vector<EmbeddedFile> files;
  std::ranges::copy_if(embedded_files(), std::back_inserter(files),
                       [&](const EmbeddedFile& file) { return file.path.starts_with(prefix); });
  if (files.empty()) return not_found("the program carries no '{}'", printable(folder));
  VB_TRY(const fs::path root, cached_files(format("garrison-{}", embedded_digest().substr(0, 12)), files));
  return root / folder;
}

Result<std::string> locate_model(const std::string& model) {
  const std::vector<std::string_view> pieces = split(model, '+');
  if (!names_embedded_model(model) || is_there(model) || is_there(pieces.front())) return model;
  VB_TRY(const fs::path base, unpack_embedded(folder_of(pieces.front())));
  std::string located = base.string();
  for (const std::string_view piece : std::span(pieces).subspan(1)) {
    std::string adapter(piece);
    if (const std::string_view embedded = adapter_of(pieces.front(), piece); !embedded.empty()) {
      VB_TRY(const fs::path folder, unpack_embedded(embedded));
      adapter = folder.string();
    }
    located += "+" + adapter;
  }
  return located;
}

bool names_embedded_suite(std::string_view suite) {
  return std::ranges::find(kSuites, suite) != std::ranges::end(kSuites);
}

bool names_embedded_interventions(std::string_view file) { return file == kInterventions; }

Result<std::string> locate_suite(const std::string& suite) {
  if (!names_embedded_suite(suite) || is_file(suite)) return suite;
  VB_TRY(const fs::path folder, unpack_embedded("suites"));
  return (folder / (suite + ".toml")).string();
}

Result<std::string> locate_interventions(const std::string& file) {
  if (!names_embedded_interventions(file) || is_file(file)) return file;
  VB_TRY(const fs::path folder, unpack_embedded("steered"));
  return (folder / "intervene.toml").string();
}

}  // namespace vauban
