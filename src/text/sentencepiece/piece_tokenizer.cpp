#include "text/sentencepiece/piece_tokenizer.h"

#include <algorithm>
#include <bit>

#include "base/sha256.h"
#include "text/byte_alphabet.h"
#include "text/pipeline_tokenizer.h"

namespace vauban {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

std::vector<std::int32_t> byte_ids_of(const PieceModel& model) {
  std::vector<std::int32_t> ids(256, -1);
  for (std::size_t i = 0; i < model.pieces.size(); ++i) {
    if (model.pieces[i].type != PieceType::byte) continue;
    if (const auto byte = byte_of_piece(model.pieces[i].text)) ids[*byte] = static_cast<std::int32_t>(i);
  }
  return ids;
}

std::vector<AddedToken> literal_tokens(const PieceModel& model, const std::vector<PieceType>& types) {
  std::vector<AddedToken> out;
  for (std::size_t i = 0; i < model.pieces.size(); ++i) {
    const ScoredPiece& piece = model.pieces[i];
    if (std::find(types.begin(), types.end(), piece.type) == types.end()) continue;
    out.push_back({.id = static_cast<std::int32_t>(i),
                   .content = piece.text,
                   .normalized = false,
                   .special = piece.type != PieceType::user_defined});
  }
  return out;
}

std::string with_spaces(std::string_view piece) {
  std::string out;
  for (std::size_t at = 0; at < piece.size();) {
    const bool mark = piece.substr(at).starts_with(kSpaceMark);
    out += mark ? ' ' : piece[at];
    at += mark ? kSpaceMark.size() : 1;
  }
  return out;
}

}  // namespace

PieceTokenizer::PieceTokenizer(PieceModel model) : model_(std::move(model)) {
  ids_.reserve(model_.pieces.size());
  for (std::size_t i = 0; i < model_.pieces.size(); ++i)
    ids_.try_emplace(model_.pieces[i].text, static_cast<std::int32_t>(i));
  if (model_.byte_fallback) byte_ids_ = byte_ids_of(model_);
}

Result<std::shared_ptr<const Tokenizer>> PieceTokenizer::make(PieceModel model, const std::vector<PieceType>& literal,
                                                              SpecialTokens specials, const TokenizerHints& hints) {
  std::shared_ptr<PieceTokenizer> out(new PieceTokenizer(std::move(model)));
  std::vector<std::string> texts;
  for (const ScoredPiece& piece : out->model_.pieces) texts.push_back(piece.text);
  VB_TRY(out->literal_,
         AddedTokens::make(literal_tokens(out->model_, literal), Vocabulary::from_list(std::move(texts)), nullptr));
  VB_TRY(out->normalizer_, PieceNormalizer::make(out->model_));
  out->index_ = std::make_unique<PieceIndex>(out->model_, out->normalizer_.user_symbols());
  out->segmenter_ = make_segmenter(*out->index_);
  const TokenLookup lookup{.id_of = [&](std::string_view text) { return out->id_of(text); },
                           .text_of = [&](std::int32_t id) -> std::optional<std::string> {
                             const auto text = out->piece(id);
                             return text ? std::optional(*text) : std::nullopt;
                           }};
  VB_TRY(out->specials_, resolve_special_tokens(std::move(specials), hints, lookup));
  out->digest_ = sha256_hex(out->digest_text());
  return std::shared_ptr<const Tokenizer>(std::move(out));
}

std::string PieceTokenizer::digest_text() const {
  std::string text = format("{} {} {} {} {} {} {}\n", static_cast<int>(model_.algorithm), model_.add_dummy_prefix,
                            model_.remove_extra_whitespaces, model_.escape_whitespaces, model_.whitespace_as_suffix,
                            model_.byte_fallback, sha256_hex(model_.charsmap));
  for (const ScoredPiece& piece : model_.pieces)
    text += format("{} {} {} {}\n", piece.text.size(), piece.text, std::bit_cast<std::uint32_t>(piece.score),
                   static_cast<int>(piece.type));
  for (const auto* side : {&specials_.before, &specials_.after}) {
    text += "around";
    for (const AddedAround& token : *side) text += format(" {}", token.id);
  }
  return text;
}

/// Appends the tokens of one stretch of text to an encoding.
class PieceTokenizer::Writer {
 public:
  Writer(const PieceTokenizer& tokenizer, Encoding& out) : t_(tokenizer), out_(out) {}

  Result<void> write(const NormalizedPieceText& normal) {
    std::vector<Segment> segments;
    t_.segmenter_->segment(normal.text, segments);
    for (const Segment& segment : segments) {
      const TokenSpan span{normal.origins[segment.begin], normal.origins[segment.end]};
      const std::string_view text = std::string_view(normal.text).substr(segment.begin, segment.end - segment.begin);
      VB_CHECK(write_segment(segment.id, text, span));
    }
    return ok();
  }

  void put(std::int32_t id, TokenSpan span) {
    out_.ids.push_back(id);
    out_.pieces.push_back(t_.model_.pieces[static_cast<std::size_t>(id)].text);
    out_.offsets.push_back(span);
  }

 private:
  Result<void> write_segment(std::int32_t id, std::string_view text, TokenSpan span) {
    const bool unknown = id < 0;
    if (!unknown) put(id, span);
    if (unknown && !write_bytes(text, span)) VB_CHECK(write_unknown(text, span));
    after_unknown_ = unknown && out_.ids.back() == t_.model_.unknown_id;
    return ok();
  }

  /// The last byte stands for the character, the others for nothing.
  bool write_bytes(std::string_view text, TokenSpan span) {
    if (t_.byte_ids_.empty()) return false;
    const auto id_of = [&](char c) { return t_.byte_ids_[static_cast<unsigned char>(c)]; };
    if (std::any_of(text.begin(), text.end(), [&](char c) { return id_of(c) < 0; })) return false;
    for (std::size_t i = 0; i < text.size(); ++i)
      put(id_of(text[i]), {span.begin, i + 1 == text.size() ? span.end : span.begin});
    return true;
  }

  /// Neighbouring unknowns are one token.
  Result<void> write_unknown(std::string_view text, TokenSpan span) {
    if (!t_.model_.unknown_id) return corrupt("'{}' has no tokens, and the vocabulary has no unknown token", text);
    if (after_unknown_)
      out_.offsets.back().end = span.end;
    else
      put(*t_.model_.unknown_id, span);
    return ok();
  }

  const PieceTokenizer& t_;
  Encoding& out_;
  bool after_unknown_ = false;
};

Result<Encoding> PieceTokenizer::encode(std::string_view text, const EncodeOptions& options) const {
  VB_CHECK(check_input(text));
  Encoding out;
  for (const Piece& section : literal_.find_raw(text, options.parse_special)) {
    Writer writer(*this, out);
    if (section.token >= 0) {
      writer.put(section.token, {section.begin, section.end});
      continue;
    }
    const std::string_view part = text.substr(section.begin, section.end - section.begin);
    VB_CHECK(writer.write(normalizer_.apply(part, section.begin)));
  }
  if (options.add_special) add_around(out, specials_);
  return out;
}

Result<const ScoredPiece*> PieceTokenizer::known(std::int32_t id) const {
  if (id < 0 || static_cast<std::size_t>(id) >= model_.pieces.size())
    return invalid_input("token id {} is not in the vocabulary (ids 0 to {})", id, vocab_size() - 1);
  return &model_.pieces[static_cast<std::size_t>(id)];
}

/// Joins pieces to text: runs of byte pieces become characters, the leading space of the text goes.
class PieceTokenizer::Reader {
 public:
  explicit Reader(const PieceModel& model)
      : model_(model), strips_(model.add_dummy_prefix || model.remove_extra_whitespaces) {}

  void read(const ScoredPiece& piece) {
    const auto byte = piece.type == PieceType::byte ? byte_of_piece(piece.text) : std::nullopt;
    if (byte) {
      run_.push_back(static_cast<char>(*byte));
      return;
    }
    flush();
    if (piece.type == PieceType::unknown)
      out_ += model_.unknown_surface;
    else
      out_ += with_spaces(without_leading_space(piece.text));
  }

  std::string finish() {
    flush();
    return std::move(out_);
  }

 private:
  /// Each byte that starts no valid character becomes one U+FFFD.
  void flush() {
    for (std::string_view rest = run_; !rest.empty();) {
      const std::size_t size = valid_code_point_size(rest);
      out_ += size > 0 ? rest.substr(0, size) : kReplacement;
      rest.remove_prefix(std::max<std::size_t>(size, 1));
    }
    run_.clear();
  }

  std::string_view without_leading_space(std::string_view text) {
    strips_ = strips_ && out_.empty();
    if (!strips_ || !text.starts_with(kSpaceMark)) return text;
    strips_ = model_.remove_extra_whitespaces;  // then all leading spaces go, else one
    return text.substr(kSpaceMark.size());
  }

  const PieceModel& model_;
  bool strips_;
  std::string out_, run_;
};

Result<std::string> PieceTokenizer::decode(std::span<const std::int32_t> ids, bool skip_special) const {
  Reader reader(model_);
  for (const std::int32_t id : ids) {
    VB_TRY(const ScoredPiece* const piece, known(id));
    if (!skip_special || !is_special(id)) reader.read(*piece);
  }
  return reader.finish();
}

Result<std::string> PieceTokenizer::token_bytes(std::int32_t id) const {
  VB_TRY(const ScoredPiece* const piece, known(id));
  if (const auto byte = byte_of_piece(piece->text); byte && piece->type == PieceType::byte)
    return std::string(1, static_cast<char>(*byte));
  return piece->type == PieceType::unknown ? model_.unknown_surface : with_spaces(piece->text);
}

Result<std::string> PieceTokenizer::piece(std::int32_t id) const {
  VB_TRY(const ScoredPiece* const piece, known(id));
  return piece->text;
}

std::optional<std::int32_t> PieceTokenizer::id_of(std::string_view piece) const {
  const auto entry = ids_.find(piece);
  if (entry == ids_.end()) return std::nullopt;
  return entry->second;
}

bool PieceTokenizer::is_special(std::int32_t id) const {
  const auto piece = known(id);
  return piece && (*piece)->type == PieceType::control;
}

std::string_view PieceTokenizer::kind() const {
  switch (model_.algorithm) {
    case PieceAlgorithm::bpe:
      return model_.byte_fallback ? "bpe-bytefallback" : "bpe";
    case PieceAlgorithm::word:
      return "word";
    case PieceAlgorithm::character:
      return "char";
    case PieceAlgorithm::unigram:
      break;
  }
  return "unigram";
}

}  // namespace vauban
