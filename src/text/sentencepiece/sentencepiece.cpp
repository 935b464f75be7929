// load_sentencepiece: a tokenizer.model file.
#include "text/fields.h"
#include "text/sentencepiece/piece_tokenizer.h"

namespace vauban {
namespace {

/// A model file does not say whether BOS is wanted; the tokenizers that are built on one (Llama, Gemma, Mistral) add
/// BOS and no EOS unless tokenizer_config.json says otherwise.
SpecialTokens default_specials(const PieceModel& model) {
  SpecialTokens out{.bos = model.bos, .eos = model.eos, .before = {}, .after = {}};
  if (model.bos) out.before.push_back({*model.bos, model.pieces[static_cast<std::size_t>(*model.bos)].text});
  return out;
}

/// Tokens that tokenizer_config.json adds to the model are not built here; tokenizer.json carries them.
Result<void> check_added_tokens(const Json& config, const Tokenizer& tokenizer) {
  const Json* const list = fields::present(config, "added_tokens_decoder");
  if (!list) return ok();
  if (!list->is_object()) return corrupt("key 'added_tokens_decoder': expected an object, found {}", list->type_name());
  for (const auto& [id, entry] : list->entries()) {
    VB_TRY(const std::string content, fields::string(entry, "content"), "in 'added_tokens_decoder'");
    if (!tokenizer.id_of(content))
      return with_hint(
          unsupported("token '{}' (id {}) is added to a tokenizer.model by tokenizer_config.json", content, id),
          "use the model's tokenizer.json");
  }
  return ok();
}

}  // namespace

Result<std::shared_ptr<const Tokenizer>> load_sentencepiece(std::string_view model_bytes, const TokenizerHints& hints) {
  VB_TRY(PieceModel model, parse_piece_model(model_bytes), "in tokenizer.model");
  SpecialTokens specials = default_specials(model);
  VB_TRY(auto tokenizer, PieceTokenizer::make(std::move(model), {PieceType::control, PieceType::unknown}, std::move(specials), hints),
         "in tokenizer.model");
  VB_CHECK(check_added_tokens(hints.tokenizer_config, *tokenizer));
  return tokenizer;
}

}  // namespace vauban
