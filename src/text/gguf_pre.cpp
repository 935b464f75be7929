// The list of pre types. The patterns are those of the tokenizers that the names stand for; `falcon` and `default` are
// the ones that llama.cpp defines. Not built (refused by name): deepseek-llm, superbpe, chameleon, youtu, afmoe, gemma4, whitespace,
// jais-2, sarvam-moe, minicpm5, laguna, spark2_5, ufakzeka, and those of embedding models that end in a separator. A stretch that no alternative matches (the last white space of a run) stays a piece.
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

constexpr Patterns kQwen35{R"((?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)"};
constexpr Patterns kSeedCoder{VB_CONTRACTIONS R"(\p{N}| ?[^\s\p{L}\p{N}\r\n]+|\s*[\r\n]+|\s+(?!\S)|\s+)"};
constexpr Patterns kBailing{VB_CONTRACTIONS R"(\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+)"};
constexpr Patterns kExaoneMoe{R"((?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])|[^\r\n\p{L}\p{N}]?(?:\p{L}\p{M}*(?: \p{L}\p{M}*)*)+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]?|\s*[\r\n]|\s+(?!\S)|\s+)"};
constexpr std::array<std::string_view, 3> kDeepseekV3{
    R"(\p{N}{1,3})", R"([一-龥぀-ゟ゠-ヿ]+)",
    R"([!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)"};
constexpr std::array<std::string_view, 5> kDeepseekCoder{R"([\r\n])", R"(\s?\p{L}+)", R"(\s?\p{P}+)", R"([一-龥ࠀ-一가-퟿]+)",
                                                         R"(\p{N})"};
constexpr Patterns kBloom{R"( ?[^(\s|.,!?…。，、।۔،)]+)"};
constexpr std::array<std::string_view, 2> kViking{R"( ?[^(\s|.,!?…。，、।۔،)]+)", R"(\p{N})"};

// The cut of o200k, in which the case of letters counts; `also` goes into both classes of letters.
#define VB_UPPER(also) R"([\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M})" also R"(])"
#define VB_LOWER(also) R"([\p{Ll}\p{Lm}\p{Lo}\p{M})" also R"(])"
#define VB_CASED(also, tail) \
  R"([^\r\n\p{L}\p{N}]?)" VB_UPPER(also) "*" VB_LOWER(also) "+" tail R"(|[^\r\n\p{L}\p{N}]?)" VB_UPPER(also) "+" VB_LOWER(also) "*" tail "|"
#define VB_ENGLISH "(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
#define VB_SLASHED R"( ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)"
constexpr Patterns kO200k{VB_CASED("", VB_ENGLISH) R"(\p{N}{1,3}|)" VB_SLASHED};
constexpr Patterns kTekken{VB_CASED("", "") R"(\p{N}|)" VB_SLASHED};
constexpr Patterns kKimi{R"([\p{Han}]+|)" VB_CASED(R"(&&[^\p{Han}])", VB_ENGLISH) R"(\p{N}{1,3}|)" VB_REST};
constexpr std::array<std::string_view, 2> kTinyAya{R"(\d{1,3}(?=(?:\d{3})*\b))", VB_CASED("", VB_ENGLISH) R"(\p{N}{1,3}|)" VB_SLASHED};

#undef VB_UPPER
#undef VB_LOWER
#undef VB_CASED
#undef VB_ENGLISH
#undef VB_SLASHED
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
    GgufPreType{"phi-2", kGpt2},
    GgufPreType{"gigachat", kGpt2},
    GgufPreType{"jina-es", kGpt2},
    GgufPreType{"jina-de", kGpt2},
    GgufPreType{"jina-v2-es", kGpt2},
    GgufPreType{"jina-v2-de", kGpt2},
    GgufPreType{"a.x-4.0", kGpt2},
    GgufPreType{"mellum", kGpt2},
    GgufPreType{"modern-bert", kGpt2},
    GgufPreType{"exaone4", kGpt2},
    GgufPreType{"jais", kGpt2},
    GgufPreType{"trillion", kGpt2},
    GgufPreType{"granite-docling", kGpt2},
    GgufPreType{"falcon3", kLlama3, true, true},
    GgufPreType{"falcon-h1", kLlama3, true, true},
    GgufPreType{"pixtral", kLlama3, true, true},
    GgufPreType{"midm-2.0", kLlama3, true, true},
    GgufPreType{"lfm2", kLlama3, true, true},
    GgufPreType{"jina-v5-nano", kLlama3, true, true},
    GgufPreType{"glm4", kLlama3},
    GgufPreType{"chatglm-bpe", kLlama3},
    GgufPreType{"deepseek-r1-qwen", kQwen2},
    GgufPreType{"kormo", kQwen2},
    GgufPreType{"f2llmv2", kQwen2},
    GgufPreType{"megrez", kQwen2},
    GgufPreType{"hunyuan", kQwen2},
    GgufPreType{"solar-open", kQwen2},
    GgufPreType{"grok-2", kQwen2},
    GgufPreType{"qwen35", kQwen35},
    GgufPreType{"codeshell", kDigitsFirst},
    GgufPreType{"exaone", kDigitsFirst},
    GgufPreType{"minerva-7b", kDigitsFirst},
    GgufPreType{"mellum2", kDigitsFirst},
    GgufPreType{"exaone-moe", kExaoneMoe},
    GgufPreType{"deepseek-coder", kDeepseekCoder},
    GgufPreType{"deepseek-v3", kDeepseekV3},
    GgufPreType{"hunyuan-dense", kDeepseekV3},
    GgufPreType{"joyai-llm", kDeepseekV3},
    GgufPreType{"hy_v4", kDeepseekV3},
    GgufPreType{"bloom", kBloom},
    GgufPreType{"gpt3-finnish", kBloom},
    GgufPreType{"poro-chat", kBloom},
    GgufPreType{"viking", kViking},
    GgufPreType{"tekken", kTekken, true, true},
    GgufPreType{"gpt-4o", kO200k},
    GgufPreType{"llama4", kO200k},
    GgufPreType{"kanana2", kO200k},
    GgufPreType{"talkie", kO200k},
    GgufPreType{"minimax-m2", kO200k},
    GgufPreType{"tiny_aya", kTinyAya},
    GgufPreType{"cohere2moe", kTinyAya},
    GgufPreType{"kimi-k2", kKimi},
    GgufPreType{"seed-coder", kSeedCoder},
    GgufPreType{"bailingmoe", kBailing},
    GgufPreType{"bailingmoe2", kBailing},
    GgufPreType{"llada-moe", kBailing},
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
