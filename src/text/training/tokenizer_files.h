/// The files of a trained byte-level BPE as a Hugging Face folder has them.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "text/training/bpe_trainer.h"

namespace vauban {

struct TokenizerRoles {
  std::optional<std::string> bos, eos, unk, pad;  ///< each one of the special tokens
  bool add_bos = false, add_eos = false;          ///< put around every text
};

struct BpeFileOptions {
  std::span<const std::string_view> patterns;  ///< of the pre-tokenizer
  bool ignore_merges = false;
  std::vector<std::string> specials;      ///< control tokens
  std::vector<std::string> user_defined;  ///< whole tokens that are ordinary text
  TokenizerRoles roles;
};

/// tokenizer.json. Errors: invalid_input for add_bos or add_eos without the token, or a role that is no special token.
Result<Json> bpe_tokenizer_json(const TrainedBpe& trained, const BpeFileOptions& options);

/// tokenizer_config.json. `chat_template`: Jinja; `tokenizer_class` may be empty.
Json tokenizer_config_json(const TokenizerRoles& roles, const std::optional<std::string>& chat_template,
                           std::string_view tokenizer_class);

}  // namespace vauban
