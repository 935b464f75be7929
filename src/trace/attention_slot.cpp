#include <algorithm>
#include <cstring>
#include <limits>

#include "base/sha256.h"
#include "trace/recorder_slot.h"
#include "trace/row_stats.h"
#include "trace/value_codec.h"

namespace vauban {
namespace {

/// Rows of a map are known before its width is: later passes add key columns, and heads are outermost. So the selected
/// rows are logged as they come, position by position, and laid out as (H, T_selected, T_total) at the end.
class AttentionSlot final : public Recorder::Slot {
 public:
  AttentionSlot(Place place, const RecorderSetup& setup, SpillPool& pool)
      : Slot(std::move(place), setup, pool),
        fill_(want().site == Site::attn_scores ? -std::numeric_limits<float>::infinity() : 0.0f),
        log_(pool.open()) {}

  Result<void> add(const AttentionBlock& block) override {
    VB_CHECK(check(block));
    heads_ = block.heads;
    total_ = std::max(total_, block.columns);
    std::int64_t taken = 0;
    for (std::int64_t row = 0; row < block.rows; ++row) {
      const std::int64_t position = block.first_position + row;
      VB_CHECK(see(position));
      if (keeps_last() && row + 1 == block.rows) gather(block, row, pending_);
      if (keeps_last() || !selects(position)) continue;
      gather(block, row, scratch_);
      VB_CHECK(take(scratch_, position));
      ++taken;
    }
    if (taken > 0) count_fire();
    return ok();
  }

  Result<void> add(const RowBlock&) override {
    return internal("site '{}' takes attention maps, found rows", to_string(want().site));
  }

 private:
  struct LoggedRow {
    std::uint64_t offset;  ///< in values, of head 0
    std::size_t columns;   ///< of each head
  };

  Result<void> check(const AttentionBlock& block) const {
    if (block.heads <= 0 || block.rows < 0 || block.columns <= 0)
      return internal("site '{}': found a map of {} heads, {} rows, {} columns", to_string(want().site), block.heads,
                      block.rows, block.columns);
    if (static_cast<std::int64_t>(block.values.size()) != block.heads * block.rows * block.columns)
      return internal("site '{}': expected {} x {} x {} values, found {}", to_string(want().site), block.heads,
                      block.rows, block.columns, block.values.size());
    if (heads_ > 0 && block.heads != heads_)
      return internal("site '{}': the number of heads changed from {} to {}", to_string(want().site), heads_,
                      block.heads);
    return ok();
  }

  static std::span<const float> row_of(const AttentionBlock& block, std::int64_t head, std::int64_t row) {
    return block.values.subspan(static_cast<std::size_t>((head * block.rows + row) * block.columns),
                                static_cast<std::size_t>(block.columns));
  }

  /// One position: all heads side by side, without the keys behind the last one that any head saw.
  void gather(const AttentionBlock& block, std::int64_t row, std::vector<float>& out) const {
    std::size_t columns = 0;
    for (std::int64_t head = 0; head < block.heads; ++head) {
      const auto values = row_of(block, head, row);
      const auto seen = std::find_if(values.rbegin(), values.rend(), [&](float value) { return value != fill_; });
      columns = std::max(columns, static_cast<std::size_t>(values.rend() - seen));
    }
    out.clear();
    for (std::int64_t head = 0; head < block.heads; ++head) {
      const auto values = row_of(block, head, row).first(columns);
      out.insert(out.end(), values.begin(), values.end());
    }
  }

  Result<void> take(std::span<const float> heads, std::int64_t position) {
    count_row(position);
    logged_.push_back({logged_values_, heads.size() / static_cast<std::size_t>(heads_)});
    logged_values_ += heads.size();
    return pool_.append(log_, std::as_bytes(heads));
  }

  Result<void> take_pending() override {
    if (!keeps_last() || last_seen() < 0) return ok();
    count_fire();
    return take(pending_, last_seen());
  }

  /// Row `row` of `head`, padded to the full width, into `out`.
  void lay_out(std::span<const std::byte> log, std::size_t head, const LoggedRow& row, std::vector<float>& out) const {
    out.assign(static_cast<std::size_t>(total_), fill_);
    const std::size_t begin = (static_cast<std::size_t>(row.offset) + head * row.columns) * sizeof(float);
    if (row.columns > 0) std::memcpy(out.data(), log.data() + begin, row.columns * sizeof(float));
  }

  /// Calls `use` with each row of the finished map, in its order.
  template <class F>
  Result<void> for_each_row(std::span<const std::byte> log, F use) const {
    std::vector<float> values;
    for (std::int64_t head = 0; head < heads_; ++head) {
      for (const LoggedRow& row : logged_) {
        lay_out(log, static_cast<std::size_t>(head), row, values);
        VB_CHECK(use(std::span<const float>(values)));
      }
    }
    return ok();
  }

  Result<void> close(TraceArtifact& artifact, PayloadSink* sink) override {
    artifact.shape.emplace({heads_, rows_, total_});
    const bool keep = wants_payload() && sink;
    // A pool of its own: the log must stay where it is while it is read.
    SpillPool finished(setup_.memory_limit_bytes, setup_.spill_folder, *setup_.file_ops);
    const SpillPool::Log map = finished.open();
    RowStats stats;
    Sha256 digest;
    std::vector<std::byte> encoded;
    VB_TRY(const SpillPool::Contents log, pool_.read(log_));
    VB_CHECK(for_each_row(log.bytes, [&](std::span<const float> values) -> Result<void> {
      const std::span<const std::byte> bytes = encode_values(values, want().dtype, encoded);
      stats.add(values);
      digest.update(bytes);
      return keep ? finished.append(map, bytes) : ok();
    }));
    pool_.discard(log_);
    artifact.digest = digest.finish_hex();
    artifact.summary = stats.to_json();
    if (!keep) return ok();
    VB_TRY(const SpillPool::Contents payload, finished.read(map));
    return store(artifact, sink, payload.bytes);
  }

  float fill_;  ///< of keys that a query cannot see
  SpillPool::Log log_;
  std::int64_t heads_ = 0, total_ = 0;
  std::uint64_t logged_values_ = 0;
  std::vector<LoggedRow> logged_;
  std::vector<float> scratch_, pending_;
};

}  // namespace

std::unique_ptr<Recorder::Slot> make_attention_slot(Recorder::Slot::Place place, const RecorderSetup& setup,
                                                    SpillPool& pool) {
  return std::make_unique<AttentionSlot>(std::move(place), setup, pool);
}

}  // namespace vauban
