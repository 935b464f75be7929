/// InputRules: what is put around one text or two before a model sees them, and how they are cut and padded.
///
/// Source: `post_processor`, `truncation` and `padding` of a tokenizer.json. A tokenizer without such a file (tokenizer.model,
/// GGUF) puts around each text of a pair what it puts around one, as transformers does for Llama.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"

namespace vauban {

/// A token that stands beside a text.
struct AddedAround {
  std::int32_t id = 0;
  std::string text;
  friend bool operator==(const AddedAround&, const AddedAround&) = default;
};

struct FramePart {
  enum class Kind { first, second, token };
  Kind kind = Kind::token;
  AddedAround token;         ///< of Kind::token
  std::int32_t type_id = 0;  ///< of each of its tokens
};
/// A whole input in order: `first` once, `second` once where there are two texts, and tokens.
using Frame = std::vector<FramePart>;

enum class Side { left, right };

struct InputTruncation {
  enum class Strategy { longest_first, only_first, only_second };
  std::size_t max_length = 0;  ///< tokens, those of the frame among them
  std::size_t stride = 0;      ///< tokens that neighbouring windows share
  Strategy strategy = Strategy::longest_first;
  Side side = Side::right;  ///< where tokens are cut off
};

struct InputPadding {
  std::optional<std::size_t> length;  ///< nothing: as the longest input of the batch
  std::size_t multiple_of = 1;
  Side side = Side::right;
  AddedAround token;
  std::int32_t type_id = 0;
};

struct InputRules {
  Frame single, pair;
  std::optional<InputTruncation> truncation;
  std::optional<InputPadding> padding;
};

/// The frames of a tokenizer that says only what stands around one text.
InputRules rules_around(const std::vector<AddedAround>& before, const std::vector<AddedAround>& after);

/// The sections `truncation` and `padding` of a tokenizer.json; nothing where absent or null.
/// Errors: corrupt for a wrong type or number, or a stride that leaves a window nothing new.
Result<std::optional<InputTruncation>> read_truncation(const Json& document);
Result<std::optional<InputPadding>> read_padding(const Json& document);

}  // namespace vauban
