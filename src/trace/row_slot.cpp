#include <algorithm>

#include "base/sha256.h"
#include "trace/recorder_slot.h"
#include "trace/row_stats.h"
#include "trace/top_values.h"
#include "trace/value_codec.h"

namespace vauban {
namespace {

struct TopRow {
  std::int64_t position;
  std::vector<TopValue> values;
};

class RowSlot final : public Recorder::Slot {
 public:
  RowSlot(Place place, const RecorderSetup& setup, SpillPool& pool)
      : Slot(std::move(place), setup, pool), log_(wants_payload() ? pool.open() : 0) {}

  Result<void> add(const RowBlock& block) override {
    VB_TRY(const std::int64_t rows, rows_of(block));
    std::int64_t taken = 0;
    for (std::int64_t row = 0; row < rows; ++row) {
      const std::int64_t position = position_of(block, row);
      VB_CHECK(see(position));
      const auto values =
          block.values.subspan(static_cast<std::size_t>(row * width_), static_cast<std::size_t>(width_));
      if (keeps_last() && row + 1 == rows) pending_.assign(values.begin(), values.end());
      if (keeps_last() || !selects(position)) continue;
      VB_CHECK(take(values, position));
      ++taken;
    }
    if (taken > 0) count_fire();
    return ok();
  }

  Result<void> add(const AttentionBlock&) override {
    return internal("site '{}' takes rows, found an attention map", to_string(want().site));
  }

 private:
  /// Checks the block and learns the width from the first one.
  Result<std::int64_t> rows_of(const RowBlock& block) {
    std::int64_t width = 1;
    for (const std::int64_t dim : block.row_shape) width *= dim;
    const bool is_first = width_ < 0;
    if (!is_first && !std::equal(row_shape_.begin(), row_shape_.end(), block.row_shape.begin(), block.row_shape.end()))
      return internal("site '{}': the shape of a row changed between passes", to_string(want().site));
    const auto values = static_cast<std::int64_t>(block.values.size());
    if (width <= 0 || values % width != 0)
      return internal("site '{}': expected whole rows of {} values, found {} values", to_string(want().site), width,
                      values);
    const std::int64_t rows = values / width;
    if (!block.positions.empty() && static_cast<std::int64_t>(block.positions.size()) != rows)
      return internal("site '{}': expected {} positions, found {}", to_string(want().site), rows,
                      block.positions.size());
    width_ = width;
    row_shape_.assign(block.row_shape.begin(), block.row_shape.end());
    return rows;
  }

  static std::int64_t position_of(const RowBlock& block, std::int64_t row) {
    return block.positions.empty() ? block.first_position + row : block.positions[static_cast<std::size_t>(row)];
  }

  Result<void> take(std::span<const float> values, std::int64_t position) {
    count_row(position);
    stats_.add(values);
    const std::span<const std::byte> bytes = encode_values(values, want().dtype, scratch_);
    digest_.update(bytes);
    if (want().form == Form::top_k) top_.push_back({position, top_values(values, want().top_k)});
    if (!wants_payload()) return ok();
    return pool_.append(log_, bytes);
  }

  Result<void> take_pending() override {
    if (!keeps_last() || last_seen() < 0) return ok();
    count_fire();
    return take(pending_, last_seen());
  }

  Json summary() const {
    Json summary = stats_.to_json();
    if (want().form != Form::top_k) return summary;
    Json rows = Json::array();
    for (const TopRow& row : top_) rows.push_back(top_json(row.position, row.values));
    summary["top_k"] = want().top_k;
    summary["rows"] = std::move(rows);
    return summary;
  }

  Result<void> close(TraceArtifact& artifact, PayloadSink* sink) override {
    artifact.shape.emplace({rows_});
    artifact.shape->insert(artifact.shape->end(), row_shape_.begin(), row_shape_.end());
    artifact.digest = digest_.finish_hex();
    artifact.summary = summary();
    if (!wants_payload() || !sink) return ok();
    VB_TRY(const SpillPool::Contents contents, pool_.read(log_));
    VB_CHECK(store(artifact, sink, contents.bytes));
    pool_.discard(log_);
    return ok();
  }

  SpillPool::Log log_;
  std::int64_t width_ = -1;
  std::vector<std::int64_t> row_shape_;
  std::vector<float> pending_;
  std::vector<std::byte> scratch_;
  std::vector<TopRow> top_;
  RowStats stats_;
  Sha256 digest_;
};

}  // namespace

std::unique_ptr<Recorder::Slot> make_row_slot(Recorder::Slot::Place place, const RecorderSetup& setup,
                                              SpillPool& pool) {
  return std::make_unique<RowSlot>(std::move(place), setup, pool);
}

}  // namespace vauban
