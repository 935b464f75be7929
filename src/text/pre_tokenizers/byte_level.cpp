// ByteLevel: cuts with GPT-2's regular expression (unless told not to), then writes bytes as letters.
#include "text/byte_alphabet.h"
#include "text/fields.h"
#include "text/pattern.h"
#include "text/pre_tokenizers/pre_tokenizer.h"

namespace vauban {
namespace {

constexpr std::string_view kGpt2Pattern =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

class ByteLevel final : public PreTokenizer {
 public:
  ByteLevel(bool add_prefix_space, std::optional<Regex> regex)
      : add_prefix_space_(add_prefix_space), regex_(std::move(regex)) {}

  bool ends_in_letters() const override { return true; }
  Result<void> apply(Segments& segments) const override {
    VB_CHECK(apply_but_letters(segments));
    rewrite_pieces(segments, write_byte_letters);
    return ok();
  }
  Result<void> apply_but_letters(Segments& segments) const override {
    if (add_prefix_space_) rewrite_pieces(segments, prefix_space);
    return regex_ ? split_at_matches(segments, *regex_) : ok();
  }

 private:
  static void prefix_space(const Segments& segments, const Piece& piece, AlignedText& out) {
    const std::string_view text = segments.view(piece);
    if (!text.empty() && !text.starts_with(' ')) out.append(" ", segments.text.origin(piece.begin));
    out.append(segments.text, piece.begin, piece.end);
  }

  bool add_prefix_space_;
  std::optional<Regex> regex_;
};

}  // namespace

void write_byte_letters(const Segments& segments, const Piece& piece, AlignedText& out) {
  for (std::size_t at = piece.begin; at < piece.end; ++at)
    out.append(letter_of(static_cast<std::uint8_t>(segments.text.view()[at])), segments.text.origin(at));
}

Result<std::unique_ptr<PreTokenizer>> make_byte_level_pre_tokenizer(const Json& section) {
  VB_TRY(const bool add_prefix_space, fields::boolean(section, "add_prefix_space"));
  VB_CHECK(fields::boolean(section, "trim_offsets"));  // needed by the format, without effect here
  VB_TRY(const bool use_regex, fields::boolean_or(section, "use_regex", true));
  std::optional<Regex> regex;
  if (use_regex) {
    VB_TRY(regex, Regex::compile(kGpt2Pattern));
  }
  return std::make_unique<ByteLevel>(add_prefix_space, std::move(regex));
}

}  // namespace vauban
