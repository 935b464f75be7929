#include "runtime/local/loaded_weights.h"

#include <algorithm>

#include "base/sha256.h"
#include "trace/vocabulary.h"

namespace vauban {

Result<std::vector<WeightEditRecord>> LoadedWeights::edit(std::span<const WeightEdit> edits) {
  snapshots_.clear();
  return editor_.apply(edits);
}

Result<std::vector<WeightEditRecord>> LoadedWeights::undo(std::int64_t count) {
  snapshots_.clear();
  return editor_.undo(count);
}

std::vector<std::string> LoadedWeights::names() const {
  std::vector<std::string> names;
  for (const auto& [name, slots] : weights_by_name(network_)) names.push_back(name);
  return names;
}

Result<std::vector<float>> LoadedWeights::values(const std::string& name) const {
  return read_weight(*weights_by_name(network_).at(name).front());
}

Result<LoadedWeights::Observed> LoadedWeights::observe(const std::string& name) {
  if (const auto known = snapshots_.find(name); known != snapshots_.end()) return Observed{.snapshot = known->second};
  const Weight& weight = *weights_by_name(network_).at(name).front();
  VB_TRY(const std::vector<float> read, read_weight(weight));
  const auto made = snapshots_.emplace(name, snapshot_of(weight, read)).first;
  VB_TRY(const std::uint64_t size, size_bytes(weight.tensor.dtype(), weight.shape));
  return Observed{.snapshot = made->second, .bytes_read = static_cast<std::int64_t>(size)};
}

namespace {

TraceArtifact artifact_of(const WeightSnapshot& snapshot, Moment moment) {
  TraceArtifact out;
  out.artifact_id = format("weight_snapshot.{}{}", snapshot.name, moment == Moment::before ? ".before" : "");
  out.kind = ArtifactKind::weight_snapshot;
  out.shape = std::vector<std::int64_t>(snapshot.shape.dims().begin(), snapshot.shape.dims().end());
  out.dtype = "f32";
  out.digest = snapshot.digest;
  out.summary = snapshot.summary;
  out.fire_count = 1;
  out.metadata = Json::object(
      {{"tensor", snapshot.name}, {"stored_dtype", to_string(snapshot.stored)}, {"moment", to_string(moment)}});
  return out;
}

/// Collects what the wants and the edits ask for, one artifact per tensor and moment.
class WeightWatch {
 public:
  WeightWatch(LoadedWeights& weights, PayloadSink* sink) : weights_(weights), sink_(sink), names_(weights.names()) {}

  Result<void> answer(const Want& want) {
    if (want.tensors.empty()) return show_whole();
    bool matched = false;
    for (const std::string& name : names_) {
      if (!matches_glob(want.tensors, name)) continue;
      matched = true;
      VB_CHECK(show(name, want.form == Form::payload));
    }
    if (!matched) miss(describe(no_such_tensor(want.tensors, names_)));
    return ok();
  }

  void show_edits() {
    for (const auto& [name, change] : weights_.editor().changes()) {
      put(artifact_of(change.before, Moment::before));
      if (!shown_.contains(artifact_of(change.after, Moment::after).artifact_id))
        put(artifact_of(change.after, Moment::after));
    }
  }

  WeightObservation take() && { return std::move(out_); }

 private:
  void put(TraceArtifact artifact) {
    const auto [entry, added] = shown_.emplace(artifact.artifact_id, out_.artifacts.size());
    if (added)
      out_.artifacts.push_back(std::move(artifact));
    else
      out_.artifacts[entry->second] = std::move(artifact);
  }

  void miss(std::string reason) {
    Missing entry;
    entry.kind = ArtifactKind::weight_snapshot;
    entry.reason = std::move(reason);
    out_.missing.push_back(std::move(entry));
  }

  /// A weight that cannot be read is missing with the reason, and the others are shown.
  std::optional<WeightSnapshot> read(const std::string& name) {
    const auto observed = weights_.observe(name);
    if (!observed) {
      miss(describe(observed.error()));
      return std::nullopt;
    }
    out_.bytes_read += observed->bytes_read;
    return observed->snapshot;
  }

  Result<void> show(const std::string& name, bool with_payload) {
    const std::optional<WeightSnapshot> snapshot = read(name);
    if (!snapshot) return ok();
    TraceArtifact artifact = artifact_of(*snapshot, Moment::after);
    const auto known = shown_.find(artifact.artifact_id);
    if (known != shown_.end() && !out_.artifacts[known->second].payload_path.empty()) return ok();
    if (with_payload && sink_) VB_CHECK(store(artifact, name));
    put(std::move(artifact));
    return ok();
  }

  Result<void> store(TraceArtifact& artifact, const std::string& name) {
    VB_TRY(const std::vector<float> values, weights_.values(name));
    VB_TRY(const StoredPayload stored, sink_->put(name, "f32", *artifact.shape, std::as_bytes(std::span(values))),
           "while storing weight '{}'", name);
    artifact.payload_path = stored.path;
    artifact.payload_digest = stored.digest;
    return ok();
  }

  /// One digest over the names and digests of all weights.
  Result<void> show_whole() {
    Sha256 hash;
    std::int64_t values = 0;
    for (const std::string& name : names_) {
      const std::optional<WeightSnapshot> snapshot = read(name);
      if (!snapshot) return ok();
      hash.update(format("{} {}\n", snapshot->digest, name));
      values += snapshot->shape.elements();
    }
    TraceArtifact artifact;
    artifact.artifact_id = "weight_snapshot";
    artifact.kind = ArtifactKind::weight_snapshot;
    artifact.digest = hash.finish_hex();
    artifact.fire_count = 1;
    artifact.summary = Json::object({{"count", values}});
    artifact.metadata = Json::object({{"tensors", names_.size()}, {"of", "digests and names of all loaded weights"}});
    put(std::move(artifact));
    return ok();
  }

  LoadedWeights& weights_;
  PayloadSink* sink_;
  std::vector<std::string> names_;
  WeightObservation out_;
  std::map<std::string, std::size_t> shown_;
};

}  // namespace

Result<WeightObservation> observe_weights(LoadedWeights& weights, std::span<const Want> wants, PayloadSink* sink) {
  WeightWatch watch(weights, sink);
  for (const Want& want : wants) VB_CHECK(watch.answer(want));
  watch.show_edits();
  return std::move(watch).take();
}

}  // namespace vauban
