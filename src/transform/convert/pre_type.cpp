// find_pre_type: by what a pre-tokeniser does to text, not by how its pattern is spelled.
#include "text/gguf_pre.h"
#include "text/pre_tokenizers/pre_tokenizer.h"
#include "transform/convert/tokenizer_probe.h"
#include "transform/convert/tokenizer_to_gguf.h"

namespace vauban {
namespace {

using Cuts = std::vector<std::string>;

Segments whole(const std::string& text) {
  Segments segments;
  segments.text = AlignedText(text, 0);
  if (!text.empty()) segments.pieces.push_back({0, text.size(), -1});
  return segments;
}

Cuts pieces_of(const Segments& segments) {
  Cuts cuts;
  for (const Piece& piece : segments.pieces) cuts.emplace_back(segments.view(piece));
  return cuts;
}

Result<Cuts> cut(const PreTokenizer& pre_tokenizer, const std::string& text) {
  Segments segments = whole(text);
  VB_CHECK(pre_tokenizer.apply(segments));
  return pieces_of(segments);
}

Result<Cuts> cut(const GgufPreType& type, const std::string& text) {
  Segments segments = whole(text);
  for (const std::string_view pattern : type.patterns) {
    VB_TRY(const Regex regex, Regex::compile(pattern));
    VB_CHECK(split_pieces(segments, SplitBehavior::isolated, [&](std::string_view piece) -> Result<std::vector<SplitPart>> {
      VB_TRY(const auto matches, regex.find_all(piece));
      return parts_of(matches, piece.size());
    }));
  }
  rewrite_pieces(segments, write_byte_letters);
  return pieces_of(segments);
}

Result<bool> cuts_alike(const PreTokenizer& pre_tokenizer, const GgufPreType& type) {
  for (const std::string& text : probe_texts()) {
    VB_TRY(const Cuts expected, cut(pre_tokenizer, text));
    VB_TRY(const Cuts found, cut(type, text));
    if (expected != found) return false;
  }
  return true;
}

}  // namespace

Result<std::string> find_pre_type(const Json& pre_tokenizer, bool ignore_merges) {
  VB_TRY(const auto made, make_pre_tokenizer(pre_tokenizer), "in section 'pre_tokenizer'");
  for (const GgufPreType& type : all_gguf_pre_types()) {
    if (type.ignore_merges != ignore_merges) continue;
    VB_TRY(const bool alike, cuts_alike(*made, type));
    if (alike) return std::string(type.name);
  }
  std::string known;
  for (const GgufPreType& type : all_gguf_pre_types()) known += (known.empty() ? "" : ", ") + std::string(type.name);
  return with_hint(unsupported("no 'tokenizer.ggml.pre' type cuts text as this pre_tokenizer does (ignore_merges {}; tried {})",
                               ignore_merges, known),
                   "GGUF names pre-tokenisers instead of storing them");
}

}  // namespace vauban
