/// The tokenizer.json of the tiny model.
#pragma once

#include <string>
#include <vector>

#include "base/json.h"

namespace vauban::test {

/// Every piece in the order of its id: "<unk>", "<s>", "</s>", "<0x00>" .. "<0xFF>", then what text is made of.
std::vector<std::string> tiny_pieces();
inline constexpr int kTinySpecialTokens = 3;
inline constexpr int kTinyByteTokens = 256;

Json tiny_tokenizer_json();

}  // namespace vauban::test
