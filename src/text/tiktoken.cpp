// load_tiktoken: a file of tokens and their ranks. Merging goes by the rank of what two neighbours make together.
#include <algorithm>
#include <array>

#include "base/sha256.h"
#include "base/strings.h"
#include "text/base64.h"
#include "text/byte_alphabet.h"
#include "text/fields.h"
#include "text/models/bpe.h"
#include "text/pipeline_tokenizer.h"

namespace vauban {
namespace {

// The patterns of the published encodings, in the words of Oniguruma (where `$` is per line and `x{1,3}+` not possessive).
constexpr std::string_view kGpt2 = R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";
constexpr std::string_view kCl100k =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s+\z|\s*[\r\n]|\s+(?!\S)|\s)";
constexpr std::string_view kLlama3 =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr std::string_view kQwen =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr std::string_view kO200k =
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?)"
    R"(|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?)"
    R"(|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

struct Special {
  std::string_view text;
  std::int32_t id;
};

/// What is known of a published rank file.
struct KnownRanks {
  std::string_view name, sha256, pattern;
  std::span<const Special> specials;
  std::string_view bos, eos;  ///< the first is put before a text
  std::string_view numbered;  ///< "before {} behind": further special tokens that only differ in a number
  std::int32_t numbered_id = 0, numbered_first = 0, numbered_count = 0;
};

constexpr std::array kR50kSpecials = {Special{"<|endoftext|>", 50256}};
constexpr std::array kCl100kSpecials = {Special{"<|endoftext|>", 100257}, Special{"<|fim_prefix|>", 100258},
                                        Special{"<|fim_middle|>", 100259}, Special{"<|fim_suffix|>", 100260},
                                        Special{"<|endofprompt|>", 100276}};
constexpr std::array kO200kSpecials = {Special{"<|endoftext|>", 199999}, Special{"<|endofprompt|>", 200018}};
constexpr std::array kLlama3Specials = {
    Special{"<|begin_of_text|>", 128000},           Special{"<|end_of_text|>", 128001},
    Special{"<|reserved_special_token_0|>", 128002}, Special{"<|reserved_special_token_1|>", 128003},
    Special{"<|reserved_special_token_2|>", 128004}, Special{"<|reserved_special_token_3|>", 128005},
    Special{"<|start_header_id|>", 128006},          Special{"<|end_header_id|>", 128007},
    Special{"<|reserved_special_token_4|>", 128008}, Special{"<|eot_id|>", 128009}};
constexpr std::array kQwenSpecials = {Special{"<|endoftext|>", 151643}, Special{"<|im_start|>", 151644},
                                      Special{"<|im_end|>", 151645}};

constexpr std::array kKnown = {
    KnownRanks{"r50k_base", "306cd27f03c1a714eca7108e03d66b7dc042abe8c258b44c199a7ed9838dd930", kGpt2, kR50kSpecials, "", "<|endoftext|>", ""},
    KnownRanks{"p50k_base", "94b5ca7dff4d00767bc256fdd1b27e5b17361d7b8a5f968547f9f23eb70d2069", kGpt2, kR50kSpecials, "", "<|endoftext|>", ""},
    KnownRanks{"cl100k_base", "223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7", kCl100k, kCl100kSpecials, "", "<|endoftext|>", ""},
    KnownRanks{"o200k_base", "446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d", kO200k, kO200kSpecials, "", "<|endoftext|>", ""},
    KnownRanks{"llama-3", "82e9d31979e92ab929cd544440f129d9ecd797b69e327f80f17e1c50d5551b55", kLlama3, kLlama3Specials,
               "<|begin_of_text|>", "<|end_of_text|>", "<|reserved_special_token_{}|>", 128010, 5, 246},
    KnownRanks{"qwen", "6cf5f2a2560a7d581548aeb0c31c6a60de2d3e873152346e421affc871699be4", kQwen, kQwenSpecials, "", "<|endoftext|>",
               "<|extra_{}|>", 151646, 0, 205},
};

constexpr std::size_t kLongestToken = 1024;  // bytes; published ones have up to 128. Bounds the work of loading

struct Ranks {
  std::vector<std::pair<std::string, std::int64_t>> letters;           ///< tokens in letters, with their ids
  std::vector<std::pair<std::string, std::string>> merges;             ///< in letters
  std::vector<std::uint32_t> merge_ranks;
};

struct Ranked {
  std::string bytes;
  std::uint32_t rank = 0;
};

Result<Ranked> read_line(std::string_view line, std::size_t number) {
  if (line.empty()) return corrupt("line {} is empty", number);
  const std::size_t space = line.find(' ');
  const auto rank = parse_int(line.substr(std::min(space, line.size() - 1) + 1));
  if (space == std::string_view::npos || !rank || *rank < 0 || *rank > INT32_MAX - 1) return corrupt("line {}: expected base64, a space and a rank", number);
  if (space > kLongestToken / 3 * 4 + 4) return corrupt("line {}: a token of more than {} bytes", number, kLongestToken);
  VB_TRY(std::string bytes, decode_base64(line.substr(0, space)), "line {}", number);
  if (bytes.empty()) return corrupt("line {}: an empty token", number);
  return Ranked{std::move(bytes), static_cast<std::uint32_t>(*rank)};
}

std::string in_letters(std::string_view bytes) {
  std::string out;
  for (const char byte : bytes) out += letter_of(static_cast<std::uint8_t>(byte));
  return out;
}

/// Two tokens merge whenever what they make is a token, whichever two they are.
Result<Ranks> read_ranks(std::string_view file) {
  std::vector<Ranked> tokens;
  std::size_t number = 0;
  for (const std::string_view line : split(file, '\n')) {
    ++number;
    if (trim(line).empty()) continue;
    VB_TRY(Ranked token, read_line(trim(line), number));
    tokens.push_back(std::move(token));
  }
  TextTable table;
  table.reserve(tokens.size());
  for (std::size_t i = 0; i < tokens.size(); ++i) table.insert(tokens[i].bytes, static_cast<std::int32_t>(i));
  if (table.size() != tokens.size()) return corrupt("a token stands in the file twice");
  for (int byte = 0; byte < 256; ++byte)
    if (!table.find(std::string(1, static_cast<char>(byte)))) return corrupt("byte 0x{:02x} has no rank", byte);
  Ranks out;
  for (const Ranked& token : tokens) {
    const std::string_view bytes = token.bytes;
    out.letters.emplace_back(in_letters(bytes), token.rank);
    for (std::size_t at = 1; at < bytes.size(); ++at) {
      if (!table.find(bytes.substr(0, at)) || !table.find(bytes.substr(at))) continue;
      out.merges.emplace_back(in_letters(bytes.substr(0, at)), in_letters(bytes.substr(at)));
      out.merge_ranks.push_back(token.rank);
    }
  }
  return out;
}

AddedToken special_token(std::string text, std::int32_t id) {
  return {.id = id, .content = std::move(text), .normalized = false, .special = true};
}

/// tokenizer_config.json's added_tokens_decoder where there is one, else those of the published code.
Result<std::vector<AddedToken>> special_tokens(const KnownRanks& known, const TokenizerHints& hints, std::int64_t limit) {
  std::vector<AddedToken> out;
  if (fields::present(hints.tokenizer_config, "added_tokens_decoder")) {
    VB_TRY(const Json::Object* const list, fields::object(hints.tokenizer_config, "added_tokens_decoder"));
    for (const auto& [key, entry] : *list) {
      const auto id = parse_int(key);
      if (!id || *id < 0 || *id > limit) return corrupt("key 'added_tokens_decoder': '{}' is not an id up to {}", key, limit);
      VB_TRY(AddedToken token, read_added_token(entry, *id), "in 'added_tokens_decoder'");
      out.push_back(std::move(token));
    }
    return out;
  }
  for (const Special& special : known.specials) out.push_back(special_token(std::string(special.text), special.id));
  const std::size_t hole = known.numbered.find("{}");
  for (std::int32_t i = 0; i < known.numbered_count; ++i)
    out.push_back(special_token(std::string(known.numbered.substr(0, hole)) + std::to_string(known.numbered_first + i) +
                                    std::string(known.numbered.substr(hole + 2)),
                                known.numbered_id + i));
  return out;
}

Result<const KnownRanks*> known_file(const std::string& digest) {
  std::string names;
  for (const KnownRanks& known : kKnown) {
    if (known.sha256 == digest) return &known;
    names += (names.empty() ? "" : ", ") + std::string(known.name);
  }
  return with_hint(unsupported("a tiktoken rank file with SHA-256 {}: it does not say how text is cut (known: {})", digest, names),
                   "use the model's tokenizer.json");
}

Result<Pipeline> make_pipeline(const KnownRanks& known, Ranks ranks, const TokenizerHints& hints, std::string digest) {
  constexpr std::int64_t kRoom = 1'000'000;  // ids that special tokens may have above the ranks
  Pipeline out;
  const std::array patterns{known.pattern};
  VB_TRY(out.pre_tokenizer, make_pattern_pre_tokenizer(patterns));
  VB_TRY(Vocabulary vocabulary, Vocabulary::from_entries(std::move(ranks.letters)));
  VB_TRY(out.model, Bpe::make(std::move(vocabulary), ranks.merges, BpeOptions{.ignore_merges = true}, ranks.merge_ranks));
  VB_TRY(out.decoder, make_byte_level_decoder(Json::object({{"add_prefix_space", false}, {"trim_offsets", false}})));
  VB_TRY(auto added, special_tokens(known, hints, out.model->vocabulary().size() + kRoom));
  VB_TRY(out.added, AddedTokens::make(std::move(added), out.model->vocabulary(), nullptr, true));
  const TokenLookup lookup = lookup_in(out.added, *out.model);
  SpecialTokens own;
  own.bos = lookup.id_of(known.bos);
  own.eos = lookup.id_of(known.eos);
  if (own.bos) own.before.push_back({*own.bos, std::string(known.bos)});
  VB_TRY(out.specials, resolve_special_tokens(std::move(own), hints, lookup));
  Sha256 hash;
  hash.update("tiktoken " + digest + "\n");
  for (const AddedToken& token : out.added.tokens()) hash.update(format("{} {} {}\n", token.id, token.content, token.special));
  for (const AddedAround& token : out.specials.before) hash.update(format("before {}\n", token.id));
  for (const AddedAround& token : out.specials.after) hash.update(format("after {}\n", token.id));
  out.digest = hash.finish_hex();
  return out;
}

}  // namespace

bool is_rank_file(std::string_view bytes) {
  const std::string_view line = bytes.substr(0, std::min(bytes.find('\n'), bytes.size()));
  return line.size() <= kLongestToken * 2 && read_line(trim(line), 1).has_value();
}

Result<std::shared_ptr<const Tokenizer>> load_tiktoken(std::string_view rank_file, const TokenizerHints& hints) {
  VB_TRY(Ranks ranks, read_ranks(rank_file), "in the rank file");
  const std::string digest = sha256_hex(rank_file);
  VB_TRY(const KnownRanks* const known, known_file(digest));
  VB_TRY(Pipeline pipeline, make_pipeline(*known, std::move(ranks), hints, digest), "in the rank file");
  return std::make_shared<const PipelineTokenizer>(std::move(pipeline));
}

}  // namespace vauban
