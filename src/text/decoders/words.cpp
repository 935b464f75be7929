// WordPiece, BPEDecoder and CTC: decoders for vocabularies of words and word parts.
#include <algorithm>

#include "text/decoders/decoder.h"
#include "text/fields.h"

namespace vauban {
namespace {

class WordPiece final : public Decoder {
 public:
  WordPiece(std::string prefix, bool cleanup) : prefix_(std::move(prefix)), cleanup_(cleanup) {}
  Result<void> apply(std::vector<std::string>& tokens) const override {
    for (std::size_t i = 0; i < tokens.size(); ++i) {
      std::string& token = tokens[i];
      if (i > 0) token = token.starts_with(prefix_) ? token.substr(prefix_.size()) : " " + token;
      if (cleanup_) token = clean_up(std::move(token));
    }
    return ok();
  }
  Settling settling(bool fused) const override { return fused ? Settling::at_end : Settling::each_token; }

 private:
  std::string prefix_;
  bool cleanup_;
};

class BpeDecoder final : public Decoder {
 public:
  explicit BpeDecoder(std::string suffix) : suffix_(std::move(suffix)) {}
  Result<void> apply(std::vector<std::string>& tokens) const override {
    for (std::size_t i = 0; i < tokens.size(); ++i)
      tokens[i] = replace_all(tokens[i], suffix_, i + 1 == tokens.size() ? "" : " ");
    return ok();
  }
  // The last token loses its suffix, which turns into a space when another token follows.
  Settling settling(bool) const override { return Settling::at_end; }

 private:
  std::string suffix_;
};

class Ctc final : public Decoder {
 public:
  Ctc(std::string pad, std::string delimiter, bool cleanup)
      : pad_(std::move(pad)), delimiter_(std::move(delimiter)), cleanup_(cleanup) {}
  Result<void> apply(std::vector<std::string>& tokens) const override {
    tokens.erase(std::unique(tokens.begin(), tokens.end()), tokens.end());
    for (std::string& token : tokens) {
      token = replace_all(token, pad_, "");
      if (cleanup_) token = replace_all(clean_up(std::move(token)), delimiter_, " ");
    }
    std::erase(tokens, "");
    return ok();
  }
  Settling settling(bool) const override { return Settling::at_end; }

 private:
  std::string pad_, delimiter_;
  bool cleanup_;
};

}  // namespace

Result<std::unique_ptr<Decoder>> make_word_piece_decoder(const Json& section) {
  VB_TRY(std::string prefix, fields::string(section, "prefix"));
  VB_TRY(const bool cleanup, fields::boolean(section, "cleanup"));
  return std::make_unique<WordPiece>(std::move(prefix), cleanup);
}

Result<std::unique_ptr<Decoder>> make_bpe_decoder(const Json& section) {
  VB_TRY(std::string suffix, fields::string(section, "suffix"));
  return std::make_unique<BpeDecoder>(std::move(suffix));
}

Result<std::unique_ptr<Decoder>> make_ctc_decoder(const Json& section) {
  VB_TRY(std::string pad, fields::string(section, "pad_token"));
  VB_TRY(std::string delimiter, fields::string(section, "word_delimiter_token"));
  VB_TRY(const bool cleanup, fields::boolean(section, "cleanup"));
  return std::make_unique<Ctc>(std::move(pad), std::move(delimiter), cleanup);
}

}  // namespace vauban
