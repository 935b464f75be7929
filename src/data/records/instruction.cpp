// {"instruction", "response", "system"?, "input"?}: one turn, written by the model's own template.
#include "data/records/record.h"

namespace vauban {
namespace {

Json message(std::string_view role, std::string_view content) {
  return Json::object({{"role", role}, {"content", content}});
}

/// `input` is what the instruction is about: it follows in the user's turn after an empty line.
Result<TrainingText> read_instruction(const Json& record, const RecordContext& context) {
  VB_TRY(std::string user, text_column(record, context, "instruction"));
  VB_TRY(const std::string response, text_column(record, context, "response"));
  VB_TRY(const std::string system, optional_text_column(record, context, "system"));
  VB_TRY(const std::string input, optional_text_column(record, context, "input"));
  if (!input.empty()) user += "\n\n" + input;
  Json messages = Json::array();
  if (!system.empty()) messages.push_back(message("system", system));
  messages.push_back(message("user", user));
  messages.push_back(message("assistant", response));
  return render_conversation(messages, nullptr, context);
}

}  // namespace

RecordFormat instruction_format() {
  return {.name = "instruction",
          .help = "instruction, response and perhaps system and input, by the chat template; the loss covers the response",
          .required = {"instruction", "response"},
          .optional = {"system", "input"},
          .whole_text = false,
          .read = read_instruction};
}

}  // namespace vauban
