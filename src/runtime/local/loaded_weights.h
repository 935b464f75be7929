/// LoadedWeights: what a runtime knows about the weights that it holds: measured when first asked for, edited, and put
/// back. A snapshot is kept until the next edit, so that several traces read a weight once.
#pragma once

#include <map>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "model/weight_editor.h"
#include "model/weight_snapshot.h"
#include "vauban/trace.h"

namespace vauban {

class LoadedWeights {
 public:
  /// Both must outlive it.
  LoadedWeights(Network& network, Ops& ops) : network_(network), editor_(network, ops) {}

  Result<std::vector<WeightEditRecord>> edit(std::span<const WeightEdit> edits);
  Result<std::vector<WeightEditRecord>> undo(std::int64_t count);
  const WeightEditor& editor() const { return editor_; }

  std::vector<std::string> names() const;
  struct Observed {
    WeightSnapshot snapshot;
    std::int64_t bytes_read = 0;  ///< 0 where the snapshot was at hand
  };
  /// Errors: those of read_weight. `name` is one of names().
  Result<Observed> observe(const std::string& name);
  Result<std::vector<float>> values(const std::string& name) const;

 private:
  Network& network_;
  WeightEditor editor_;
  std::map<std::string, WeightSnapshot> snapshots_;
};

/// What a trace shows of the weights.
struct WeightObservation {
  std::vector<TraceArtifact> artifacts;  ///< without a producer
  std::vector<Missing> missing;
  std::int64_t bytes_read = 0;
};
/// `wants`: of kind weight_snapshot. Edited tensors are shown before and after, wanted or not. Without a sink payloads
/// become summaries. Errors: those of the sink.
Result<WeightObservation> observe_weights(LoadedWeights& weights, std::span<const Want> wants, PayloadSink* sink);

}  // namespace vauban
