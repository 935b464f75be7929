/// Opening what a MODEL argument names, with the options of a command.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "app/session.h"
#include "format/model_source.h"
#include "text/chat_template.h"
#include "text/tokenizer.h"
#include "vauban/runtime.h"

namespace vauban {

struct OpenOptions {
  std::string backend, device;  ///< empty: the session's
  int max_batch = 0;            ///< sequences in flight; 0: the runtime's default
};

/// Errors: those of the files, the architecture and the backend; unsupported for numerics the backend does not have yet.
Result<std::unique_ptr<Runtime>> open_runtime(const std::string& model, Session& session, const OpenOptions& options = {});

/// What a MODEL argument names: a folder, a .gguf, an embedded model (`vauban list models`), any of them with +ADAPTER.
Result<ModelSource> open_source(const std::string& model);
/// For what works on one file of weights. Errors: the same; unsupported for a model with adapters.
Result<ModelSource> open_single_source(const std::string& model);

/// A model folder, a .gguf, or a bare tokenizer file. Errors: unsupported when the model carries no tokenizer.
Result<std::shared_ptr<const Tokenizer>> open_tokenizer(const std::string& model);

/// A model's chat template with what its variables need.
struct ChatFormat {
  std::shared_ptr<const ChatTemplate> chat_template;
  std::shared_ptr<const Tokenizer> tokenizer;  ///< null where the model has none
  std::string bos, eos;
};
/// A model folder or a .gguf; `template_file` takes the place of the model's own template where it is not empty.
/// Errors: unsupported when there is none.
Result<ChatFormat> open_chat_format(const std::string& model, const std::string& template_file = {});

/// Messages ([{role, content}]) as the text that `model` is given for them, with the start of its answer. The model's
/// template is opened at the first call.
std::function<Result<std::string>(const Json& messages)> chat_renderer(std::string model, const Clock& clock);

/// "1,2,3". Errors: invalid_input naming the item.
Result<std::vector<std::int32_t>> parse_ids(std::string_view text);

}  // namespace vauban
