// Metaspace: spaces become a visible character, which may be put in front, and pieces may start at each of them.
#include "text/metaspace.h"

#include "text/pre_tokenizers/pre_tokenizer.h"
#include "text/regex.h"

namespace vauban {
namespace {

class MetaspacePreTokenizer final : public PreTokenizer {
 public:
  explicit MetaspacePreTokenizer(Metaspace rule) : rule_(rule), mark_(to_utf8(rule.replacement)) {}

  Result<void> apply(Segments& segments) const override {
    rewrite_pieces(segments,
                   [&](const Segments& in, const Piece& piece, AlignedText& out) { rewrite(in, piece, out); });
    if (!rule_.split) return ok();
    return split_pieces(segments, SplitBehavior::merged_with_next,
                        [&](std::string_view text) -> Result<std::vector<SplitPart>> {
                          return parts_of(find_all_literal(text, mark_), text.size());
                        });
  }

 private:
  void rewrite(const Segments& in, const Piece& piece, AlignedText& out) const {
    const std::string_view text = in.view(piece);
    const bool wanted = rule_.prepend == Metaspace::Prepend::always ||
                        (rule_.prepend == Metaspace::Prepend::first && in.text.span(piece.begin, piece.end).begin == 0);
    if (wanted && !text.empty() && !text.starts_with(' ') && !text.starts_with(mark_))
      out.append(mark_, in.text.origin(piece.begin));
    std::size_t kept = piece.begin;
    for (std::size_t at = piece.begin; at < piece.end; ++at) {
      if (in.text.view()[at] != ' ') continue;
      out.append(in.text, kept, at);
      out.append(mark_, in.text.origin(at));
      kept = at + 1;
    }
    out.append(in.text, kept, piece.end);
  }

  Metaspace rule_;
  std::string mark_;
};

}  // namespace

Result<std::unique_ptr<PreTokenizer>> make_metaspace_pre_tokenizer(const Json& section) {
  VB_TRY(const Metaspace rule, read_metaspace(section));
  return std::make_unique<MetaspacePreTokenizer>(rule);
}

}  // namespace vauban
