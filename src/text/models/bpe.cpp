#include "text/models/bpe.h"

#include "text/byte_alphabet.h"
#include "text/fields.h"
#include "text/models/merges.h"
#include "text/unicode.h"

namespace vauban {
namespace {

constexpr std::int32_t kMissing = -2;  ///< an unknown character where the file's unknown token does not exist

Result<std::int32_t> need(const Vocabulary& vocabulary, const std::string& text, std::size_t merge) {
  if (const auto id = vocabulary.find(text)) return *id;
  return corrupt("merge {}: '{}' is not in the vocabulary", merge, text);
}

}  // namespace

Result<std::unique_ptr<Bpe>> Bpe::make(Vocabulary vocabulary,
                                       const std::vector<std::pair<std::string, std::string>>& merges,
                                       BpeOptions options, std::span<const std::uint32_t> ranks) {
  auto bpe = std::make_unique<Bpe>();
  bpe->merges_.reserve(merges.size());
  const std::size_t prefix = options.continuing_prefix.size();
  for (std::size_t rank = 0; rank < merges.size(); ++rank) {
    const auto& [left, right] = merges[rank];
    VB_TRY(const std::int32_t a, need(vocabulary, left, rank));
    VB_TRY(const std::int32_t b, need(vocabulary, right, rank));
    if (right.size() < prefix) return corrupt("merge {}: '{}' is shorter than the subword prefix", rank, right);
    VB_TRY(const std::int32_t joined, need(vocabulary, left + right.substr(prefix), rank));
    bpe->merges_.set(a, b, {ranks.empty() ? static_cast<std::uint32_t>(rank) : ranks[rank], joined});
  }
  if (options.unknown) bpe->unknown_ = vocabulary.find(*options.unknown);
  if (options.byte_fallback)
    for (int byte = 0; byte < 256; ++byte)
      bpe->byte_pieces_.push_back(vocabulary.find(piece_of_byte(static_cast<std::uint8_t>(byte))).value_or(-1));
  bpe->vocabulary_ = std::move(vocabulary);
  bpe->options_ = std::move(options);
  bpe->index_bytes();
  return bpe;
}

/// Most words of a text are one token, and most texts of a vocabulary merge to their own token. Which ones do is found out
/// once, so that tokenize_bytes() can look a word up first.
void Bpe::index_bytes() {
  if (!options_.continuing_prefix.empty() || !options_.end_suffix.empty()) return;
  std::vector<std::int32_t> letters;
  for (int byte = 0; byte < 256; ++byte) {
    const auto id = vocabulary_.find(letter_of(static_cast<std::uint8_t>(byte)));
    if (!id) return;
    letters.push_back(*id);
  }
  letters_ = std::move(letters);
  std::vector<std::int32_t> ids;
  std::vector<ModelToken> tokens;
  for (std::int32_t id = 0; id < vocabulary_.size(); ++id) {
    const std::string* const text = vocabulary_.text(id);
    if (!text || text->empty() || vocabulary_.find(*text) != id) continue;
    auto bytes = bytes_of_letters(*text);
    if (!bytes) continue;
    if (!options_.ignore_merges) {
      tokens.clear();
      if (!tokenize_bytes(*bytes, tokens) || tokens.size() != 1 || tokens[0].id != id) continue;
    }
    ids.push_back(id);
    wholes_.push_back(*std::move(bytes));
  }
  whole_ids_.reserve(ids.size());
  for (std::size_t i = 0; i < ids.size(); ++i) whole_ids_.insert(wholes_[i], ids[i]);
}

/// Turns the characters of one piece into the first symbols.
class Bpe::Speller {
 public:
  Speller(const Bpe& bpe, std::string_view piece) : bpe_(bpe), piece_(piece) { symbols_.reserve(piece.size()); }

  std::vector<Symbol> spell() {
    for (std::size_t at = 0; at < piece_.size();) {
      const std::size_t size = code_point_at(piece_, at).size;
      spell_character(at, size);
      at += size;
    }
    flush_unknown();
    return std::move(symbols_);
  }

 private:
  void spell_character(std::size_t at, std::size_t size) {
    const std::string_view text = dressed(at, size);
    if (const auto id = bpe_.vocabulary_.find(text)) {
      flush_unknown();
      add(*id, size);
    } else if (!spell_bytes(text)) {
      spell_unknown(size);
    }
  }

  /// The character with the prefix or suffix that its place in the piece asks for.
  std::string_view dressed(std::size_t at, std::size_t size) {
    const bool prefix = at > 0 && !bpe_.options_.continuing_prefix.empty();
    const bool suffix = at + size == piece_.size() && !bpe_.options_.end_suffix.empty();
    if (!prefix && !suffix) return piece_.substr(at, size);
    buffer_ = prefix ? bpe_.options_.continuing_prefix : std::string();
    buffer_ += piece_.substr(at, size);
    if (suffix) buffer_ += bpe_.options_.end_suffix;
    return buffer_;
  }

  bool spell_bytes(std::string_view text) {
    if (!bpe_.options_.byte_fallback) return false;
    const auto id_of = [&](char c) { return bpe_.byte_pieces_[static_cast<unsigned char>(c)]; };
    for (const char c : text)
      if (id_of(c) < 0) return false;
    for (const char c : text) add(id_of(c), 1);  // a pending unknown run stays pending, as in the reference
    return true;
  }

  void spell_unknown(std::size_t size) {
    if (!bpe_.options_.unknown) return;  // the character vanishes
    if (!bpe_.options_.fuse_unknown) flush_unknown();
    unknown_size_ += size;
  }

  void flush_unknown() {
    if (unknown_size_ > 0) add(bpe_.unknown_.value_or(kMissing), unknown_size_);
    unknown_size_ = 0;
  }

  void add(std::int32_t id, std::size_t size) {
    symbols_.push_back({static_cast<std::uint32_t>(end_), static_cast<std::uint32_t>(size), id});
    end_ += size;
  }

  const Bpe& bpe_;
  std::string_view piece_;
  std::string buffer_;
  std::vector<Symbol> symbols_;
  std::size_t end_ = 0;  // a vanished character leaves no gap: later offsets move up, as in the reference
  std::size_t unknown_size_ = 0;
};

Result<void> Bpe::tokenize(std::string_view piece, std::vector<ModelToken>& out) const {
  if (options_.ignore_merges) {
    if (const auto whole = vocabulary_.find(piece)) {
      out.push_back({*whole, 0, piece.size()});
      return ok();
    }
  }
  std::vector<Symbol> symbols = Speller(*this, piece).spell();
  if (options_.unknown && !unknown_)
    for (const Symbol& symbol : symbols)
      if (symbol.id == kMissing)
        return corrupt("'{}' has no tokens, and the unknown token '{}' is not in the vocabulary",
                       piece.substr(symbol.begin, symbol.size), *options_.unknown);
  merge(symbols, out);
  return ok();
}

void Bpe::merge(std::vector<Symbol>& symbols, std::vector<ModelToken>& out) const {
  merge_symbols(
      symbols,
      [&](const Symbol& left, const Symbol& right, bool) -> std::optional<Merge> {
        const Merge* const merge = merges_.find(left.id, right.id);
        return merge ? std::optional(*merge) : std::nullopt;
      },
      [&](const Symbol& symbol) { out.push_back({symbol.id, symbol.begin, symbol.begin + symbol.size}); });
}

Result<void> Bpe::tokenize_bytes(std::string_view bytes, std::vector<ModelToken>& out) const {
  if (const auto whole = whole_ids_.find(bytes)) {
    out.push_back({*whole, 0, bytes.size()});
    return ok();
  }
  std::vector<Symbol> symbols;
  symbols.reserve(bytes.size());
  for (std::uint32_t i = 0; i < bytes.size(); ++i)
    symbols.push_back({i, 1, letters_[static_cast<unsigned char>(bytes[i])]});
  merge(symbols, out);
  return ok();
}

namespace {

Result<BpeOptions> read_options(const Json& section) {
  BpeOptions options;
  if (const Json* dropout = fields::present(section, "dropout")) {
    if (!dropout->is_number()) return corrupt("key 'dropout': expected a number, found {}", dropout->type_name());
    if (dropout->as_double() != 0)
      return with_hint(unsupported("BPE with dropout {}: its ids would differ from call to call", dropout->as_double()),
                       "set \"dropout\" to null in tokenizer.json");
  }
  VB_TRY(std::string unknown, fields::string_or(section, "unk_token", ""));
  if (fields::present(section, "unk_token")) options.unknown = std::move(unknown);
  VB_TRY(options.continuing_prefix, fields::string_or(section, "continuing_subword_prefix", ""));
  VB_TRY(options.end_suffix, fields::string_or(section, "end_of_word_suffix", ""));
  VB_TRY(options.fuse_unknown, fields::boolean_or(section, "fuse_unk", false));
  VB_TRY(options.byte_fallback, fields::boolean_or(section, "byte_fallback", false));
  VB_TRY(options.ignore_merges, fields::boolean_or(section, "ignore_merges", false));
  return options;
}

}  // namespace

Result<std::unique_ptr<TokenModel>> make_bpe(const Json& section) {
  VB_TRY(Vocabulary vocabulary, read_vocabulary(section));
  VB_TRY(const MergePairs merges, merges_of_tokenizer_json(section));
  VB_TRY(BpeOptions options, read_options(section));
  VB_TRY(std::unique_ptr<TokenModel> model, Bpe::make(std::move(vocabulary), merges, std::move(options)));
  return model;
}

}  // namespace vauban
