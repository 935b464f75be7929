// {"text"}: a document; the loss covers all of it.
#include "data/records/record.h"

namespace vauban {
namespace {

Result<TrainingText> read_text(const Json& record, const RecordContext& context) {
  VB_TRY(std::string text, text_column(record, context, "text"));
  const std::size_t size = text.size();
  return TrainingText{.text = std::move(text), .targets = {{0, size}}};
}

}  // namespace

RecordFormat text_format() {
  return {.name = "text",
          .help = "documents; the loss covers every token",
          .required = {"text"},
          .optional = {},
          .whole_text = true,
          .read = read_text};
}

}  // namespace vauban
