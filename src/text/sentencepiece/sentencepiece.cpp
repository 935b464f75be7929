// load_sentencepiece: a tokenizer.model file.
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

}  // namespace

Result<std::shared_ptr<const Tokenizer>> load_sentencepiece(std::string_view model_bytes, const TokenizerHints& hints) {
  VB_TRY(PieceModel model, parse_piece_model(model_bytes), "in tokenizer.model");
  SpecialTokens specials = default_specials(model);
  VB_TRY(auto tokenizer, PieceTokenizer::make(std::move(model), {PieceType::control}, std::move(specials), hints),
         "in tokenizer.model");
  return tokenizer;
}

}  // namespace vauban
