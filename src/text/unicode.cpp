#include "text/unicode.h"

#include <algorithm>
#include <array>
#include <utf8proc.h>

namespace vauban {
namespace {

utf8proc_category_t category(char32_t value) { return utf8proc_category(static_cast<utf8proc_int32_t>(value)); }

int combining_class(char32_t value) {
  return utf8proc_get_property(static_cast<utf8proc_int32_t>(value))->combining_class;
}

bool within(char32_t value, char32_t low, char32_t high) { return value >= low && value <= high; }

bool is_continuation(std::string_view bytes, std::size_t at, unsigned low = 0x80, unsigned high = 0xBF) {
  if (at >= bytes.size()) return false;
  const auto byte = static_cast<unsigned char>(bytes[at]);
  return byte >= low && byte <= high;
}

/// Bytes of `bytes` that are a valid beginning of one code point; `complete` says whether all of it is there.
/// Table 3-7 of the Unicode standard.
struct Prefix {
  std::size_t size;
  bool complete;
};
Prefix valid_prefix(std::string_view bytes) {
  const auto lead = static_cast<unsigned char>(bytes[0]);
  if (lead < 0x80) return {1, true};
  if (lead < 0xC2 || lead > 0xF4) return {0, false};
  const std::size_t wanted = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
  unsigned low = 0x80, high = 0xBF;
  if (lead == 0xE0) low = 0xA0;
  if (lead == 0xED) high = 0x9F;
  if (lead == 0xF0) low = 0x90;
  if (lead == 0xF4) high = 0x8F;
  std::size_t size = 1;
  while (size < wanted && is_continuation(bytes, size, size == 1 ? low : 0x80, size == 1 ? high : 0xBF)) ++size;
  return {size, size == wanted};
}

/// The canonical composition of two characters, or nothing.
std::optional<char32_t> compose(char32_t first, char32_t second) {
  std::array<utf8proc_int32_t, 2> pair{static_cast<utf8proc_int32_t>(first), static_cast<utf8proc_int32_t>(second)};
  const auto options = static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE);
  if (utf8proc_normalize_utf32(pair.data(), 2, options) != 1) return std::nullopt;
  return static_cast<char32_t>(pair[0]);
}

/// Appends the decomposition of one character, then keeps the run of marks at the end in canonical order.
void append_decomposed(std::vector<Change>& out, char32_t value, bool compatible) {
  std::array<utf8proc_int32_t, 32> parts{};
  const auto options =
      static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_DECOMPOSE | (compatible ? UTF8PROC_COMPAT : 0));
  int boundary = 0;
  const auto count = utf8proc_decompose_char(static_cast<utf8proc_int32_t>(value), parts.data(),
                                             static_cast<utf8proc_ssize_t>(parts.size()), options, &boundary);
  if (count < 1 || count > static_cast<utf8proc_ssize_t>(parts.size())) {
    out.push_back({value, 0});
    return;
  }
  for (int i = 0; i < count; ++i) out.push_back({static_cast<char32_t>(parts[i]), i == 0 ? 0 : 1});
}

void order_marks(std::vector<Change>& text) {
  auto begin = text.begin();
  while (begin != text.end()) {
    if (combining_class(begin->value) == 0) {
      ++begin;
      continue;
    }
    const auto end = std::find_if(begin, text.end(), [](const Change& c) { return combining_class(c.value) == 0; });
    std::stable_sort(begin, end, [](const Change& a, const Change& b) {
      return combining_class(a.value) < combining_class(b.value);
    });
    begin = end;
  }
}

/// Canonical composition (Unicode 15, section 3.11, D117): a mark joins the last starter unless one between blocks it.
std::vector<Change> composed(const std::vector<Change>& text) {
  std::vector<Change> out;
  std::optional<std::size_t> starter;
  int last_class = -1;  // of the last mark kept since the starter; -1 when none
  for (const Change& next : text) {
    const int next_class = combining_class(next.value);
    if (starter && (last_class == -1 || last_class < next_class)) {
      if (const auto joined = compose(out[*starter].value, next.value)) {
        out[*starter] = {*joined, out[*starter].change + next.change - 1};
        continue;
      }
    }
    if (next_class == 0) {
      starter = out.size();
      last_class = -1;
    } else if (starter) {
      last_class = next_class;
    }
    out.push_back(next);
  }
  return out;
}

}  // namespace

CodePoint code_point_at(std::string_view text, std::size_t at) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[at + i]); };
  const Prefix prefix = valid_prefix(text.substr(at));
  if (!prefix.complete) return {byte(0), 1};
  switch (prefix.size) {
    case 1:
      return {byte(0), 1};
    case 2:
      return {static_cast<char32_t>((byte(0) & 0x1F) << 6 | (byte(1) & 0x3F)), 2};
    case 3:
      return {static_cast<char32_t>((byte(0) & 0x0F) << 12 | (byte(1) & 0x3F) << 6 | (byte(2) & 0x3F)), 3};
    default:
      return {static_cast<char32_t>((byte(0) & 0x07) << 18 | (byte(1) & 0x3F) << 12 | (byte(2) & 0x3F) << 6 |
                                    (byte(3) & 0x3F)),
              4};
  }
}

void append_utf8(std::string& out, char32_t value) {
  const auto put = [&](char32_t byte) { out.push_back(static_cast<char>(byte)); };
  if (value < 0x80) return put(value);
  if (value < 0x800) {
    put(0xC0 | value >> 6);
  } else {
    if (value < 0x10000) {
      put(0xE0 | value >> 12);
    } else {
      put(0xF0 | value >> 18);
      put(0x80 | (value >> 12 & 0x3F));
    }
    put(0x80 | (value >> 6 & 0x3F));
  }
  put(0x80 | (value & 0x3F));
}

std::string to_utf8(char32_t value) {
  std::string out;
  append_utf8(out, value);
  return out;
}

std::size_t count_code_points(std::string_view text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return !is_continuation_byte(c); }));
}

std::optional<std::size_t> first_invalid_utf8(std::string_view text) {
  std::size_t at = 0;
  while (at < text.size()) {
    if (static_cast<unsigned char>(text[at]) < 0x80) {
      ++at;
      continue;
    }
    const Prefix prefix = valid_prefix(text.substr(at));
    if (!prefix.complete) return at;
    at += prefix.size;
  }
  return std::nullopt;
}

std::string to_utf8_lossy(std::string_view bytes) {
  std::string out;
  out.reserve(bytes.size());
  std::size_t at = 0;
  while (at < bytes.size()) {
    const Prefix prefix = valid_prefix(bytes.substr(at));
    if (prefix.complete)
      out.append(bytes.substr(at, prefix.size));
    else
      out.append("\xEF\xBF\xBD");
    at += std::max<std::size_t>(prefix.size, 1);
  }
  return out;
}

std::size_t valid_code_point_size(std::string_view bytes) {
  if (bytes.empty()) return 0;
  const Prefix prefix = valid_prefix(bytes);
  return prefix.complete ? prefix.size : 0;
}

bool is_white_space(char32_t value) {
  return within(value, 0x09, 0x0D) || value == 0x20 || value == 0x85 || value == 0xA0 || value == 0x1680 ||
         within(value, 0x2000, 0x200A) || value == 0x2028 || value == 0x2029 || value == 0x202F || value == 0x205F ||
         value == 0x3000;
}

bool is_mark(char32_t value) {
  const auto c = category(value);
  return c == UTF8PROC_CATEGORY_MN || c == UTF8PROC_CATEGORY_MC || c == UTF8PROC_CATEGORY_ME;
}

bool is_nonspacing_mark(char32_t value) { return category(value) == UTF8PROC_CATEGORY_MN; }

bool is_numeric(char32_t value) {
  const auto c = category(value);
  return c == UTF8PROC_CATEGORY_ND || c == UTF8PROC_CATEGORY_NL || c == UTF8PROC_CATEGORY_NO;
}

bool is_word_character(char32_t value) {
  switch (category(value)) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_MC:
    case UTF8PROC_CATEGORY_ME:
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_PC:
      return true;
    default:
      break;
  }
  // Join_Control, and the symbols that PropList.txt counts as Other_Alphabetic.
  return value == 0x200C || value == 0x200D || within(value, 0x24B6, 0x24E9) || within(value, 0x1F130, 0x1F149) ||
         within(value, 0x1F150, 0x1F169) || within(value, 0x1F170, 0x1F189);
}

bool is_punctuation(char32_t value) {
  if (value < 0x80) {
    return within(value, 0x21, 0x2F) || within(value, 0x3A, 0x40) || within(value, 0x5B, 0x60) ||
           within(value, 0x7B, 0x7E);
  }
  const auto c = category(value);
  return c >= UTF8PROC_CATEGORY_PC && c <= UTF8PROC_CATEGORY_PO;
}

bool is_control_or_other(char32_t value) {
  const auto c = category(value);
  return c == UTF8PROC_CATEGORY_CC || c == UTF8PROC_CATEGORY_CF || c == UTF8PROC_CATEGORY_CS ||
         c == UTF8PROC_CATEGORY_CO;
}

bool is_cjk_ideograph(char32_t value) {
  return within(value, 0x4E00, 0x9FFF) || within(value, 0x3400, 0x4DBF) || within(value, 0x20000, 0x2A6DF) ||
         within(value, 0x2A700, 0x2B73F) || within(value, 0x2B740, 0x2B81F) || within(value, 0x2B920, 0x2CEAF) ||
         within(value, 0xF900, 0xFAFF) || within(value, 0x2F800, 0x2FA1F);
}

std::u32string lower(char32_t value) {
  if (value == 0x130) return U"i\u0307";  // the only unconditional multi-character lower case (SpecialCasing.txt)
  return {static_cast<char32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(value)))};
}

std::u32string upper(char32_t value) {
  if (value == 0xDF) return U"SS";
  return {static_cast<char32_t>(utf8proc_toupper(static_cast<utf8proc_int32_t>(value)))};
}

char32_t title(char32_t value) {
  return static_cast<char32_t>(utf8proc_totitle(static_cast<utf8proc_int32_t>(value)));
}

bool is_letter(char32_t value) {
  const auto c = category(value);
  return c >= UTF8PROC_CATEGORY_LU && c <= UTF8PROC_CATEGORY_LO;
}

bool is_digit(char32_t value) {
  if (category(value) == UTF8PROC_CATEGORY_ND) return true;
  return value == 0xB2 || value == 0xB3 || value == 0xB9 || value == 0x2070 || within(value, 0x2074, 0x2079) ||
         within(value, 0x2080, 0x2089) || within(value, 0x2460, 0x2468);
}

bool is_upper_case(char32_t value) { return category(value) == UTF8PROC_CATEGORY_LU; }
bool is_lower_case(char32_t value) { return category(value) == UTF8PROC_CATEGORY_LL; }

bool is_printable(char32_t value) {
  if (value == U' ') return true;
  const auto c = category(value);
  return c != UTF8PROC_CATEGORY_CN && c != UTF8PROC_CATEGORY_ZS && c != UTF8PROC_CATEGORY_ZL &&
         c != UTF8PROC_CATEGORY_ZP && !is_control_or_other(value);
}

std::size_t grapheme_size(std::string_view text, std::size_t at) {
  CodePoint last = code_point_at(text, at);
  std::size_t end = at + last.size;
  utf8proc_int32_t state = 0;
  while (end < text.size()) {
    const CodePoint next = code_point_at(text, end);
    if (utf8proc_grapheme_break_stateful(static_cast<utf8proc_int32_t>(last.value), static_cast<utf8proc_int32_t>(next.value), &state)) break;
    end += next.size;
    last = next;
  }
  return end - at;
}

std::vector<Change> normal_form(std::string_view text, UnicodeForm form) {
  const bool compatible = form == UnicodeForm::nfkc || form == UnicodeForm::nfkd;
  std::vector<Change> changes;
  changes.reserve(text.size());
  for (std::size_t at = 0; at < text.size();) {
    const CodePoint c = code_point_at(text, at);
    if (c.value < 0x80)
      changes.push_back({c.value, 0});
    else
      append_decomposed(changes, c.value, compatible);
    at += c.size;
  }
  order_marks(changes);
  const bool compose_too = form == UnicodeForm::nfc || form == UnicodeForm::nfkc;
  return compose_too ? composed(changes) : changes;
}

}  // namespace vauban
