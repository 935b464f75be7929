#include "trace/recorder_slot.h"

#include "trace/json_fields.h"
#include "trace/vocabulary.h"

namespace vauban {

Result<void> Recorder::Slot::see(std::int64_t position) {
  if (position <= last_seen_)
    return internal("site '{}': expected positions in ascending order, found {} after {}", to_string(want().site),
                    position, last_seen_);
  last_seen_ = position;
  return ok();
}

void Recorder::Slot::count_row(std::int64_t position) {
  if (rows_ == 0) first_row_ = position;
  last_row_ = position;
  ++rows_;
}

std::string Recorder::Slot::tensor_name() const {
  const std::string site(to_string(want().site));
  return place_.layer ? format("{}.{}", site, *place_.layer) : site;
}

Result<void> Recorder::Slot::store(TraceArtifact& artifact, PayloadSink* sink, std::span<const std::byte> bytes) const {
  VB_TRY(const StoredPayload stored, sink->put(tensor_name(), artifact.dtype, *artifact.shape, bytes),
         "while storing the payload of artifact '{}'", artifact.artifact_id);
  artifact.payload_path = stored.path;
  artifact.payload_digest = stored.digest;
  return ok();
}

/// How many rows the policy asks for, given the positions that the run had.
std::int64_t Recorder::Slot::wanted_rows() const {
  const Positions& positions = want().positions;
  switch (positions.kind) {
    case Positions::Kind::all:
      return last_seen_ + 1;
    case Positions::Kind::last:
      return 1;
    case Positions::Kind::range:
      return positions.end - positions.begin + 1;
    case Positions::Kind::list:
      return static_cast<std::int64_t>(positions.values.size());
    case Positions::Kind::decode:
      return last_seen_ + 1 - setup_.prompt_rows;
  }
  return 0;
}

Json Recorder::Slot::metadata() const {
  Json metadata = json_fields::object_of(setup_.metadata);
  metadata["first_position"] = first_row_;
  metadata["last_position"] = last_row_;
  metadata["moment"] = to_string(want().moment);
  metadata["rows"] = rows_;
  const bool has_alias = want().site == Site::resid_post && place_.layer && want().moment == Moment::after;
  if (has_alias) metadata["alias"] = format("activation.layer_{}", *place_.layer);
  return metadata;
}

void Recorder::Slot::mark_gaps(TraceArtifact& artifact) const {
  artifact.level = place_.support.level;
  if (artifact.level == SupportLevel::partial) artifact.metadata["level_reason"] = place_.support.reason;
  if (rows_ >= wanted_rows()) return;
  artifact.level = SupportLevel::partial;
  artifact.metadata["level_reason"] = format("{} of {} positions asked for were computed", rows_, wanted_rows());
}

Result<std::optional<TraceArtifact>> Recorder::Slot::finish(PayloadSink* sink) {
  VB_CHECK(take_pending());
  if (rows_ == 0) return std::optional<TraceArtifact>();
  TraceArtifact artifact;
  artifact.artifact_id = place_.artifact_id;
  artifact.kind = want().kind;
  artifact.dtype = want().dtype;
  artifact.site = want().site;
  artifact.layer = place_.layer;
  artifact.positions = want().positions.to_string();
  artifact.fire_count = fires_;
  artifact.metadata = metadata();
  if (wants_payload() && !sink) artifact.metadata["payload"] = "not kept: there is no artifact store";
  mark_gaps(artifact);
  VB_CHECK(close(artifact, sink));
  return std::optional(std::move(artifact));
}

}  // namespace vauban
