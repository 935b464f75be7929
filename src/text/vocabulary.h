/// Vocabulary: token texts and their ids, both ways. Immutable once made.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "text/text_table.h"

namespace vauban {

class Vocabulary {
 public:
  Vocabulary() = default;
  Vocabulary(Vocabulary&&) = default;
  Vocabulary& operator=(Vocabulary&&) = default;
  Vocabulary(const Vocabulary&) = delete;
  Vocabulary& operator=(const Vocabulary&) = delete;

  /// Ids need not be dense, but an id may not lie more than a million above the number of entries.
  /// Errors: corrupt for an id out of range, or one that two texts share.
  static Result<Vocabulary> from_entries(std::vector<std::pair<std::string, std::int64_t>> entries);
  /// Text i has id i; of equal texts the first keeps it.
  static Vocabulary from_list(std::vector<std::string> texts);

  std::optional<std::int32_t> find(std::string_view text) const;
  /// nullptr for an id that no text has.
  const std::string* text(std::int32_t id) const;
  std::int32_t size() const { return static_cast<std::int32_t>(texts_.size()); }  ///< largest id + 1
  std::size_t count() const { return ids_.size(); }                               ///< texts

 private:
  std::vector<std::string> texts_;  ///< by id; ids_ points into it
  std::vector<bool> used_;
  TextTable ids_;
};

}  // namespace vauban
