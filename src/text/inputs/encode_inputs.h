/// encode_inputs: texts and pairs of texts to what a model is given, by a tokenizer's InputRules.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "text/inputs/input_rules.h"
#include "text/tokenizer.h"

namespace vauban {

struct TextInput {
  std::string text;
  std::optional<std::string> pair;
};

/// One input, or one window of it; all lists have one entry per token.
struct ModelInput {
  Encoding tokens;  ///< the offsets of each text count from its own beginning
  std::vector<std::int32_t> type_ids;
  std::vector<std::int8_t> sequences;  ///< 0 and 1: of which text; -1: beside them
  std::vector<bool> attended;          ///< false: padding
};

struct EncodedInput {
  ModelInput input;
  std::vector<ModelInput> overflowing;  ///< the other windows of a truncated input: every one of both texts with every other
};

/// `rules`: tokenizer.input_rules(), or those with another truncation or padding. All inputs are one batch.
/// Errors: invalid_input for text that is not UTF-8 or cannot be cut as asked (with the number of the input from 0);
/// unsupported when the frame for pairs leaves out a text.
Result<std::vector<EncodedInput>> encode_inputs(const Tokenizer& tokenizer, std::span<const TextInput> inputs,
                                                const InputRules& rules, const EncodeOptions& options = {});

}  // namespace vauban
