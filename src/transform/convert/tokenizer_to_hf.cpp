#include "transform/convert/tokenizer_to_hf.h"

#include "model/model.h"
#include "text/fields.h"
#include "transform/convert/chat_templates.h"
#include "transform/convert/tokenizer_probe.h"

namespace vauban {
namespace {

std::string key_of(std::string_view name) { return "tokenizer.ggml." + std::string(name); }

/// The text of the token whose id stands under `key`; null where there is none.
Json token_text(const Json& metadata, const Tokenizer& tokenizer, std::string_view key) {
  const Json* id = metadata.find(key_of(key));
  if (!id || id->as_int() < 0 || id->as_int() >= tokenizer.vocab_size()) return Json();
  const auto text = tokenizer.piece(static_cast<std::int32_t>(id->as_int()));
  return text ? Json(*text) : Json();
}

Json special_tokens_map(const Json& metadata, const Tokenizer& tokenizer) {
  Json map = Json::object();
  for (const auto& [name, key] : {std::pair("bos_token", "bos_token_id"), std::pair("eos_token", "eos_token_id"),
                                  std::pair("unk_token", "unknown_token_id"), std::pair("pad_token", "padding_token_id")}) {
    Json text = token_text(metadata, tokenizer, key);
    if (!text.is_null()) map[name] = std::move(text);
  }
  return map;
}

Json tokenizer_config(const Json& metadata, const Tokenizer& tokenizer) {
  Json config = special_tokens_map(metadata, tokenizer);
  // BOS and EOS may be one token, so the side on which it stands decides.
  const Frame frame = tokenizer.input_rules().single;
  const auto is = [](const FramePart& part, const std::optional<std::int32_t>& id) {
    return part.kind == FramePart::Kind::token && id && part.token.id == *id;
  };
  config["add_bos_token"] = !frame.empty() && is(frame.front(), tokenizer.bos());
  config["add_eos_token"] = !frame.empty() && is(frame.back(), tokenizer.eos());
  config["clean_up_tokenization_spaces"] = false;
  config["tokenizer_class"] = "PreTrainedTokenizerFast";
  return config;
}

/// The default template has a file of its own; named ones stand in a list.
Result<void> add_templates(const ModelSource& gguf, HfTokenizer& out) {
  VB_TRY(const auto templates, chat_templates_of(gguf));
  Json list = Json::array();
  for (const auto& [name, text] : templates) {
    if (name.empty()) out.text_files["chat_template.jinja"] = text;
    list.push_back(Json::object({{"name", name.empty() ? "default" : name}, {"template", text}}));
  }
  if (list.size() > (templates.contains("") ? 1u : 0u)) out.json_files["tokenizer_config.json"]["chat_template"] = list;
  return ok();
}

TokenizerHints hints_of(const HfTokenizer& files) {
  return {.tokenizer_config = files.json_files.at("tokenizer_config.json"),
          .special_tokens_map = files.json_files.at("special_tokens_map.json"),
          .generation_config = {}};
}

/// Empty when `made` loads and gives the same ids; else why not.
Result<std::string> fault_of(const Tokenizer& source, const Result<std::shared_ptr<const Tokenizer>>& made) {
  if (!made) return describe(made.error());
  return first_difference(source, **made);
}

/// The vocabulary of a `llama` model as a SentencePiece model.
Result<PieceModel> piece_model_of(const Json& metadata) {
  PieceModel model;
  model.algorithm = PieceAlgorithm::bpe;
  model.byte_fallback = true;
  VB_TRY(const Json::Array* tokens, fields::array(metadata, key_of("tokens")));
  VB_TRY(const Json::Array* scores, fields::array(metadata, key_of("scores")));
  VB_TRY(const Json::Array* types, fields::array(metadata, key_of("token_type")));
  for (std::size_t i = 0; i < tokens->size(); ++i) {
    const auto type = static_cast<PieceType>((*types)[i].as_int());
    model.pieces.push_back({(*tokens)[i].as_string(), static_cast<float>((*scores)[i].as_double()), type});
    if (type == PieceType::unknown && !model.unknown_id) model.unknown_id = static_cast<std::int32_t>(i);
  }
  VB_TRY(model.add_dummy_prefix, fields::boolean_or(metadata, key_of("add_space_prefix"), true));
  VB_TRY(model.remove_extra_whitespaces, fields::boolean_or(metadata, key_of("remove_extra_whitespaces"), false));
  if (const Json* map = metadata.find(key_of("precompiled_charsmap")))
    for (const Json& byte : map->items()) model.charsmap.push_back(static_cast<char>(byte.as_int()));
  const auto control = [&](const char* key) -> std::optional<std::int32_t> {
    const Json* id = metadata.find(key_of(key));
    if (!id || id->as_int() < 0 || id->as_int() >= static_cast<std::int64_t>(model.pieces.size())) return std::nullopt;
    return static_cast<std::int32_t>(id->as_int());
  };
  model.bos = control("bos_token_id");
  model.eos = control("eos_token_id");
  return model;
}

Result<void> add_sentencepiece(const Json& metadata, const Tokenizer& tokenizer, HfTokenizer& out) {
  VB_TRY(const PieceModel model, piece_model_of(metadata));
  std::string bytes = write_piece_model(model);
  VB_TRY(const std::string fault, fault_of(tokenizer, load_sentencepiece(bytes, hints_of(out))));
  if (!fault.empty()) {
    out.notes.push_back("no tokenizer.model was written: " + fault);
    return ok();
  }
  out.text_files["tokenizer.model"] = std::move(bytes);
  return ok();
}

Result<void> add_tokenizer_json(const Json& metadata, const Tokenizer& tokenizer, HfTokenizer& out) {
  VB_TRY(const Json document, tokenizer_json_from_keys(metadata));
  VB_TRY(std::string text, document.dump(1));
  VB_TRY(const std::string fault, fault_of(tokenizer, load_tokenizer_json(text, hints_of(out))));
  if (fault.empty()) {
    out.text_files["tokenizer.json"] = text + "\n";
    return ok();
  }
  if (!out.text_files.contains("tokenizer.model")) return unsupported("no tokenizer file gives the ids of this GGUF: {}", fault);
  out.notes.push_back("no tokenizer.json was written, tokenizer.model holds the vocabulary: " + fault);
  return ok();
}

}  // namespace

Result<HfTokenizer> tokenizer_to_hf(const ModelSource& gguf) {
  HfTokenizer out;
  VB_TRY(const auto tokenizer, load_tokenizer(gguf));
  if (!tokenizer) {
    out.notes.emplace_back("the source has no tokenizer, so the folder has none");
    return out;
  }
  const Json& metadata = gguf.file->metadata();
  out.json_files["special_tokens_map.json"] = special_tokens_map(metadata, *tokenizer);
  out.json_files["tokenizer_config.json"] = tokenizer_config(metadata, *tokenizer);
  if (const Json* original = metadata.find("tokenizer.huggingface.json"); original && original->is_string()) {
    VB_CHECK(load_tokenizer_json(original->as_string(), hints_of(out)), "in key 'tokenizer.huggingface.json'");
    out.text_files["tokenizer.json"] = original->as_string();
  } else {
    if (metadata.find(key_of("scores"))) VB_CHECK(add_sentencepiece(metadata, *tokenizer, out));
    VB_CHECK(add_tokenizer_json(metadata, *tokenizer, out));
  }
  VB_CHECK(add_templates(gguf, out));
  return out;
}

}  // namespace vauban
