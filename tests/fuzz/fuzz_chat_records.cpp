// Bytes as a JSONL file of conversations. What is accepted must be a well-formed example, and the texts of its targets must
// stand in the rendered text.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "data/records/raw_records.h"
#include "data/records/record.h"
#include "data/tokenize.h"
#include "support/tiny_tokenizer.h"
#include "text/chat_template.h"
#include "text/tokenizer.h"

namespace {

using vauban::Json;

struct Model {
  std::shared_ptr<const vauban::Tokenizer> tokenizer =
      vauban::load_tokenizer_json(*vauban::test::tiny_tokenizer_json().dump()).value();
  std::shared_ptr<const vauban::ChatTemplate> conversation =
      vauban::ChatTemplate::parse(
          "{{ bos_token }}{% for m in messages %}[{{ m.role }}]{{ m.content }}{% for call in m.tool_calls %}"
          "{{ call.function.name }}{{ call.function.arguments | tojson }}{% endfor %}</s>{% endfor %}"
          "{% if add_generation_prompt %}[assistant]{% endif %}")
          .value();
};

void check_spans(const vauban::TrainingText& text) {
  std::size_t end = 0;
  for (const vauban::TextSpan& span : text.targets) {
    if (span.begin < end || span.end < span.begin || span.end > text.text.size()) std::abort();
    end = span.end;
  }
}

void check_example(const vauban::Example& example, std::size_t limit) {
  if (example.ids.size() != example.is_target.size() || example.ids.size() < 2 || example.ids.size() > limit) std::abort();
  if (example.is_target[0] || std::ranges::find(example.is_target, 1) == example.is_target.end()) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const Model model;
  const vauban::RecordContext context{.chat_template = model.conversation.get(), .bos = "<s>", .eos = "</s>"};
  for (const vauban::RawRecord& raw : vauban::json_lines({reinterpret_cast<const char*>(data), size})) {
    const auto record = Json::parse(raw.text);
    if (!record) continue;
    const auto format = vauban::detect_format(*record, context);
    if (!format) continue;
    const auto text = (*format)->read(*record, context);
    if (!text) continue;
    check_spans(*text);
    const auto tokenized = vauban::tokenize(*text, *model.tokenizer, {.max_length = 64, .append_eos = false});
    if (!tokenized) continue;
    for (const vauban::Example& example : tokenized->examples) check_example(example, 64);
  }
  return 0;
}
