// Cuts with one pattern after the other, then writes bytes as letters: what the files that name no pre-tokeniser (GGUF,
// tiktoken) are cut with.
#include "text/pre_tokenizers/pre_tokenizer.h"

namespace vauban {
namespace {

class Patterns final : public PreTokenizer {
 public:
  explicit Patterns(std::vector<Regex> regexes) : regexes_(std::move(regexes)) {}

  Result<void> apply(Segments& segments) const override {
    VB_CHECK(apply_but_letters(segments));
    rewrite_pieces(segments, write_byte_letters);
    return ok();
  }
  bool ends_in_letters() const override { return true; }
  Result<void> apply_but_letters(Segments& segments) const override {
    for (const Regex& regex : regexes_) VB_CHECK(split_at_matches(segments, regex));
    return ok();
  }

 private:
  std::vector<Regex> regexes_;
};

}  // namespace

Result<std::unique_ptr<PreTokenizer>> make_pattern_pre_tokenizer(std::span<const std::string_view> patterns) {
  std::vector<Regex> regexes;
  for (const std::string_view pattern : patterns) {
    VB_TRY(Regex regex, Regex::compile(pattern));
    regexes.push_back(std::move(regex));
  }
  return std::make_unique<Patterns>(std::move(regexes));
}

}  // namespace vauban
