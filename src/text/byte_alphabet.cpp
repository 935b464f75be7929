#include "text/byte_alphabet.h"

#include <array>

#include "base/format.h"
#include "text/unicode.h"

namespace vauban {
namespace {

constexpr char32_t kFirstStandIn = 0x100;
constexpr std::size_t kLetters = 256 + 68;

struct Alphabet {
  std::array<char32_t, 256> code{};
  std::array<std::string, 256> letter;
  std::array<std::int16_t, kLetters> byte{};  // -1: not a letter
};

bool stands_for_itself(unsigned byte) {
  return (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
}

Alphabet make_alphabet() {
  Alphabet out;
  out.byte.fill(-1);
  char32_t next = kFirstStandIn;
  for (unsigned byte = 0; byte < 256; ++byte) {
    const char32_t code = stands_for_itself(byte) ? static_cast<char32_t>(byte) : next++;
    out.code[byte] = code;
    out.letter[byte] = to_utf8(code);
    out.byte[code] = static_cast<std::int16_t>(byte);
  }
  return out;
}

const Alphabet& alphabet() {
  static const Alphabet instance = make_alphabet();
  return instance;
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

const std::string& letter_of(std::uint8_t byte) { return alphabet().letter[byte]; }
char32_t letter_code_of(std::uint8_t byte) { return alphabet().code[byte]; }

std::optional<std::uint8_t> byte_of_letter(char32_t letter) {
  if (letter >= kLetters || alphabet().byte[letter] < 0) return std::nullopt;
  return static_cast<std::uint8_t>(alphabet().byte[letter]);
}

std::optional<std::string> bytes_of_letters(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t at = 0; at < text.size();) {
    const CodePoint c = code_point_at(text, at);
    const auto byte = byte_of_letter(c.value);
    if (!byte) return std::nullopt;
    out.push_back(static_cast<char>(*byte));
    at += c.size;
  }
  return out;
}

std::optional<std::uint8_t> byte_of_piece(std::string_view piece) {
  if (piece.size() != 6 || !piece.starts_with("<0x") || piece.back() != '>') return std::nullopt;
  const int high = hex_digit(piece[3]), low = hex_digit(piece[4]);
  if (high < 0 || low < 0) return std::nullopt;
  return static_cast<std::uint8_t>(high * 16 + low);
}

std::string piece_of_byte(std::uint8_t byte) { return format("<0x{:02X}>", byte); }

}  // namespace vauban
