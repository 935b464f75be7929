// UnicodeScripts: cuts where the script changes, as SentencePiece's training does. Han, Hiragana and Katakana count as
// one script; spaces and unassigned characters belong to whatever came before them, and vanish before the first script.
// Known difference: the reference's table is of Unicode 9, this one of Unicode 14, so a character that came between the two has
// a script here and none there.
#include <algorithm>
#include <array>

#include "text/pre_tokenizers/pre_tokenizer.h"

namespace vauban {
namespace {

// The values of the property Script in Unicode 14. Which code points have them, Oniguruma knows.
constexpr std::array kScripts = std::to_array<std::string_view>({
    "Adlam", "Ahom", "Anatolian_Hieroglyphs", "Arabic", "Armenian", "Avestan", "Balinese", "Bamum", "Bassa_Vah",
    "Batak", "Bengali", "Bhaiksuki", "Bopomofo", "Brahmi", "Braille", "Buginese", "Buhid", "Canadian_Aboriginal",
    "Carian", "Caucasian_Albanian", "Chakma", "Cham", "Cherokee", "Chorasmian", "Common", "Coptic", "Cuneiform",
    "Cypriot", "Cypro_Minoan", "Cyrillic", "Deseret", "Devanagari", "Dives_Akuru", "Dogra", "Duployan",
    "Egyptian_Hieroglyphs", "Elbasan", "Elymaic", "Ethiopic", "Georgian", "Glagolitic", "Gothic", "Grantha", "Greek",
    "Gujarati", "Gunjala_Gondi", "Gurmukhi", "Han", "Hangul", "Hanifi_Rohingya", "Hanunoo", "Hatran", "Hebrew",
    "Hiragana", "Imperial_Aramaic", "Inherited", "Inscriptional_Pahlavi", "Inscriptional_Parthian", "Javanese",
    "Kaithi", "Kannada", "Katakana", "Kayah_Li", "Kharoshthi", "Khitan_Small_Script", "Khmer", "Khojki", "Khudawadi",
    "Lao", "Latin", "Lepcha", "Limbu", "Linear_A", "Linear_B", "Lisu", "Lycian", "Lydian", "Mahajani", "Makasar",
    "Malayalam", "Mandaic", "Manichaean", "Marchen", "Masaram_Gondi", "Medefaidrin", "Meetei_Mayek", "Mende_Kikakui",
    "Meroitic_Cursive", "Meroitic_Hieroglyphs", "Miao", "Modi", "Mongolian", "Mro", "Multani", "Myanmar", "Nabataean",
    "Nandinagari", "New_Tai_Lue", "Newa", "Nko", "Nushu", "Nyiakeng_Puachue_Hmong", "Ogham", "Ol_Chiki",
    "Old_Hungarian", "Old_Italic", "Old_North_Arabian", "Old_Permic", "Old_Persian", "Old_Sogdian", "Old_South_Arabian",
    "Old_Turkic", "Old_Uyghur", "Oriya", "Osage", "Osmanya", "Pahawh_Hmong", "Palmyrene", "Pau_Cin_Hau", "Phags_Pa",
    "Phoenician", "Psalter_Pahlavi", "Rejang", "Runic", "Samaritan", "Saurashtra", "Sharada", "Shavian", "Siddham",
    "SignWriting", "Sinhala", "Sogdian", "Sora_Sompeng", "Soyombo", "Sundanese", "Syloti_Nagri", "Syriac", "Tagalog",
    "Tagbanwa", "Tai_Le", "Tai_Tham", "Tai_Viet", "Takri", "Tamil", "Tangsa", "Tangut", "Telugu", "Thaana", "Thai",
    "Tibetan", "Tifinagh", "Tirhuta", "Toto", "Ugaritic", "Vai", "Vithkuqi", "Wancho", "Warang_Citi", "Yezidi", "Yi",
    "Zanabazar_Square",
});

constexpr int kAny = -1;  ///< no script

struct ScriptRange {
  CodePointRange range;
  int script = kAny;
};

int index_of(std::string_view name) {
  return static_cast<int>(std::find(kScripts.begin(), kScripts.end(), name) - kScripts.begin());
}

std::vector<ScriptRange> make_table() {
  std::vector<ScriptRange> table;
  for (const std::string_view name : kScripts) {
    const bool kana = name == "Hiragana" || name == "Katakana";
    for (const CodePointRange& range : code_points_with(name)) table.push_back({range, index_of(kana ? "Han" : name)});
  }
  std::sort(table.begin(), table.end(),
            [](const ScriptRange& a, const ScriptRange& b) { return a.range.first < b.range.first; });
  return table;
}

int script_of(char32_t c) {
  static const std::vector<ScriptRange> table = make_table();
  static const int han = index_of("Han");
  if (c == U' ') return kAny;
  if (c == U'\u30FC') return han;  // the long vowel mark of kana, which Unicode calls Common
  const auto behind = std::upper_bound(table.begin(), table.end(), c,
                                       [](char32_t value, const ScriptRange& entry) { return value < entry.range.first; });
  if (behind == table.begin() || c > std::prev(behind)->range.last) return kAny;
  return std::prev(behind)->script;
}

std::vector<SplitPart> runs_of_scripts(std::string_view text) {
  std::vector<SplitPart> parts;
  int last = kAny;
  for (std::size_t at = 0; at < text.size();) {
    const CodePoint c = code_point_at(text, at);
    const int script = script_of(c.value);
    if (parts.empty() || (script != kAny && script != last)) parts.push_back({at, at, script == kAny});
    if (script != kAny) last = script;
    at += c.size;
    parts.back().end = at;
  }
  return parts;
}

class UnicodeScripts final : public PreTokenizer {
 public:
  Result<void> apply(Segments& segments) const override {
    return split_pieces(segments, SplitBehavior::removed,
                        [](std::string_view text) -> Result<std::vector<SplitPart>> { return runs_of_scripts(text); });
  }
};

}  // namespace

Result<std::unique_ptr<PreTokenizer>> make_unicode_scripts(const Json&) { return std::make_unique<UnicodeScripts>(); }

}  // namespace vauban
