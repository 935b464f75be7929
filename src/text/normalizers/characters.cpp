// Lowercase, StripAccents, Nmt, ByteLevel: normalisers that map each character on its own.
#include "text/byte_alphabet.h"
#include "text/normalizers/mapping.h"
#include "text/normalizers/normalizer.h"

namespace vauban {
namespace {

using Map = void (*)(char32_t, std::string&);

class PerCharacter final : public Normalizer {
 public:
  explicit PerCharacter(Map map) : map_(map) {}
  Result<void> apply(AlignedText& text) const override {
    map_characters(text, map_);
    return ok();
  }

 private:
  Map map_;
};

void to_lower(char32_t c, std::string& out) {
  for (const char32_t part : lower(c)) append_utf8(out, part);
}

void drop_marks(char32_t c, std::string& out) {
  if (!is_mark(c)) append_utf8(out, c);
}

/// SentencePiece's "nmt" rules: control characters vanish, odd white space becomes a space.
void nmt(char32_t c, std::string& out) {
  const bool dropped =
      (c >= 0x01 && c <= 0x08) || c == 0x0B || (c >= 0x0E && c <= 0x1F) || c == 0x7F || c == 0x8F || c == 0x9F;
  const bool space = c == 0x09 || c == 0x0A || c == 0x0C || c == 0x0D || c == 0x1680 || (c >= 0x200B && c <= 0x200F) ||
                     c == 0x2028 || c == 0x2029 || c == 0x2581 || c == 0xFEFF || c == 0xFFFD;
  if (!dropped) append_utf8(out, space ? U' ' : c);
}

void byte_letters(char32_t c, std::string& out) {
  for (const char byte : to_utf8(c)) out += letter_of(static_cast<std::uint8_t>(byte));
}

}  // namespace

Result<std::unique_ptr<Normalizer>> make_lowercase(const Json&) { return std::make_unique<PerCharacter>(to_lower); }
Result<std::unique_ptr<Normalizer>> make_strip_accents(const Json&) {
  return std::make_unique<PerCharacter>(drop_marks);
}
Result<std::unique_ptr<Normalizer>> make_nmt(const Json&) { return std::make_unique<PerCharacter>(nmt); }
Result<std::unique_ptr<Normalizer>> make_byte_level_normalizer(const Json&) {
  return std::make_unique<PerCharacter>(byte_letters);
}

}  // namespace vauban
