#include "app/open.h"

#include "backends/backends.h"
#include "base/strings.h"
#include "model/model.h"
#include "runtime/local/local_runtime.h"

namespace vauban {
namespace {

bool is_tokenizer_file(const std::filesystem::path& path) {
  return !std::filesystem::is_directory(path) && (path.extension() == ".json" || path.extension() == ".model" || path.extension() == ".tiktoken");
}

}  // namespace

Result<std::unique_ptr<Runtime>> open_runtime(const std::string& model, Session& session, const OpenOptions& options) {
  const CommonOptions& common = session.options();
  VB_TRY(const Numerics numerics, numerics_from(common.numerics));
  VB_TRY(const ModelSource source, ModelSource::open(model));
  VB_TRY(std::unique_ptr<Ops> ops, make_backend(options.backend.empty() ? common.backend : options.backend, session.context(),
                                                options.device.empty() ? common.device : options.device));
  VB_TRY(std::unique_ptr<Model> loaded, Model::load(source, *ops, session.context()));
  LocalOptions local{.numerics = numerics};
  if (common.memory > 0) local.kv_memory_bytes = common.memory;
  if (options.max_batch > 0) local.engine.max_batch = options.max_batch;
  VB_TRY(std::unique_ptr<LocalRuntime> runtime, LocalRuntime::make(std::move(loaded), std::move(ops), session.context(), local));
  return std::unique_ptr<Runtime>(std::move(runtime));
}

Result<std::shared_ptr<const Tokenizer>> open_tokenizer(const std::string& model) {
  if (is_tokenizer_file(model)) return load_tokenizer_file(model);
  VB_TRY(const ModelSource source, ModelSource::open(model));
  VB_TRY(auto tokenizer, load_tokenizer(source));
  if (!tokenizer)
    return with_hint(unsupported("'{}' carries no tokenizer", model), "give token ids with --ids, or a tokenizer.json beside the model");
  return tokenizer;
}

Result<std::vector<std::int32_t>> parse_ids(std::string_view text) {
  std::vector<std::int32_t> ids;
  if (trim(text).empty()) return ids;
  for (const std::string_view item : split(text, ',')) {
    VB_TRY(const std::int64_t id, parse_int(trim(item)), "in --ids");
    if (id < 0 || id > INT32_MAX) return invalid_input("--ids: {} is no token id", id);
    ids.push_back(static_cast<std::int32_t>(id));
  }
  return ids;
}

}  // namespace vauban
