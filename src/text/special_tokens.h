/// Which tokens are BOS and EOS, and what encode() puts around a text: the one place where this is decided.
///
/// The rule:
/// 1. The tokenizer's own post-processor (or, for SentencePiece and GGUF, its flags) says what stands around a text.
/// 2. tokenizer_config.json's `add_bos_token` / `add_eos_token`, where present, overrule it for BOS / EOS alone.
/// 3. BOS is tokenizer_config.json's `bos_token`, else special_tokens_map.json's, else the first token that (1) puts in
///    front, else generation_config.json's `bos_token_id`. EOS likewise, with the last token that (1) puts behind.
/// 4. Never two: when the text itself begins with BOS, encode() leaves out the one that it would have put before it.
#pragma once

#include <functional>
#include <optional>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "text/post_processors/post_processor.h"
#include "text/tokenizer.h"

namespace vauban {

struct SpecialTokens {
  std::optional<std::int32_t> bos, eos;
  std::vector<AddedAround> before, after;  ///< what add_special puts around a text
};

/// What the rule needs to know of the tokenizer.
struct TokenLookup {
  std::function<std::optional<std::int32_t>(std::string_view)> id_of;
  std::function<std::optional<std::string>(std::int32_t)> text_of;
};

/// `own`: what (1) says; its bos and eos are kept when the hints name none.
/// Errors: corrupt when a hint has the wrong type or names a token that does not exist.
Result<SpecialTokens> resolve_special_tokens(SpecialTokens own, const TokenizerHints& hints, const TokenLookup& lookup);

/// Puts `specials` around `encoding`, by (4).
void add_around(Encoding& encoding, const SpecialTokens& specials);

}  // namespace vauban
