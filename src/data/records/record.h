/// TrainingText: one record of a data file as text, with the bytes that the loss covers; and what reads it.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "text/chat_template.h"

namespace vauban {

struct TrainingText {
  std::string text;
  std::vector<TextSpan> targets;  ///< in order, not overlapping
  /// Written by a chat template, so it holds every special token itself: nothing is put around it.
  bool rendered = false;
};

/// What the readers need beside the record. `chat_template` may be nullptr: formats that need one then refuse.
struct RecordContext {
  const ChatTemplate* chat_template = nullptr;
  std::string bos, eos;     ///< the texts of the tokenizer's own tokens; "" when it has none
  Json template_variables;  ///< an object (or null) of further variables of the template
  RenderOptions render;
  /// Names in the file where they differ from the format's own: {"text": "story"}.
  std::map<std::string, std::string> columns;
};

/// What `key` is called in the file.
std::string_view column_name(const RecordContext& context, std::string_view key);
/// The member that stands for `key`; nullptr when absent or null.
const Json* find_column(const Json& record, const RecordContext& context, std::string_view key);
/// Errors: invalid_input, naming the key, what was expected and what was found.
Result<std::string> text_column(const Json& record, const RecordContext& context, std::string_view key);
/// The same where the key may be absent: then "".
Result<std::string> optional_text_column(const Json& record, const RecordContext& context, std::string_view key);

/// A kind of JSON record, one line of a JSONL file.
struct RecordFormat {
  std::string_view name;
  std::string_view help;
  std::vector<std::string_view> required, optional;  ///< keys; others are not read (the data set reports them)
  bool whole_text;                                   ///< every token is a target, so it may be split into blocks
  Result<TrainingText> (*read)(const Json& record, const RecordContext& context);
};

/// One file each: chat.cpp, prompt_completion.cpp, instruction.cpp, text.cpp. To add one, write its file and its line in
/// record_formats().
RecordFormat chat_format();
RecordFormat prompt_completion_format();
RecordFormat instruction_format();
RecordFormat text_format();
const std::vector<RecordFormat>& record_formats();

/// The format whose required keys `record` has. Errors: invalid_input when none or several fit, with the keys found.
Result<const RecordFormat*> detect_format(const Json& record, const RecordContext& context);
/// Errors: invalid_input when `record` is no object or lacks a required key.
Result<void> check_keys(const Json& record, const RecordFormat& format, const RecordContext& context);
/// Keys of the record that the format does not read.
std::vector<std::string> unused_keys(const Json& record, const RecordFormat& format, const RecordContext& context);

/// A conversation by the model's template, with the assistant's turns as targets. Errors: invalid_input without a
/// template, for malformed messages, or when no message is the assistant's; else those of render_for_training.
Result<TrainingText> render_conversation(const Json& messages, const Json* tools, const RecordContext& context);

}  // namespace vauban
