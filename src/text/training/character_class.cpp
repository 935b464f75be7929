#include "text/training/character_class.h"

#include <array>
#include <string>

#include "text/regex.h"
#include "text/unicode.h"

namespace vauban {
namespace {

/// In this order from 2 on. What is a letter and in none of them comes last.
constexpr std::array<std::string_view, 31> kScripts = {
    R"([\p{Han}\p{Hiragana}\p{Katakana}ー])", R"(\p{Latin})", R"(\p{Greek})", R"(\p{Cyrillic})", R"(\p{Armenian})",
    R"(\p{Hebrew})", R"(\p{Arabic})", R"(\p{Syriac})", R"(\p{Thaana})", R"(\p{Devanagari})", R"(\p{Bengali})",
    R"(\p{Gurmukhi})", R"(\p{Gujarati})", R"(\p{Oriya})", R"(\p{Tamil})", R"(\p{Telugu})", R"(\p{Kannada})",
    R"(\p{Malayalam})", R"(\p{Sinhala})", R"(\p{Thai})", R"(\p{Lao})", R"(\p{Tibetan})", R"(\p{Myanmar})",
    R"(\p{Georgian})", R"(\p{Hangul})", R"(\p{Ethiopic})", R"(\p{Cherokee})", R"(\p{Khmer})", R"(\p{Mongolian})",
    R"(\p{Bopomofo})", R"([\p{L}&&\P{Common}])"};

}  // namespace

Result<CharacterClasses> CharacterClasses::of(const std::vector<char32_t>& characters) {
  CharacterClasses out;
  std::string text;
  for (const char32_t character : characters) append_utf8(text, character);
  const auto set = [&](std::string_view pattern, std::uint8_t value) -> Result<void> {
    VB_TRY(const Regex regex, Regex::compile(pattern));
    VB_TRY(const auto matches, regex.find_all(text));
    for (const ByteRange& match : matches) out.classes_.emplace(code_point_at(text, match.begin).value, value);
    return ok();
  };
  VB_CHECK(set(R"(\p{Inherited})", kInherited));
  for (std::size_t i = 0; i < kScripts.size(); ++i) VB_CHECK(set(kScripts[i], static_cast<std::uint8_t>(i + 2)));
  return out;
}

std::uint8_t CharacterClasses::operator()(char32_t character) const {
  const auto found = classes_.find(character);
  return found == classes_.end() ? kCommon : found->second;
}

}  // namespace vauban
