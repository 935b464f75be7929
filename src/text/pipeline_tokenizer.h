/// PipelineTokenizer: added tokens -> normaliser -> pre-tokeniser -> model -> post-processor, and a decoder for the way
/// back. What a tokenizer.json describes; the gpt2 vocabularies of GGUF files are run by it too.
#pragma once

#include <memory>
#include <string>

#include "text/added_tokens.h"
#include "text/decoders/decoder.h"
#include "text/models/token_model.h"
#include "text/normalizers/normalizer.h"
#include "text/post_processors/post_processor.h"
#include "text/pre_tokenizers/pre_tokenizer.h"
#include "text/special_tokens.h"
#include "text/tokenizer.h"

namespace vauban {

struct Pipeline {
  std::unique_ptr<Normalizer> normalizer;  ///< this, and all below but the model, may be null
  std::unique_ptr<PreTokenizer> pre_tokenizer;
  std::unique_ptr<TokenModel> model;
  std::unique_ptr<PostProcessor> post_processor;
  std::unique_ptr<Decoder> decoder;
  AddedTokens added;
  SpecialTokens specials;
  std::optional<InputRules> inputs;  ///< nothing: by `specials`
  std::string digest;
};

class PipelineTokenizer final : public Tokenizer {
 public:
  explicit PipelineTokenizer(Pipeline pipeline)
      : pipeline_(std::move(pipeline)),
        in_bytes_(pipeline_.model->takes_bytes() && pipeline_.pre_tokenizer && pipeline_.pre_tokenizer->ends_in_letters()) {}

  Result<Encoding> encode(std::string_view text, const EncodeOptions& options) const override;
  InputRules input_rules() const override;
  void finish(Encoding& encoding, std::string_view text) const override;
  Result<std::string> decode(std::span<const std::int32_t> ids, bool skip_special) const override;
  Result<std::string> token_bytes(std::int32_t id) const override;
  bool settles(std::int32_t id) const override;
  std::int32_t vocab_size() const override;
  Result<std::string> piece(std::int32_t id) const override;
  std::optional<std::int32_t> id_of(std::string_view piece) const override;
  bool is_special(std::int32_t id) const override;
  std::optional<std::int32_t> bos() const override { return pipeline_.specials.bos; }
  std::optional<std::int32_t> eos() const override { return pipeline_.specials.eos; }
  std::string_view kind() const override;
  std::string digest() const override { return pipeline_.digest; }

 private:
  Result<Segments> segment(std::string_view text, bool specials) const;
  /// Pieces of `out` are vocabulary texts, except that an added token shows what it matched (with stripped spaces).
  Result<void> tokenize(const Segments& segments, Encoding& out) const;
  const std::string* text_of(std::int32_t id) const;
  Result<std::string> join(std::vector<std::string> tokens) const;

  Pipeline pipeline_;
  /// Byte-level BPE: pieces go to the model as bytes. Writing them as letters first would give the same, slower.
  bool in_bytes_;
};

/// Errors: invalid_input unless `text` is UTF-8 and shorter than 4 GiB.
Result<void> check_input(std::string_view text);

/// How a TokenLookup asks a model and its added tokens.
TokenLookup lookup_in(const AddedTokens& added, const TokenModel& model);

}  // namespace vauban
