/// CRC-32C (Castagnoli), reflected polynomial 0x82F63B78, and the masked form that TFRecord files hold.
#pragma once

#include <cstdint>
#include <string_view>

namespace vauban {

std::uint32_t crc32c(std::string_view bytes);
/// ((c >> 15) | (c << 17)) + 0xa282ead8: a CRC of bytes that hold a CRC would be weak.
std::uint32_t masked_crc32c(std::string_view bytes);

}  // namespace vauban
