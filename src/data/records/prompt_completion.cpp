// {"prompt", "completion"}: texts as they are, one after the other; the loss covers the completion.
#include "data/records/record.h"

namespace vauban {
namespace {

/// Encoded as one text. A token that holds the end of the prompt and the beginning of the completion is a target.
Result<TrainingText> read_prompt_completion(const Json& record, const RecordContext& context) {
  VB_TRY(std::string text, text_column(record, context, "prompt"));
  VB_TRY(const std::string completion, text_column(record, context, "completion"));
  const std::size_t begin = text.size();
  text += completion;
  return TrainingText{.text = text, .targets = {{begin, text.size()}}};
}

}  // namespace

RecordFormat prompt_completion_format() {
  return {.name = "prompt_completion",
          .help = "prompt and completion, joined as they are; the loss covers the completion",
          .required = {"prompt", "completion"},
          .optional = {},
          .whole_text = false,
          .read = read_prompt_completion};
}

}  // namespace vauban
