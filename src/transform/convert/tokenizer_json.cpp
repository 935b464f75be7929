// tokenizer_json_from_keys: the sections of a tokenizer.json that do what a GGUF vocabulary does.
#include <algorithm>
#include <unordered_map>

#include "text/fields.h"
#include "text/gguf_pre.h"
#include "text/models/merges.h"
#include "transform/convert/tokenizer_to_hf.h"

namespace vauban {
namespace {

constexpr const char* kSpace = "\xE2\x96\x81";  // the metaspace

std::string key_of(std::string_view name) { return "tokenizer.ggml." + std::string(name); }

struct Token {
  std::string text;
  double score = 0;
  PieceType type = PieceType::normal;
};

Result<std::vector<Token>> read_tokens(const Json& metadata) {
  VB_TRY(const Json::Array* texts, fields::array(metadata, key_of("tokens")));
  const Json* types = fields::present(metadata, key_of("token_type"));
  const Json* scores = fields::present(metadata, key_of("scores"));
  std::vector<Token> tokens(texts->size());
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    tokens[i].text = (*texts)[i].as_string();
    if (types && i < types->size()) tokens[i].type = static_cast<PieceType>(types->items()[i].as_int());
    if (scores && i < scores->size()) tokens[i].score = scores->items()[i].as_double();
  }
  return tokens;
}

Json vocabulary(const std::vector<Token>& tokens) {
  Json vocab = Json::object();
  for (std::size_t i = 0; i < tokens.size(); ++i)
    if (tokens[i].type != PieceType::unused && !vocab.find(tokens[i].text)) vocab[tokens[i].text] = i;
  return vocab;
}

Json added_tokens(const std::vector<Token>& tokens) {
  Json list = Json::array();
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    const bool special = tokens[i].type == PieceType::control || tokens[i].type == PieceType::unknown;
    if (!special && tokens[i].type != PieceType::user_defined) continue;
    list.push_back(Json::object({{"id", i}, {"content", tokens[i].text}, {"single_word", false}, {"lstrip", false},
                                 {"rstrip", false}, {"normalized", false}, {"special", special}}));
  }
  return list;
}

/// Merges that build every piece from every two others, best pieces first; of equals the one with the lower ids.
Json merges_by_score(const std::vector<Token>& tokens) {
  std::unordered_map<std::string_view, std::size_t> ids;
  for (std::size_t i = 0; i < tokens.size(); ++i)
    if (tokens[i].type == PieceType::normal) ids.emplace(tokens[i].text, i);
  std::vector<std::size_t> order;
  for (const auto& [text, id] : ids) order.push_back(id);
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return tokens[a].score != tokens[b].score ? tokens[a].score > tokens[b].score : a < b;
  });
  Json::Array merges;
  for (const std::size_t id : order) {
    const std::string_view text = tokens[id].text;
    for (std::size_t cut = 1; cut < text.size(); ++cut) {
      const std::string_view left = text.substr(0, cut), right = text.substr(cut);
      if (ids.contains(left) && ids.contains(right)) merges.push_back(Json::array({left, right}));
    }
  }
  return Json(std::move(merges));
}

/// BOS and EOS around a text, by the flags; null for neither.
Result<Json> post_processor(const Json& metadata, const std::vector<Token>& tokens, bool add_bos) {
  VB_TRY(const bool bos, fields::boolean_or(metadata, key_of("add_bos_token"), add_bos));
  VB_TRY(const bool eos, fields::boolean_or(metadata, key_of("add_eos_token"), false));
  Json single = Json::array(), pair = Json::array(), specials = Json::object();
  const auto add_special = [&](bool wanted, const char* key) {
    const Json* id = metadata.find(key_of(key));
    if (!wanted || !id || id->as_int() < 0 || id->as_int() >= static_cast<std::int64_t>(tokens.size())) return;
    const std::string& text = tokens[static_cast<std::size_t>(id->as_int())].text;
    single.push_back(Json::object({{"SpecialToken", Json::object({{"id", text}, {"type_id", 0}})}}));
    specials[text] = Json::object({{"id", text}, {"ids", Json::array({*id})}, {"tokens", Json::array({text})}});
  };
  add_special(bos, "bos_token_id");
  single.push_back(Json::object({{"Sequence", Json::object({{"id", "A"}, {"type_id", 0}})}}));
  add_special(eos, "eos_token_id");
  if (single.size() == 1) return Json();
  for (const Json& item : single.items()) pair.push_back(item);
  for (const Json& item : single.items()) {
    Json second = item;
    const bool text = second.find("Sequence") != nullptr;
    Json& part = second[text ? "Sequence" : "SpecialToken"];
    part["type_id"] = 1;
    if (text) part["id"] = "B";
    pair.push_back(std::move(second));
  }
  return Json::object({{"type", "TemplateProcessing"}, {"single", single}, {"pair", pair}, {"special_tokens", specials}});
}

Json document(const std::vector<Token>& tokens) {
  return Json::object({{"version", "1.0"}, {"truncation", Json()}, {"padding", Json()}, {"added_tokens", added_tokens(tokens)},
                       {"normalizer", Json()}, {"pre_tokenizer", Json()}});
}

Json bpe_model(const std::vector<Token>& tokens, Json merges) {
  return Json::object({{"type", "BPE"}, {"dropout", Json()}, {"unk_token", Json()}, {"continuing_subword_prefix", Json()},
                       {"end_of_word_suffix", Json()}, {"fuse_unk", false}, {"byte_fallback", false},
                       {"ignore_merges", false}, {"vocab", vocabulary(tokens)}, {"merges", std::move(merges)}});
}

// ---- gpt2

Json byte_level(bool use_regex) {
  return Json::object({{"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}, {"use_regex", use_regex}});
}

Json pre_tokenizer_of(const GgufPreType& type) {
  Json parts = Json::array();
  for (const std::string_view pattern : type.patterns)
    parts.push_back(Json::object({{"type", "Split"}, {"pattern", Json::object({{"Regex", pattern}})},
                                  {"behavior", "Isolated"}, {"invert", false}}));
  parts.push_back(byte_level(false));
  return Json::object({{"type", "Sequence"}, {"pretokenizers", std::move(parts)}});
}

/// As pairs: what a text of a GGUF says whatever spaces its pieces hold.
Result<Json> merges_as_pairs(const Json& metadata) {
  VB_TRY(const MergePairs pairs, merges_of_gguf(metadata));
  Json::Array merges;
  merges.reserve(pairs.size());
  for (const auto& [left, right] : pairs) merges.push_back(Json::array({left, right}));
  return Json(std::move(merges));
}

Result<Json> gpt2_document(const Json& metadata) {
  VB_TRY(const std::vector<Token> tokens, read_tokens(metadata));
  VB_TRY(const std::string pre, fields::string_or(metadata, key_of("pre"), "default"));
  VB_TRY(const GgufPreType* type, find_gguf_pre(pre));
  VB_TRY(Json merges, merges_as_pairs(metadata));
  Json out = document(tokens);
  out["pre_tokenizer"] = pre_tokenizer_of(*type);
  VB_TRY(out["post_processor"], post_processor(metadata, tokens, type->add_bos));
  out["decoder"] = byte_level(true);
  out["model"] = bpe_model(tokens, std::move(merges));
  out["model"]["ignore_merges"] = type->ignore_merges;
  return out;
}

// ---- llama

Json replacing(const char* what, const char* content) {
  return Json::object({{"type", "Replace"}, {"pattern", Json::object({{"String", what}})}, {"content", content}});
}

Json metaspace_normalizer(bool prefix) {
  Json steps = Json::array();
  if (prefix) steps.push_back(Json::object({{"type", "Prepend"}, {"prepend", kSpace}}));
  steps.push_back(replacing(" ", kSpace));
  return Json::object({{"type", "Sequence"}, {"normalizers", std::move(steps)}});
}

Json metaspace_decoder(bool prefix) {
  Json steps = Json::array({replacing(kSpace, " "), Json::object({{"type", "ByteFallback"}}), Json::object({{"type", "Fuse"}})});
  if (prefix) steps.push_back(Json::object({{"type", "Strip"}, {"content", " "}, {"start", 1}, {"stop", 0}}));
  return Json::object({{"type", "Sequence"}, {"decoders", std::move(steps)}});
}

Result<Json> llama_document(const Json& metadata) {
  VB_TRY(const std::vector<Token> tokens, read_tokens(metadata));
  VB_TRY(const bool prefix, fields::boolean_or(metadata, key_of("add_space_prefix"), true));
  Json out = document(tokens);
  out["normalizer"] = metaspace_normalizer(prefix);
  VB_TRY(out["post_processor"], post_processor(metadata, tokens, true));
  out["decoder"] = metaspace_decoder(prefix);
  out["model"] = bpe_model(tokens, merges_by_score(tokens));
  Json& model = out["model"];
  model["byte_fallback"] = true;
  model["fuse_unk"] = true;
  const auto unknown = std::ranges::find(tokens, PieceType::unknown, &Token::type);
  if (unknown != tokens.end()) model["unk_token"] = unknown->text;
  return out;
}

}  // namespace

Result<Json> tokenizer_json_from_keys(const Json& metadata) {
  VB_TRY(const std::string model, fields::string(metadata, key_of("model")), "in the GGUF metadata");
  if (model == "gpt2") return gpt2_document(metadata);
  if (model == "llama") return llama_document(metadata);
  return unsupported("tokenizer.ggml.model '{}' cannot be written as a tokenizer.json (known: llama, gpt2)", model);
}

}  // namespace vauban
