/// A slot of the recorder: one want at one layer, and what has been seen for it. Two kinds: rows of a site
/// (row_slot.cpp) and attention maps (attention_slot.cpp).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "trace/recorder.h"
#include "trace/spill_pool.h"
#include "vauban/trace.h"

namespace vauban {

class Recorder::Slot {
 public:
  struct Place {
    const Want* want;
    std::optional<int> layer;  ///< empty for sites without one
    std::string artifact_id;
    Support support;
  };
  Slot(Place place, const RecorderSetup& setup, SpillPool& pool)
      : place_(std::move(place)), setup_(setup), pool_(pool) {}
  virtual ~Slot() = default;

  /// Errors: internal when the block is not what this site yields; those of the pool.
  virtual Result<void> add(const RowBlock& block) = 0;
  virtual Result<void> add(const AttentionBlock& block) = 0;

  /// The artifact, or nothing when no row was selected.
  Result<std::optional<TraceArtifact>> finish(PayloadSink* sink);

  const Place& place() const { return place_; }
  /// The last position that was offered, selected or not; -1 when the site was never reached.
  std::int64_t last_seen() const { return last_seen_; }

 protected:
  /// What finish() adds to the artifact: shape, digest, summary, and the payload when it is wanted.
  virtual Result<void> close(TraceArtifact& artifact, PayloadSink* sink) = 0;
  virtual Result<void> take_pending() = 0;  ///< the row kept while keeps_last()

  /// Notes an offered position. Errors: internal when positions do not ascend.
  Result<void> see(std::int64_t position);
  /// `last` is whichever row comes last: each is kept until the next.
  bool keeps_last() const { return want().positions.kind == Positions::Kind::last && !setup_.last_position; }
  bool selects(std::int64_t position) const {
    return want().positions.contains(position, setup_.last_position.value_or(-1), setup_.prompt_rows);
  }
  void count_fire() { ++fires_; }
  void count_row(std::int64_t position);

  const Want& want() const { return *place_.want; }
  bool wants_payload() const { return want().form == Form::payload; }
  std::string tensor_name() const;
  /// Hands bytes to the sink, or notes in the metadata that there is none.
  Result<void> store(TraceArtifact& artifact, PayloadSink* sink, std::span<const std::byte> bytes) const;

  Place place_;
  const RecorderSetup& setup_;
  SpillPool& pool_;
  std::int64_t rows_ = 0;  ///< selected

 private:
  std::int64_t wanted_rows() const;
  Json metadata() const;
  void mark_gaps(TraceArtifact& artifact) const;

  std::int64_t fires_ = 0, last_seen_ = -1, first_row_ = 0, last_row_ = 0;
};

std::unique_ptr<Recorder::Slot> make_row_slot(Recorder::Slot::Place place, const RecorderSetup& setup, SpillPool& pool);
std::unique_ptr<Recorder::Slot> make_attention_slot(Recorder::Slot::Place place, const RecorderSetup& setup,
                                                    SpillPool& pool);

}  // namespace vauban
