/// StatePages: the recurrent state of sequences, beside the pages of their keys and values.
///
/// Where attention looks back at all past positions, a recurrence carries numbers from one position to the next. They lie
/// with the page of the last position that they have seen: a step that begins at `past` finds them with the page of
/// past - 1 and leaves them with the page of its own last position. A fork shares or copies pages, and so the state.
/// Each block knows after how many positions it stands, so a step that begins anywhere else is refused, never computed
/// from another state: of a sequence only its end can be continued.
///
/// In host memory, f64 on every backend; a block takes memory from its first use until its page is forgotten.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/result.h"

namespace vauban {

struct SequenceRows;
struct Batch;

/// Numbers per layer and sequence.
struct StateSizes {
  std::int64_t conv = 0;  ///< the last inputs of a causal convolution
  std::int64_t scan = 0;  ///< what a scan or a delta rule carries
  bool any() const { return conv > 0 || scan > 0; }
};
enum class StatePart { conv, scan };

class StatePages {
 public:
  StatePages(int layers, std::int32_t pages, int page_tokens, const StateSizes& sizes);

  std::int64_t size(StatePart part) const { return part == StatePart::conv ? sizes_.conv : sizes_.scan; }
  bool any() const { return sizes_.any(); }

  /// Moves the state of every sequence with rows to where this step leaves it; that of a new sequence is zero. The batch
  /// was checked against the store. Errors: unsupported for a state that stands elsewhere; resource.
  Result<void> begin(StatePart part, int layer, const Batch& batch);
  /// After begin(), in any order and on any thread: the state of a sequence, to be updated in place.
  double* of(StatePart part, int layer, const SequenceRows& sequence);

  Result<void> copy(std::int32_t from, std::int32_t to);  ///< errors: resource
  void forget(std::int32_t page);
  std::int64_t size_bytes() const;  ///< taken now

 private:
  struct Block {
    std::unique_ptr<double[]> values;
    std::int32_t position = 0;  ///< positions that it has seen
  };
  using Blocks = std::unique_ptr<Block[]>;  ///< of one page: (2 parts, layers)
  std::size_t count() const { return 2 * static_cast<std::size_t>(layers_); }
  std::size_t index(StatePart part, int layer) const {
    return (part == StatePart::conv ? 0 : static_cast<std::size_t>(layers_)) + static_cast<std::size_t>(layer);
  }
  std::size_t size_at(std::size_t index) const {
    return static_cast<std::size_t>(index < static_cast<std::size_t>(layers_) ? sizes_.conv : sizes_.scan);
  }
  std::int32_t page_of(const SequenceRows& sequence, std::int32_t position) const;
  Result<void> begin_sequence(StatePart part, int layer, const SequenceRows& sequence);

  int layers_;
  int page_tokens_;
  StateSizes sizes_;
  std::vector<Blocks> pages_;  ///< null: no state there; empty for models without such layers
};

}  // namespace vauban
