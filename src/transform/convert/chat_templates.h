/// Chat templates, between the files of a folder and the keys of a GGUF.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "format/gguf_writer.h"
#include "format/model_source.h"

namespace vauban {

/// By name; the default one is "". Errors: corrupt for a `chat_template` that is neither text nor a list of named texts.
Result<std::map<std::string, std::string>> chat_templates_of(const ModelSource& source);

/// `tokenizer.chat_template`, and `tokenizer.chat_template.{name}` with the list of names in `tokenizer.chat_templates`.
Result<std::vector<GgufKey>> chat_templates_to_gguf(const ModelSource& source);

}  // namespace vauban
