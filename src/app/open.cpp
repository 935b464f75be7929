#include "app/open.h"

#include "app/embedded/embedded_models.h"
#include "app/token_id.h"
#include "backends/backends.h"
#include "base/files.h"
#include "base/strings.h"
#include "model/model.h"
#include "runtime/local/local_runtime.h"

namespace vauban {
namespace {

bool is_tokenizer_file(const std::filesystem::path& path) {
  return !std::filesystem::is_directory(path) && (path.extension() == ".json" || path.extension() == ".model" || path.extension() == ".tiktoken");
}

}  // namespace

Result<ModelSource> open_source(const std::string& model) {
  VB_TRY(const std::string located, locate_model(model));
  VB_TRY(ModelSource source, ModelSource::open_with_adapters(located));
  if (located != model) source.name.replace(0, source.name.find('+'), model, 0, model.find('+'));
  return source;
}

Result<ModelSource> open_single_source(const std::string& model) {
  VB_TRY(ModelSource source, open_source(model));
  if (!source.adapters.empty())
    return with_hint(unsupported("'{}': expected a model without adapters", model), "merge them first: `vauban merge-adapter`");
  return source;
}

Result<std::unique_ptr<Runtime>> open_runtime(const std::string& model, Session& session, const OpenOptions& options) {
  const CommonOptions& common = session.options();
  VB_TRY(const Numerics numerics, numerics_from(common.numerics));
  VB_TRY(const ModelSource source, open_source(model));
  const std::string& device = options.device.empty() ? common.device : options.device;
  VB_TRY(std::unique_ptr<Ops> ops, make_backend(options.backend.empty() ? common.backend : options.backend, session.context(),
                                                {.device = device, .numerics = common.numerics, .primitive = common.primitive}));
  VB_TRY(std::unique_ptr<Model> loaded, Model::load(source, *ops, session.context()));
  for (const std::string& line : loaded->notes) session.out().note("note: " + line);
  LocalOptions local{.numerics = numerics, .requested_device = device};
  if (common.memory > 0) local.kv_memory_bytes = common.memory;
  if (options.max_batch > 0) local.engine.max_batch = options.max_batch;
  VB_TRY(std::unique_ptr<LocalRuntime> runtime, LocalRuntime::make(std::move(loaded), std::move(ops), session.context(), local));
  return std::unique_ptr<Runtime>(std::move(runtime));
}

Result<std::shared_ptr<const Tokenizer>> open_tokenizer(const std::string& model) {
  if (is_tokenizer_file(model)) return load_tokenizer_file(model);
  VB_TRY(const ModelSource source, open_source(model));
  VB_TRY(auto tokenizer, load_tokenizer(source));
  if (!tokenizer)
    return with_hint(unsupported("'{}' carries no tokenizer", model), "give token ids with --ids, or a tokenizer.json beside the model");
  return tokenizer;
}

Result<ChatFormat> open_chat_format(const std::string& model, const std::string& template_file) {
  ChatFormat made;
  if (!model.empty()) {
    VB_TRY(const ModelSource source, open_source(model));
    VB_TRY(made.tokenizer, load_tokenizer(source));
    if (template_file.empty()) {
      VB_TRY(made.chat_template, load_chat_template(source));
    }
  }
  if (!template_file.empty()) {
    VB_TRY(std::string text, read_file(template_file, std::size_t{1} << 22));
    VB_TRY(made.chat_template, ChatTemplate::parse(std::move(text)), "in {}", template_file);
  }
  if (!made.chat_template)
    return with_hint(unsupported("'{}' carries no chat template", model), "give one with --template, or put a chat_template.jinja beside the model");
  if (made.tokenizer) {
    made.bos = special_text(made.tokenizer.get(), made.tokenizer->bos());
    made.eos = special_text(made.tokenizer.get(), made.tokenizer->eos());
  }
  return made;
}

std::function<Result<std::string>(const Json& messages)> chat_renderer(std::string model, const Clock& clock) {
  const auto opened = std::make_shared<std::optional<Result<ChatFormat>>>();
  return [=, model = std::move(model), &clock](const Json& messages) -> Result<std::string> {
    if (!*opened) *opened = open_chat_format(model);
    VB_TRY(const ChatFormat chat, **opened);
    return chat.chat_template->render(chat_variables(messages, true, chat.bos, chat.eos), {.now = clock.utc()});
  };
}

Result<std::vector<std::int32_t>> parse_ids(std::string_view text) {
  std::vector<std::int32_t> ids;
  if (trim(text).empty()) return ids;
  for (const std::string_view item : split(text, ',')) {
    VB_TRY(const std::int64_t number, parse_int(trim(item)), "in --ids");
    VB_TRY(const std::int32_t id, token_id(number), "in --ids");
    ids.push_back(id);
  }
  return ids;
}

}  // namespace vauban
