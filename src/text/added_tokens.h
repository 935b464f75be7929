/// AddedTokens: tokens that are looked for in the text as they stand, before the model sees it.
///
/// Those that are not `normalized` are found in the input, the others in the normalised text (their own content is
/// normalised too). The leftmost match wins, of those the longest.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "text/normalizers/normalizer.h"
#include "text/segments.h"
#include "text/vocabulary.h"

namespace vauban {

struct AddedToken {
  std::int32_t id = -1;
  std::string content;
  bool single_word = false;  ///< not inside a word
  bool lstrip = false;       ///< takes the white space before it
  bool rstrip = false;       ///< takes the white space behind it
  bool normalized = true;
  bool special = false;
};

/// One entry of "added_tokens" (or of tokenizer_config.json's added_tokens_decoder, which has no "id"; then `id` is
/// used).
Result<AddedToken> read_added_token(const Json& entry, std::optional<std::int64_t> id = std::nullopt);

/// A set of strings to search for at once.
class TokenTrie {
 public:
  void insert(std::string_view content, std::size_t index);
  struct Match {
    std::size_t index = 0, size = 0;
  };
  /// The longest entry that `text` has at byte `at`.
  std::optional<Match> longest_at(std::string_view text, std::size_t at) const;
  /// Calls `visit(index, size)` for every entry that `text` has at byte `at`, the shortest first.
  template <class Visit>
  void for_each_at(std::string_view text, std::size_t at, const Visit& visit) const {
    if (!starts_[static_cast<unsigned char>(text[at])]) return;
    std::uint32_t node = 0;
    for (std::size_t i = at; i < text.size(); ++i) {
      const auto child = children_.find(std::uint64_t{node} << 8 | static_cast<unsigned char>(text[i]));
      if (child == children_.end()) return;
      node = child->second;
      if (const auto entry = entries_.find(node); entry != entries_.end()) visit(entry->second, i + 1 - at);
    }
  }
  bool empty() const { return children_.empty(); }

 private:
  std::unordered_map<std::uint64_t, std::uint32_t> children_;  ///< node << 8 | byte -> node; node 0 is the root
  std::unordered_map<std::uint32_t, std::size_t> entries_;     ///< node -> index
  std::array<bool, 256> starts_{};
  std::uint32_t nodes_ = 1;
};

class AddedTokens {
 public:
  /// Ids are those that the reference gives, which does not go by the file's: a content that the vocabulary has keeps
  /// its id, the others take the next free ones in order. Errors: what `normalizer` (may be null) reports.
  /// `keep_ids`: the tokens' own ids count instead.
  static Result<AddedTokens> make(std::vector<AddedToken> tokens, const Vocabulary& vocabulary,
                                  const Normalizer* normalizer, bool keep_ids = false);

  /// Cuts `text` into pieces; those with a token are decided. `specials`: whether special tokens are looked for.
  std::vector<Piece> find_raw(std::string_view text, bool specials) const { return find(raw_, text, specials); }
  std::vector<Piece> find_normalized(std::string_view text, bool specials) const {
    return find(normalized_, text, specials);
  }
  bool any_normalized() const { return !normalized_.empty(); }

  const std::vector<AddedToken>& tokens() const { return tokens_; }
  const AddedToken* by_id(std::int32_t id) const;
  std::optional<std::int32_t> find(std::string_view content) const;
  bool is_special(std::string_view content) const { return specials_.contains(std::string(content)); }
  std::int32_t size() const { return size_; }  ///< largest id + 1, or 0

 private:
  std::vector<Piece> find(const TokenTrie& trie, std::string_view text, bool specials) const;

  std::vector<AddedToken> tokens_;
  std::vector<std::int32_t> by_id_;  ///< id -> index in tokens_, or -1
  std::unordered_map<std::string, std::int32_t> by_content_;
  std::unordered_set<std::string> specials_;
  TokenTrie raw_, normalized_;
  std::int32_t size_ = 0;
};

}  // namespace vauban
