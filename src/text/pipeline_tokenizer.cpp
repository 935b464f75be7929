#include "text/pipeline_tokenizer.h"

#include <algorithm>
#include <limits>

#include "text/byte_alphabet.h"

namespace vauban {
namespace {

Error unknown_id(std::int32_t id, std::int32_t size) {
  return invalid_input("token id {} is not in the vocabulary (ids 0 to {})", id, size - 1);
}

}  // namespace

Result<void> check_input(std::string_view text) {
  if (text.size() >= std::numeric_limits<std::uint32_t>::max())
    return invalid_input("a text of {} bytes; one call takes less than 4 GiB", text.size());
  if (const auto bad = first_invalid_utf8(text))
    return invalid_input("the text is not UTF-8 at byte {} (0x{:02x})", *bad, static_cast<unsigned char>(text[*bad]));
  return ok();
}

TokenLookup lookup_in(const AddedTokens& added, const TokenModel& model) {
  return {.id_of =
              [&](std::string_view text) {
                const auto id = added.find(text);
                return id ? id : model.vocabulary().find(text);
              },
          .text_of = [&](std::int32_t id) -> std::optional<std::string> {
            if (const AddedToken* token = added.by_id(id)) return token->content;
            if (const std::string* text = model.vocabulary().text(id)) return *text;
            return std::nullopt;
          }};
}

Result<Segments> PipelineTokenizer::segment(std::string_view text, bool specials) const {
  Segments out;
  for (const Piece& section : pipeline_.added.find_raw(text, specials)) {
    const std::size_t base = out.text.size();
    AlignedText part(text.substr(section.begin, section.end - section.begin), section.begin);
    if (section.token >= 0) {
      out.text.append(part);
      out.pieces.push_back({base, out.text.size(), section.token});
      continue;
    }
    if (pipeline_.normalizer) VB_CHECK(pipeline_.normalizer->apply(part));
    out.text.append(part);
    for (const Piece& piece : pipeline_.added.find_normalized(part.view(), specials))
      out.pieces.push_back({base + piece.begin, base + piece.end, piece.token});
  }
  if (pipeline_.pre_tokenizer)
    VB_CHECK(in_bytes_ ? pipeline_.pre_tokenizer->apply_but_letters(out) : pipeline_.pre_tokenizer->apply(out));
  return out;
}

Result<void> PipelineTokenizer::tokenize(const Segments& segments, Encoding& out) const {
  std::vector<ModelToken> tokens;
  for (const Piece& piece : segments.pieces) {
    tokens.clear();
    const std::string_view view = segments.view(piece);
    if (piece.token >= 0)
      tokens.push_back({piece.token, 0, piece.end - piece.begin});
    else
      VB_CHECK(in_bytes_ ? pipeline_.model->tokenize_bytes(view, tokens) : pipeline_.model->tokenize(view, tokens));
    for (const ModelToken& token : tokens) {
      const std::string* const text = piece.token < 0 ? text_of(token.id) : nullptr;
      out.ids.push_back(token.id);
      out.pieces.emplace_back(text ? std::string_view(*text) : view);
      out.offsets.push_back(
          segments.text.span(piece.begin + token.begin, std::min(piece.begin + token.end, piece.end)));
    }
  }
  return ok();
}

Result<Encoding> PipelineTokenizer::encode(std::string_view text, const EncodeOptions& options) const {
  VB_CHECK(check_input(text));
  VB_TRY(const Segments segments, segment(text, options.parse_special));
  Encoding out;
  VB_CHECK(tokenize(segments, out));
  if (options.finished) finish(out, text);
  if (options.add_special) add_around(out, pipeline_.specials);
  return out;
}

InputRules PipelineTokenizer::input_rules() const {
  return pipeline_.inputs.value_or(rules_around(pipeline_.specials.before, pipeline_.specials.after));
}

void PipelineTokenizer::finish(Encoding& encoding, std::string_view text) const {
  if (pipeline_.post_processor) pipeline_.post_processor->trim(encoding, text);
  for (std::size_t i = 0; i < encoding.ids.size() && !pipeline_.added.tokens().empty(); ++i)
    if (const AddedToken* token = pipeline_.added.by_id(encoding.ids[i])) encoding.pieces[i] = token->content;
}

Result<std::string> PipelineTokenizer::join(std::vector<std::string> tokens) const {
  if (pipeline_.decoder) VB_CHECK(pipeline_.decoder->apply(tokens));
  std::string out;
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    if (i > 0 && !pipeline_.decoder) out += ' ';
    out += tokens[i];
  }
  return out;
}

Result<std::string> PipelineTokenizer::decode(std::span<const std::int32_t> ids, bool skip_special) const {
  std::vector<std::string> tokens;
  tokens.reserve(ids.size());
  for (const std::int32_t id : ids) {
    const std::string* const text = text_of(id);
    if (!text) return unknown_id(id, vocab_size());
    if (!skip_special || !pipeline_.added.is_special(*text)) tokens.push_back(*text);
  }
  return join(std::move(tokens));
}

Result<std::string> PipelineTokenizer::token_bytes(std::int32_t id) const {
  const std::string* const text = text_of(id);
  if (!text) return unknown_id(id, vocab_size());
  if (pipeline_.decoder && pipeline_.decoder->reads_byte_letters()) return bytes_of_letters(*text).value_or(*text);
  if (pipeline_.decoder && pipeline_.decoder->settling(false) == Settling::byte_runs)
    if (const auto byte = byte_of_piece(*text)) return std::string(1, static_cast<char>(*byte));
  // What the token adds behind another one.
  VB_TRY(const std::string alone, join({"a"}));
  VB_TRY(const std::string both, join({"a", *text}));
  return both.starts_with(alone) ? both.substr(alone.size()) : both;
}

bool PipelineTokenizer::settles(std::int32_t id) const {
  if (!pipeline_.decoder) return true;
  switch (pipeline_.decoder->settling(false)) {
    case Settling::each_token:
      return true;
    case Settling::at_end:
      return false;
    case Settling::byte_runs:
      break;
  }
  const std::string* const text = text_of(id);
  return !text || !byte_of_piece(*text);
}

std::int32_t PipelineTokenizer::vocab_size() const {
  return std::max(pipeline_.model->vocabulary().size(), pipeline_.added.size());
}

const std::string* PipelineTokenizer::text_of(std::int32_t id) const {
  if (const AddedToken* token = pipeline_.added.by_id(id)) return &token->content;
  return pipeline_.model->vocabulary().text(id);
}

Result<std::string> PipelineTokenizer::piece(std::int32_t id) const {
  const std::string* const text = text_of(id);
  if (!text) return unknown_id(id, vocab_size());
  return *text;
}

std::optional<std::int32_t> PipelineTokenizer::id_of(std::string_view piece) const {
  return lookup_in(pipeline_.added, *pipeline_.model).id_of(piece);
}

bool PipelineTokenizer::is_special(std::int32_t id) const {
  const std::string* const text = text_of(id);
  return text && pipeline_.added.is_special(*text);
}

std::string_view PipelineTokenizer::kind() const {
  const std::string_view kind = pipeline_.model->kind();
  return kind == "bpe" && pipeline_.decoder && pipeline_.decoder->reads_byte_letters() ? "bpe-bytelevel" : kind;
}

}  // namespace vauban
