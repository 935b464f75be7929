#include "text/pattern.h"

#include "text/fields.h"
#include "text/unicode.h"

namespace vauban {

Result<Pattern> Pattern::read(const Json& section, std::string_view key) {
  const Json* const member = section.find(key);
  const bool well_formed = member && member->is_object() && member->size() == 1;
  if (!well_formed || (!member->find("String") && !member->find("Regex")))
    return corrupt("key '{}': expected {{\"String\": ...}} or {{\"Regex\": ...}}", key);
  if (member->find("String")) {
    VB_TRY(std::string literal, fields::string(*member, "String"));
    return Pattern::of(std::move(literal));
  }
  VB_TRY(const std::string source, fields::string(*member, "Regex"));
  VB_TRY(Regex regex, Regex::compile(source));
  return Pattern::of(std::move(regex));
}

Result<std::vector<ByteRange>> Pattern::find_all(std::string_view text) const {
  if (regex_) return regex_->find_all(text);
  return find_all_literal(text, literal_);
}

Result<std::string> Pattern::replace_all(std::string_view text, std::string_view content) const {
  VB_TRY(const auto matches, find_all(text));
  std::string out;
  std::size_t kept = 0;
  for (const ByteRange& match : matches) {
    out.append(text, kept, match.begin - kept).append(content);
    kept = match.end;
  }
  return out.append(text.substr(kept));
}

bool Pattern::is_one_character() const {
  return !regex_ && !literal_.empty() && code_point_at(literal_, 0).size == literal_.size();
}

}  // namespace vauban
