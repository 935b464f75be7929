// load_gguf_vocab: the tokenizer.ggml.* keys of a GGUF file. `llama` is SentencePiece BPE by scores, `gpt2` byte-level
// BPE by merges. Defaults where a key is absent are llama.cpp's: llama adds BOS and a leading space, gpt2 neither
// (except for the pre types that say so).
#include <cmath>

#include "base/sha256.h"
#include "text/byte_alphabet.h"
#include "text/fields.h"
#include "text/gguf_pre.h"
#include "text/models/bpe.h"
#include "text/models/merges.h"
#include "text/pipeline_tokenizer.h"
#include "text/sentencepiece/piece_tokenizer.h"

namespace vauban {
namespace {

constexpr std::int64_t kNoToken = 0xFFFFFFFF;  // how some files write "no such token"

std::string key_of(std::string_view name) { return "tokenizer.ggml." + std::string(name); }

Result<std::vector<ScoredPiece>> read_pieces(const Json& metadata) {
  VB_TRY(const Json::Array* const tokens, fields::array(metadata, key_of("tokens")));
  if (tokens->empty()) return corrupt("key '{}': the vocabulary is empty", key_of("tokens"));
  std::vector<ScoredPiece> pieces;
  pieces.reserve(tokens->size());
  for (const Json& token : *tokens) {
    if (!token.is_string()) return corrupt("key '{}': expected strings, found {}", key_of("tokens"), token.type_name());
    pieces.push_back({.text = token.as_string()});
  }
  return pieces;
}

/// An array beside the tokens, which must be as long; nullptr when it is absent.
Result<const Json::Array*> read_beside(const Json& metadata, std::string_view name, std::size_t count) {
  if (!fields::present(metadata, key_of(name))) return nullptr;
  VB_TRY(const Json::Array* const list, fields::array(metadata, key_of(name)));
  if (list->size() != count) return corrupt("key '{}': {} entries beside {} tokens", key_of(name), list->size(), count);
  return list;
}

Result<void> read_types(const Json& metadata, std::vector<ScoredPiece>& pieces) {
  VB_TRY(const Json::Array* const types, read_beside(metadata, "token_type", pieces.size()));
  for (std::size_t i = 0; types && i < pieces.size(); ++i) {
    const Json& type = (*types)[i];
    if (!type.is_integer() || type.as_int() < 1 || type.as_int() > 6)
      return corrupt("key '{}': token {} has no type from 1 to 6", key_of("token_type"), i);
    pieces[i].type = static_cast<PieceType>(type.as_int());
  }
  return ok();
}

Result<void> read_scores(const Json& metadata, std::vector<ScoredPiece>& pieces) {
  VB_TRY(const Json::Array* const scores, read_beside(metadata, "scores", pieces.size()));
  if (!scores) return corrupt("key '{}' is missing: a llama vocabulary merges by scores", key_of("scores"));
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    const Json& score = (*scores)[i];
    if (!score.is_number() || !std::isfinite(score.as_double()))
      return corrupt("key '{}': the score of token {} is not a finite number", key_of("scores"), i);
    pieces[i].score = static_cast<float>(score.as_double());
  }
  return ok();
}

Result<std::optional<std::int32_t>> read_id(const Json& metadata, std::string_view name, std::size_t count) {
  if (!fields::present(metadata, key_of(name))) return std::nullopt;
  VB_TRY(const std::int64_t id, fields::integer(metadata, key_of(name), -1, kNoToken));
  if (id == kNoToken || id == -1) return std::nullopt;
  if (static_cast<std::uint64_t>(id) >= count)
    return corrupt("key '{}': id {} with a vocabulary of {} tokens", key_of(name), id, count);
  return static_cast<std::int32_t>(id);
}

Result<SpecialTokens> read_specials(const Json& metadata, const std::vector<ScoredPiece>& pieces, bool add_bos) {
  SpecialTokens out;
  VB_TRY(out.bos, read_id(metadata, "bos_token_id", pieces.size()));
  VB_TRY(out.eos, read_id(metadata, "eos_token_id", pieces.size()));
  VB_TRY(const bool bos, fields::boolean_or(metadata, key_of("add_bos_token"), add_bos));
  VB_TRY(const bool eos, fields::boolean_or(metadata, key_of("add_eos_token"), false));
  const auto around = [&](std::int32_t id) { return AddedAround{id, pieces[static_cast<std::size_t>(id)].text}; };
  if (bos && out.bos) out.before.push_back(around(*out.bos));
  if (eos && out.eos) out.after.push_back(around(*out.eos));
  return out;
}

/// An array of bytes, signed or not.
Result<std::string> read_charsmap(const Json& metadata) {
  std::string out;
  if (!fields::present(metadata, key_of("precompiled_charsmap"))) return out;
  VB_TRY(const Json::Array* const bytes, fields::array(metadata, key_of("precompiled_charsmap")));
  for (const Json& byte : *bytes) {
    if (!byte.is_integer() || byte.as_int() < -128 || byte.as_int() > 255)
      return corrupt("key '{}': expected bytes", key_of("precompiled_charsmap"));
    out.push_back(static_cast<char>(byte.as_int()));
  }
  return out;
}

Result<std::shared_ptr<const Tokenizer>> load_llama(const Json& metadata) {
  PieceModel model;
  model.algorithm = PieceAlgorithm::bpe;
  model.byte_fallback = true;
  model.unknown_surface = "";
  VB_TRY(model.pieces, read_pieces(metadata));
  VB_CHECK(read_types(metadata, model.pieces));
  VB_CHECK(read_scores(metadata, model.pieces));
  VB_TRY(model.add_dummy_prefix, fields::boolean_or(metadata, key_of("add_space_prefix"), true));
  VB_TRY(model.remove_extra_whitespaces, fields::boolean_or(metadata, key_of("remove_extra_whitespaces"), false));
  VB_TRY(model.charsmap, read_charsmap(metadata));
  VB_TRY(model.unknown_id, read_id(metadata, "unknown_token_id", model.pieces.size()));
  VB_TRY(SpecialTokens specials, read_specials(metadata, model.pieces, true));
  if (model.unknown_id) model.unknown_surface = model.pieces[static_cast<std::size_t>(*model.unknown_id)].text;
  return PieceTokenizer::make(std::move(model), {PieceType::control, PieceType::unknown, PieceType::user_defined}, std::move(specials), {});
}

std::vector<AddedToken> added_tokens(const std::vector<ScoredPiece>& pieces) {
  std::vector<AddedToken> out;
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    const bool special = pieces[i].type == PieceType::control || pieces[i].type == PieceType::unknown;
    if (!special && pieces[i].type != PieceType::user_defined) continue;
    out.push_back(
        {.id = static_cast<std::int32_t>(i), .content = pieces[i].text, .normalized = false, .special = special});
  }
  return out;
}

/// The keys that the ids depend on.
Result<std::string> digest_of(const Json& metadata, const SpecialTokens& specials) {
  Sha256 hash;
  for (const std::string_view name : {"model", "pre", "tokens", "token_type", "merges"}) {
    const Json* const member = metadata.find(key_of(name));
    VB_TRY(const std::string text, member ? member->dump() : Result<std::string>("null"));
    hash.update(text + "\n");
  }
  for (const auto* side : {&specials.before, &specials.after}) {
    hash.update("around");
    for (const AddedAround& token : *side) hash.update(format(" {}", token.id));
  }
  return hash.finish_hex();
}

Result<std::shared_ptr<const Tokenizer>> load_gpt2(const Json& metadata) {
  VB_TRY(std::vector<ScoredPiece> pieces, read_pieces(metadata));
  VB_CHECK(read_types(metadata, pieces));
  VB_TRY(const std::string pre, fields::string_or(metadata, key_of("pre"), "default"));
  VB_TRY(const GgufPreType* const type, find_gguf_pre(pre));
  VB_TRY(const MergePairs merges, merges_of_gguf(metadata));
  std::vector<std::string> texts;
  for (const ScoredPiece& piece : pieces) texts.push_back(piece.text);

  Pipeline pipeline;
  VB_TRY(pipeline.pre_tokenizer, make_pattern_pre_tokenizer(type->patterns));
  VB_TRY(pipeline.model,
         Bpe::make(Vocabulary::from_list(std::move(texts)), merges, BpeOptions{.ignore_merges = type->ignore_merges}));
  VB_TRY(pipeline.decoder,
         make_byte_level_decoder(Json::object({{"add_prefix_space", false}, {"trim_offsets", false}})));
  VB_TRY(pipeline.added, AddedTokens::make(added_tokens(pieces), pipeline.model->vocabulary(), nullptr));
  VB_TRY(pipeline.specials, read_specials(metadata, pieces, type->add_bos));
  VB_TRY(pipeline.digest, digest_of(metadata, pipeline.specials));
  return std::shared_ptr<const Tokenizer>(std::make_shared<const PipelineTokenizer>(std::move(pipeline)));
}

}  // namespace

Result<std::shared_ptr<const Tokenizer>> load_gguf_vocab(const Json& metadata) {
  VB_TRY(const std::string model, fields::string(metadata, key_of("model")), "in the GGUF metadata");
  if (model == "llama") {
    VB_TRY(auto tokenizer, load_llama(metadata), "in the llama vocabulary of the GGUF metadata");
    return tokenizer;
  }
  if (model == "gpt2") {
    VB_TRY(auto tokenizer, load_gpt2(metadata), "in the gpt2 vocabulary of the GGUF metadata");
    return tokenizer;
  }
  return unsupported("tokenizer.ggml.model '{}' is not built (built: llama, gpt2)", model);
}

}  // namespace vauban
