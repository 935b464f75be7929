// BertNormalizer: cleaning, spaces around Chinese characters, accents off, lower case, each of them optional.
#include "text/fields.h"
#include "text/normalizers/mapping.h"
#include "text/normalizers/normalizer.h"

namespace vauban {
namespace {

bool is_bert_control(char32_t c) {
  if (c == U'\t' || c == U'\n' || c == U'\r') return false;
  return is_control_or_other(c);
}

void clean(char32_t c, std::string& out) {
  if (c == 0 || c == 0xFFFD || is_bert_control(c)) return;
  append_utf8(out, is_white_space(c) ? U' ' : c);
}

void set_off_chinese(char32_t c, std::string& out) {
  if (is_cjk_ideograph(c)) out.push_back(' ');
  append_utf8(out, c);
  if (is_cjk_ideograph(c)) out.push_back(' ');
}

void drop_nonspacing_marks(char32_t c, std::string& out) {
  if (!is_nonspacing_mark(c)) append_utf8(out, c);
}

void to_lower(char32_t c, std::string& out) {
  for (const char32_t part : lower(c)) append_utf8(out, part);
}

struct BertOptions {
  bool clean_text, chinese, strip_accents, lowercase;
};

class Bert final : public Normalizer {
 public:
  explicit Bert(BertOptions options) : options_(options) {}
  Result<void> apply(AlignedText& text) const override {
    if (options_.clean_text) map_characters(text, clean);
    if (options_.chinese) map_characters(text, set_off_chinese);
    if (options_.strip_accents) {
      text.transform(normal_form(text.view(), UnicodeForm::nfd));
      map_characters(text, drop_nonspacing_marks);
    }
    if (options_.lowercase) map_characters(text, to_lower);
    return ok();
  }

 private:
  BertOptions options_;
};

}  // namespace

Result<std::unique_ptr<Normalizer>> make_bert_normalizer(const Json& section) {
  BertOptions options{};
  VB_TRY(options.clean_text, fields::boolean(section, "clean_text"));
  VB_TRY(options.chinese, fields::boolean(section, "handle_chinese_chars"));
  VB_TRY(options.lowercase, fields::boolean(section, "lowercase"));
  VB_TRY(options.strip_accents, fields::boolean_or(section, "strip_accents", options.lowercase));
  return std::make_unique<Bert>(options);
}

}  // namespace vauban
