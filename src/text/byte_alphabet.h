/// The byte alphabet of GPT-2: a printable character for each byte, so that byte sequences can be vocabulary text.
/// Bytes that are printable in Latin-1 stand for themselves, the other 68 for U+0100 onwards in their order.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace vauban {

/// The letter of a byte, in UTF-8.
const std::string& letter_of(std::uint8_t byte);
char32_t letter_code_of(std::uint8_t byte);
std::optional<std::uint8_t> byte_of_letter(char32_t letter);
/// Text over the alphabet back to bytes; nothing when one character is outside it.
std::optional<std::string> bytes_of_letters(std::string_view text);

/// The value of a byte piece "<0x41>", or nothing.
std::optional<std::uint8_t> byte_of_piece(std::string_view piece);
std::string piece_of_byte(std::uint8_t byte);

}  // namespace vauban
