// The list of pre types. The patterns are those of the tokenizers that the names stand for; `falcon` and `default` are
// the ones that llama.cpp defines. A stretch that no alternative matches (the last white space of a run) stays a piece.
#include "text/gguf_pre.h"

#include <array>
#include <string>

namespace vauban {
namespace {

using Patterns = std::array<std::string_view, 1>;

#define VB_GPT2_ALTERNATIVES R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S))"
#define VB_CONTRACTIONS R"((?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])|[^\r\n\p{L}\p{N}]?\p{L}+|)"
#define VB_REST R"( ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)"

constexpr Patterns kGpt2{VB_GPT2_ALTERNATIVES};
constexpr Patterns kLlama3{VB_CONTRACTIONS R"(\p{N}{1,3}|)" VB_REST};
constexpr Patterns kQwen2{VB_CONTRACTIONS R"(\p{N}|)" VB_REST};
constexpr std::array<std::string_view, 3> kFalcon{R"([\p{P}\$\+<=>\^~\|`]+)", VB_GPT2_ALTERNATIVES,
                                                  R"([0-9][0-9][0-9])"};
constexpr std::array<std::string_view, 4> kDefault{R"([\p{P}\$\+<=>\^~\|]+)", VB_GPT2_ALTERNATIVES, R"(\p{N}+)",
                                                   R"([0-9][0-9][0-9])"};
constexpr std::array<std::string_view, 2> kDigitsFirst{R"(\p{N})", VB_GPT2_ALTERNATIVES};

#undef VB_GPT2_ALTERNATIVES
#undef VB_CONTRACTIONS
#undef VB_REST

constexpr std::array kPreTypes = {
    GgufPreType{"default", kDefault},
    GgufPreType{"gpt-2", kGpt2},
    GgufPreType{"mpt", kGpt2},
    GgufPreType{"olmo", kGpt2},
    GgufPreType{"llama-bpe", kLlama3, true, true},
    GgufPreType{"llama3", kLlama3, true, true},
    GgufPreType{"llama-v3", kLlama3, true, true},
    GgufPreType{"dbrx", kLlama3},
    GgufPreType{"smaug-bpe", kLlama3},
    GgufPreType{"qwen2", kQwen2},
    GgufPreType{"stablelm2", kQwen2},
    GgufPreType{"falcon", kFalcon},
    GgufPreType{"starcoder", kDigitsFirst},
    GgufPreType{"refact", kDigitsFirst},
    GgufPreType{"command-r", kDigitsFirst},
    GgufPreType{"smollm", kDigitsFirst},
};

}  // namespace

std::span<const GgufPreType> all_gguf_pre_types() { return kPreTypes; }

Result<const GgufPreType*> find_gguf_pre(std::string_view name) {
  std::string known;
  for (const GgufPreType& entry : kPreTypes) {
    if (entry.name == name) return &entry;
    known += (known.empty() ? "" : ", ") + std::string(entry.name);
  }
  return unsupported("tokenizer.ggml.pre '{}' is not built (built: {})", name, known);
}

}  // namespace vauban
