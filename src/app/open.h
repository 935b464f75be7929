/// Opening what a MODEL argument names, with the options of a command.
#pragma once

#include <memory>
#include <string>

#include "app/session.h"
#include "format/model_source.h"
#include "text/tokenizer.h"
#include "vauban/runtime.h"

namespace vauban {

struct OpenOptions {
  std::string backend, device;  ///< empty: the session's
  int max_batch = 0;            ///< sequences in flight; 0: the runtime's default
};

/// Errors: those of the files, the architecture and the backend; unsupported for numerics the backend does not have yet.
Result<std::unique_ptr<Runtime>> open_runtime(const std::string& model, Session& session, const OpenOptions& options = {});

/// A model folder, a .gguf, or a bare tokenizer file. Errors: unsupported when the model carries no tokenizer.
Result<std::shared_ptr<const Tokenizer>> open_tokenizer(const std::string& model);

/// "1,2,3". Errors: invalid_input naming the item.
Result<std::vector<std::int32_t>> parse_ids(std::string_view text);

}  // namespace vauban
