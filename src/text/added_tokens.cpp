#include "text/added_tokens.h"

#include <algorithm>
#include <limits>

#include "text/fields.h"

namespace vauban {
namespace {

constexpr std::int64_t kMaxId = std::numeric_limits<std::int32_t>::max() - 1;

bool word_before(std::string_view text, std::size_t at) {
  if (at == 0) return false;
  std::size_t begin = at - 1;
  while (begin > 0 && is_continuation_byte(text[begin])) --begin;
  return is_word_character(code_point_at(text, begin).value);
}

bool word_at(std::string_view text, std::size_t at) {
  return at < text.size() && is_word_character(code_point_at(text, at).value);
}

/// Where the white space that ends at `at` begins, not before `limit`.
std::size_t space_before(std::string_view text, std::size_t at, std::size_t limit) {
  while (at > limit) {
    std::size_t begin = at - 1;
    while (begin > limit && is_continuation_byte(text[begin])) --begin;
    if (!is_white_space(code_point_at(text, begin).value)) break;
    at = begin;
  }
  return at;
}

std::size_t space_behind(std::string_view text, std::size_t at) {
  while (at < text.size() && is_white_space(code_point_at(text, at).value)) at += code_point_at(text, at).size;
  return at;
}

}  // namespace

Result<AddedToken> read_added_token(const Json& entry, std::optional<std::int64_t> id) {
  AddedToken token;
  VB_TRY(token.content, fields::string(entry, "content"));
  if (!id) {
    VB_TRY(id, fields::integer(entry, "id", 0, kMaxId), "in added token '{}'", token.content);
  }
  if (*id < 0 || *id > kMaxId) return corrupt("added token '{}': id {} is out of range", token.content, *id);
  token.id = static_cast<std::int32_t>(*id);
  VB_TRY(token.special, fields::boolean_or(entry, "special", false), "in added token '{}'", token.content);
  VB_TRY(token.single_word, fields::boolean_or(entry, "single_word", false), "in added token '{}'", token.content);
  VB_TRY(token.lstrip, fields::boolean_or(entry, "lstrip", false), "in added token '{}'", token.content);
  VB_TRY(token.rstrip, fields::boolean_or(entry, "rstrip", false), "in added token '{}'", token.content);
  VB_TRY(token.normalized, fields::boolean_or(entry, "normalized", !token.special), "in added token '{}'",
         token.content);
  return token;
}

void TokenTrie::insert(std::string_view content, std::size_t index) {
  if (content.empty()) return;
  starts_[static_cast<unsigned char>(content[0])] = true;
  std::uint32_t node = 0;
  for (const char c : content) {
    const auto [child, is_new] =
        children_.try_emplace(std::uint64_t{node} << 8 | static_cast<unsigned char>(c), nodes_);
    if (is_new) ++nodes_;
    node = child->second;
  }
  entries_.try_emplace(node, index);
}

std::optional<TokenTrie::Match> TokenTrie::longest_at(std::string_view text, std::size_t at) const {
  std::optional<Match> best;
  for_each_at(text, at, [&](std::size_t index, std::size_t size) { best = Match{index, size}; });
  return best;
}

Result<AddedTokens> AddedTokens::make(std::vector<AddedToken> tokens, const Vocabulary& vocabulary,
                                      const Normalizer* normalizer, bool keep_ids) {
  AddedTokens out;
  for (AddedToken& token : tokens) {
    if (token.content.empty() || out.by_content_.contains(token.content)) continue;  // loaders skip these
    const std::int32_t next = std::max(static_cast<std::int32_t>(vocabulary.count()), out.size_);
    if (!keep_ids) token.id = vocabulary.find(token.content).value_or(next);
    out.size_ = std::max(out.size_, token.id + 1);
    out.by_content_.emplace(token.content, token.id);
    if (out.by_id_.size() < static_cast<std::size_t>(out.size_)) out.by_id_.resize(static_cast<std::size_t>(out.size_), -1);
    std::int32_t& index = out.by_id_[static_cast<std::size_t>(token.id)];
    if (index < 0) index = static_cast<std::int32_t>(out.tokens_.size());  // of contents that share an id, the first
    if (token.special) out.specials_.insert(token.content);
    AlignedText content(token.content, 0);
    if (token.normalized && normalizer) VB_CHECK(normalizer->apply(content), "in added token '{}'", token.content);
    (token.normalized ? out.normalized_ : out.raw_).insert(content.view(), out.tokens_.size());
    out.tokens_.push_back(std::move(token));
  }
  return out;
}

std::vector<Piece> AddedTokens::find(const TokenTrie& trie, std::string_view text, bool specials) const {
  std::vector<Piece> pieces;
  std::size_t done = 0;  // bytes that already belong to a piece
  for (std::size_t at = 0; !trie.empty() && at < text.size();) {
    const auto match = trie.longest_at(text, at);
    if (!match) {
      ++at;
      continue;
    }
    const AddedToken& token = tokens_[match->index];
    std::size_t begin = at, end = at + match->size;
    at = end;
    if (!specials && specials_.contains(token.content)) continue;
    if (token.single_word && (word_before(text, begin) || word_at(text, end))) continue;
    if (token.lstrip) begin = std::max(space_before(text, begin, 0), done);
    if (token.rstrip) end = space_behind(text, end);
    if (done < begin) pieces.push_back({done, begin});
    pieces.push_back({begin, end, token.id});
    done = end;
  }
  if (done < text.size()) pieces.push_back({done, text.size()});
  return pieces;
}

const AddedToken* AddedTokens::by_id(std::int32_t id) const {
  const auto at = static_cast<std::size_t>(id);
  if (id < 0 || at >= by_id_.size() || by_id_[at] < 0) return nullptr;
  return &tokens_[static_cast<std::size_t>(by_id_[at])];
}

std::optional<std::int32_t> AddedTokens::find(std::string_view content) const {
  const auto entry = by_content_.find(std::string(content));
  if (entry == by_content_.end()) return std::nullopt;
  return entry->second;
}

}  // namespace vauban
