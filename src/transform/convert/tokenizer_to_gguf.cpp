#include "transform/convert/tokenizer_to_gguf.h"

#include <algorithm>
#include <array>
#include <set>
#include <unordered_map>

#include "base/files.h"
#include "base/strings.h"
#include "model/model.h"
#include "text/byte_alphabet.h"
#include "text/fields.h"
#include "text/models/merges.h"
#include "text/sentencepiece/piece_model.h"
#include "transform/convert/chat_templates.h"
#include "transform/convert/tokenizer_probe.h"

namespace vauban {
namespace {

constexpr std::size_t kMaxTokenizerBytes = std::size_t{1} << 28;
constexpr std::string_view kSpace = "\xE2\x96\x81";  // the metaspace

GgufKey token_key(std::string_view name, GgufType type, Json value) {
  return {format("tokenizer.ggml.{}", name), type, std::move(value)};
}

/// Tokens with their types and scores, one row per id of the model.
struct TokenRows {
  std::vector<ScoredPiece> rows;

  std::vector<GgufKey> keys(bool with_scores) const {
    Json::Array texts, scores, types;
    for (const ScoredPiece& row : rows) {
      texts.emplace_back(row.text);
      scores.emplace_back(row.score);
      types.emplace_back(static_cast<int>(row.type));
    }
    std::vector<GgufKey> out{GgufKey::list("tokenizer.ggml.tokens", GgufType::string, std::move(texts))};
    if (with_scores) out.push_back(GgufKey::list("tokenizer.ggml.scores", GgufType::f32, std::move(scores)));
    out.push_back(GgufKey::list("tokenizer.ggml.token_type", GgufType::i32, std::move(types)));
    return out;
  }
};

/// Ids that no token has (rows added to reach a round number) get names of their own, as llama.cpp's converter does.
ScoredPiece padding_piece(std::int64_t id) { return {format("[PAD{}]", id), 0.0F, PieceType::unused}; }

Result<std::int32_t> checked_vocab_size(const Tokenizer& tokenizer, const ModelConfig& config) {
  if (tokenizer.vocab_size() > config.vocab_size)
    return corrupt("the tokenizer has {} tokens, the model {} embedding rows", tokenizer.vocab_size(), config.vocab_size);
  return static_cast<std::int32_t>(config.vocab_size);
}

// ---- tokenizer.json

struct Document {
  Json json;
  const Json* model = nullptr;
  std::string text;
};

Result<Document> read_document(const std::filesystem::path& path) {
  Document out;
  VB_TRY(out.text, read_file(path, kMaxTokenizerBytes));
  VB_TRY(out.json, Json::parse(out.text), "in {}", path.string());
  out.model = out.json.find("model");
  if (!out.model) return corrupt("{}: expected a section 'model'", path.string());
  return out;
}

/// A component of this type, alone or inside a Sequence.
bool has_component(const Json* section, std::string_view type) {
  if (!section || !section->is_object()) return false;
  const Json* own = section->find("type");
  if (own && own->as_string() == type) return true;
  for (const char* members : {"pretokenizers", "normalizers", "decoders"})
    if (const Json* list = section->find(members))
      for (const Json& item : list->items())
        if (has_component(&item, type)) return true;
  return false;
}

Result<void> check_bpe(const Json& model) {
  VB_TRY(const std::string type, fields::string_or(model, "type", "BPE"));
  if (type != "BPE") return unsupported("a tokenizer.json of type '{}' has no keys in GGUF that are read here; known: BPE", type);
  for (const char* key : {"continuing_subword_prefix", "end_of_word_suffix"}) {
    const Json* value = model.find(key);
    if (value && value->is_string() && !value->as_string().empty())
      return unsupported("the BPE option '{}' ({}) has no key in GGUF", key, value->as_string());
  }
  const Json* dropout = model.find("dropout");
  if (dropout && dropout->is_number() && dropout->as_double() != 0.0) return unsupported("BPE dropout has no key in GGUF");
  return ok();
}

/// Ids of added_tokens that are not special: matched in text, but shown.
std::set<std::int64_t> plain_added_ids(const Json& document) {
  std::set<std::int64_t> ids;
  if (const Json* list = document.find("added_tokens"))
    for (const Json& token : list->items()) {
      const Json* id = token.find("id");
      const Json* special = token.find("special");
      if (id && !(special && special->as_bool())) ids.insert(id->as_int());
    }
  return ids;
}

TokenRows rows_of(const Tokenizer& tokenizer, const std::set<std::int64_t>& plain_added, std::int32_t count) {
  TokenRows out;
  for (std::int32_t id = 0; id < count; ++id) {
    const auto text = tokenizer.piece(id);
    if (!text) {
      out.rows.push_back(padding_piece(id));
      continue;
    }
    const PieceType type = tokenizer.is_special(id)  ? PieceType::control
                           : plain_added.contains(id) ? PieceType::user_defined
                                                      : PieceType::normal;
    out.rows.push_back({*text, 0.0F, type});
  }
  return out;
}

/// NFC (Qwen 2, GPT-NeoX) changes nothing in most texts; whether to go on without it is asked when ids are compared.
Result<void> check_normalizer(const Json& document) {
  const Json* normalizer = fields::present(document, "normalizer");
  if (!normalizer) return ok();
  VB_TRY(const std::string type, fields::string(*normalizer, "type"), "in section 'normalizer'");
  if (type == "NFC") return ok();
  return unsupported("a byte-level tokenizer with the normalizer {} has no keys in GGUF", type);
}

Result<std::vector<GgufKey>> gpt2_keys(const Document& document, const Tokenizer& tokenizer, std::int32_t count) {
  VB_CHECK(check_normalizer(document.json));
  VB_TRY(const bool ignore_merges, fields::boolean_or(*document.model, "ignore_merges", false));
  const Json* pre_tokenizer = fields::present(document.json, "pre_tokenizer");
  if (!pre_tokenizer) return unsupported("a byte-level tokenizer without a pre_tokenizer has no keys in GGUF");
  VB_TRY(const std::string pre, find_pre_type(*pre_tokenizer, ignore_merges));
  VB_TRY(const MergePairs merges, merges_of_tokenizer_json(*document.model));
  Json::Array merge_texts;
  for (const auto& [left, right] : merges) merge_texts.emplace_back(left + " " + right);

  std::vector<GgufKey> keys{token_key("model", GgufType::string, "gpt2"), token_key("pre", GgufType::string, pre)};
  const TokenRows rows = rows_of(tokenizer, plain_added_ids(document.json), count);
  for (GgufKey& key : rows.keys(false)) keys.push_back(std::move(key));
  keys.push_back(GgufKey::list("tokenizer.ggml.merges", GgufType::string, std::move(merge_texts)));
  return keys;
}

std::vector<GgufKey> llama_keys(const TokenRows& rows, bool add_space_prefix) {
  std::vector<GgufKey> keys{token_key("model", GgufType::string, "llama"), token_key("pre", GgufType::string, "default")};
  for (GgufKey& key : rows.keys(true)) keys.push_back(std::move(key));
  keys.push_back(token_key("add_space_prefix", GgufType::boolean, add_space_prefix));
  return keys;
}

bool prepends_space(const Json& document) {
  if (has_component(fields::present(document, "normalizer"), "Prepend")) return true;
  const Json* pre = fields::present(document, "pre_tokenizer");
  if (!has_component(pre, "Metaspace")) return false;
  const Json* scheme = pre->find("prepend_scheme");
  const Json* legacy = pre->find("add_prefix_space");
  return scheme ? scheme->as_string() != "never" : !legacy || legacy->as_bool();
}

/// Scores are minus the rank (from 1) of the first merge that makes a piece: better ranks, better scores.
Result<std::vector<GgufKey>> ranked_llama_keys(const Document& document, const Tokenizer& tokenizer, std::int32_t count) {
  TokenRows rows = rows_of(tokenizer, plain_added_ids(document.json), count);
  VB_TRY(const MergePairs merges, merges_of_tokenizer_json(*document.model));
  std::unordered_map<std::string, std::size_t> rank;
  for (std::size_t i = 0; i < merges.size(); ++i) rank.emplace(merges[i].first + merges[i].second, i + 1);
  VB_TRY(const std::string unknown, fields::string_or(*document.model, "unk_token", ""));
  for (ScoredPiece& row : rows.rows) {
    if (row.text == unknown) row.type = PieceType::unknown;
    if (row.type != PieceType::normal) continue;
    if (byte_of_piece(row.text)) row.type = PieceType::byte;
    if (const auto at = rank.find(row.text); at != rank.end()) row.score = -static_cast<float>(at->second);
  }
  return llama_keys(rows, prepends_space(document.json));
}

// ---- tokenizer.model

Result<std::vector<GgufKey>> sentencepiece_keys(const std::filesystem::path& path, const Tokenizer& tokenizer,
                                                const std::set<std::int64_t>& plain_added, std::int32_t count) {
  VB_TRY(const std::string bytes, read_file(path, kMaxTokenizerBytes));
  VB_TRY(const PieceModel model, parse_piece_model(bytes), "in {}", path.string());
  if (model.algorithm != PieceAlgorithm::bpe)
    return unsupported("{}: a SentencePiece model that is not BPE has no GGUF vocabulary that is read here", path.string());
  if (model.whitespace_as_suffix || !model.escape_whitespaces)
    return unsupported("{}: white space as a suffix, or not escaped, has no key in GGUF", path.string());
  TokenRows rows = rows_of(tokenizer, plain_added, count);
  for (std::size_t i = 0; i < model.pieces.size() && i < rows.rows.size(); ++i) rows.rows[i] = model.pieces[i];
  std::vector<GgufKey> keys = llama_keys(rows, model.add_dummy_prefix);
  if (model.remove_extra_whitespaces) keys.push_back(token_key("remove_extra_whitespaces", GgufType::boolean, true));
  if (!model.charsmap.empty()) {
    Json::Array map;
    for (const char c : model.charsmap) map.emplace_back(static_cast<int>(static_cast<unsigned char>(c)));
    keys.push_back(GgufKey::list("tokenizer.ggml.precompiled_charsmap", GgufType::u8, std::move(map)));
  }
  return keys;
}

// ---- special ids

/// A token that a JSON file names as text or as {"content": text}.
std::optional<std::int32_t> named_token(const Json& config, std::string_view key, const Tokenizer& tokenizer) {
  const Json* value = config.find(key);
  if (!value) return std::nullopt;
  const Json* content = value->is_object() ? value->find("content") : value;
  return content && content->is_string() ? tokenizer.id_of(content->as_string()) : std::nullopt;
}

/// The first id of a text's encoding is BOS, the last EOS, when the tokenizer adds them.
Result<void> add_around_flags(const Tokenizer& tokenizer, std::vector<GgufKey>& keys) {
  VB_TRY(const Encoding empty, tokenizer.encode("", {.add_special = true}));
  const bool bos = !empty.ids.empty() && tokenizer.bos() && empty.ids.front() == *tokenizer.bos();
  const bool eos = empty.ids.size() > (bos ? 1u : 0u) && tokenizer.eos() && empty.ids.back() == *tokenizer.eos();
  if (empty.ids.size() != static_cast<std::size_t>(bos) + static_cast<std::size_t>(eos))
    return unsupported("the tokenizer puts {} tokens around a text; GGUF knows one BOS and one EOS", empty.ids.size());
  keys.push_back(token_key("add_bos_token", GgufType::boolean, bos));
  keys.push_back(token_key("add_eos_token", GgufType::boolean, eos));
  return ok();
}

/// The tokenizer's own EOS first; others that end a text follow as end of turn and end of message.
Result<void> add_end_ids(const Tokenizer& tokenizer, const ModelConfig& config, std::vector<GgufKey>& keys) {
  std::vector<std::int32_t> ends = config.eos_ids;
  if (tokenizer.eos()) {
    std::erase(ends, *tokenizer.eos());
    ends.insert(ends.begin(), *tokenizer.eos());
  }
  constexpr std::array kNames = {"eos_token_id", "eot_token_id", "eom_token_id"};
  if (ends.size() > kNames.size()) return unsupported("{} tokens end a text; GGUF has keys for {}", ends.size(), kNames.size());
  for (std::size_t i = 0; i < ends.size(); ++i) keys.push_back(token_key(kNames[i], GgufType::u32, ends[i]));
  return ok();
}

Result<void> add_special_ids(const ModelSource& source, const Tokenizer& tokenizer, const ModelConfig& config,
                             std::vector<GgufKey>& keys) {
  const auto bos = tokenizer.bos() ? tokenizer.bos()
                   : config.bos_id >= 0 ? std::optional(config.bos_id)
                                        : std::nullopt;
  if (bos) keys.push_back(token_key("bos_token_id", GgufType::u32, *bos));
  VB_CHECK(add_end_ids(tokenizer, config, keys));
  for (const auto& [file_key, name] : {std::pair("unk_token", "unknown_token_id"), std::pair("pad_token", "padding_token_id")}) {
    auto id = named_token(source.tokenizer_config, file_key, tokenizer);
    if (!id) id = named_token(source.special_tokens_map, file_key, tokenizer);
    if (id) keys.push_back(token_key(name, GgufType::u32, *id));
  }
  return add_around_flags(tokenizer, keys);
}

// ---- the whole

Result<std::vector<GgufKey>> vocabulary_keys(const ModelSource& source, const Tokenizer& tokenizer, std::int32_t count) {
  if (!source.tokenizer_json) return sentencepiece_keys(*source.tokenizer_model, tokenizer, {}, count);
  VB_TRY(const Document document, read_document(*source.tokenizer_json));
  if (source.tokenizer_model)
    return sentencepiece_keys(*source.tokenizer_model, tokenizer, plain_added_ids(document.json), count);
  VB_CHECK(check_bpe(*document.model), "in {}", source.tokenizer_json->string());
  const bool byte_level = has_component(document.json.find("decoder"), "ByteLevel");
  return byte_level ? gpt2_keys(document, tokenizer, count) : ranked_llama_keys(document, tokenizer, count);
}

Json metadata_of(const std::vector<GgufKey>& keys) {
  Json metadata = Json::object();
  for (const GgufKey& key : keys) metadata[key.name] = key.value;
  return metadata;
}

/// Loads what was made and asks it.
Result<void> check_ids(const ModelSource& source, const Tokenizer& tokenizer, const TokenizerOptions& options, GgufTokenizer& out) {
  VB_TRY(const auto made, load_gguf_vocab(metadata_of(out.keys)), "while reading the new vocabulary back");
  VB_TRY(const std::string special, first_special_difference(tokenizer, *made));
  if (!special.empty()) out.notes.push_back("the GGUF's vocabulary reads special tokens inside some texts otherwise: " + special);
  VB_TRY(const std::string difference, first_difference(tokenizer, *made));
  if (difference.empty()) return ok();
  if (!options.allow_inexact)
    return with_hint(unsupported("the vocabulary of a GGUF cannot say what this tokenizer does: {}", difference),
                     "--inexact-tokenizer writes it all the same and keeps the original in tokenizer.huggingface.json");
  out.notes.push_back("the GGUF's vocabulary gives other ids for some texts: " + difference);
  if (!source.tokenizer_json) return ok();
  VB_TRY(std::string text, read_file(*source.tokenizer_json, kMaxTokenizerBytes));
  out.keys.push_back(GgufKey::text("tokenizer.huggingface.json", std::move(text)));
  return ok();
}

/// llama.cpp takes for granted that every byte has a token: texts with another one stop it ("llama"), or give other ids ("gpt2").
void add_byte_note(const Tokenizer& tokenizer, GgufTokenizer& out) {
  const bool byte_level = out.keys.front().value == Json("gpt2");
  int missing = 0;
  for (int byte = 0; byte < 256; ++byte) {
    const auto value = static_cast<std::uint8_t>(byte);
    const bool known = tokenizer.id_of(byte_level ? letter_of(value) : piece_of_byte(value)).has_value() ||
                       (!byte_level && byte < 128 && tokenizer.id_of(std::string(1, static_cast<char>(byte))));
    if (!known) ++missing;
  }
  if (missing > 0)
    out.notes.push_back(format("{} bytes have no token in the vocabulary: llama.cpp {} where a text needs one", missing,
                               byte_level ? "gives other ids" : "stops"));
}

}  // namespace

Result<GgufTokenizer> tokenizer_to_gguf(const ModelSource& source, const ModelConfig& config, const TokenizerOptions& options) {
  GgufTokenizer out;
  VB_TRY(const auto tokenizer, load_tokenizer(source));
  if (!tokenizer) {
    out.notes.emplace_back("the source has no tokenizer, so the GGUF has none");
    out.keys = {GgufKey::text("tokenizer.ggml.model", "none")};  // llama.cpp refuses a file that does not say so
    return out;
  }
  VB_TRY(const std::int32_t count, checked_vocab_size(*tokenizer, config));
  VB_TRY(out.keys, vocabulary_keys(source, *tokenizer, count));
  VB_CHECK(add_special_ids(source, *tokenizer, config, out.keys));
  VB_CHECK(check_ids(source, *tokenizer, options, out));
  add_byte_note(*tokenizer, out);
  VB_TRY(std::vector<GgufKey> templates, chat_templates_to_gguf(source));
  for (GgufKey& key : templates) out.keys.push_back(std::move(key));
  return out;
}

}  // namespace vauban
