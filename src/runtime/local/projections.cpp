#include "runtime/local/projections.h"

#include "base/sha256.h"
#include "trace/row_stats.h"
#include "trace/vocabulary.h"

namespace vauban {

namespace {

std::string place_of(const TraceArtifact& frame) {
  std::string place;
  if (frame.site != Site::resid_post) place = format(".{}", to_string(*frame.site));
  return frame.layer ? format("{}.layer_{}", place, *frame.layer) : place;
}

Json summary_of(std::span<const float> values, std::size_t row_width) {
  RowStats stats;
  for (std::size_t row = 0; row < values.size(); row += row_width) stats.add(values.subspan(row, row_width));
  return stats.to_json();
}

ProjectionArtifact make(std::string id, const TraceArtifact& frame, const std::vector<float>& values,
                        std::vector<std::int64_t> shape) {
  ProjectionArtifact out{.artifact = frame, .values = values};
  out.artifact.artifact_id = std::move(id);
  out.artifact.kind = ArtifactKind::metric;
  out.artifact.dtype = "f32";
  out.artifact.digest = sha256_hex(std::as_bytes(std::span(values)));
  out.artifact.summary = summary_of(values, shape.size() > 1 ? static_cast<std::size_t>(shape[1]) : 1);
  out.artifact.shape = std::move(shape);
  return out;
}

void append(std::vector<float>& to, std::span<const double> values) {
  for (const double value : values) to.push_back(static_cast<float>(value));
}

}  // namespace

void PositionRuns::add(std::span<const std::int64_t> positions) {
  for (const std::int64_t position : positions) {
    if (!runs_.empty() && runs_.back().second + 1 == position)
      runs_.back().second = position;
    else
      runs_.emplace_back(position, position);
  }
}

Json PositionRuns::to_json() const {
  Json out = Json::array();
  for (const auto& [first, last] : runs_) out.push_back(Json::array({first, last}));
  return out;
}

void ProjectionRows::add(const PrimitiveResult& result) {
  append(before, result.before);
  append(after, result.after);
  append(norms, result.input_norm);
}

std::vector<ProjectionArtifact> projection_artifacts(const ProjectionRows& rows, std::int64_t basis_rows, bool edits,
                                                     const TraceArtifact& frame, const Json& details) {
  const auto count = static_cast<std::int64_t>(rows.norms.size());
  const std::string place = place_of(frame);
  std::vector<ProjectionArtifact> out;
  out.push_back(make("activation_projection" + place, frame, rows.before, {count, basis_rows}));
  for (const auto& [key, value] : details.entries()) out.back().artifact.metadata[key] = value;
  out.back().artifact.metadata["moment"] = to_string(Moment::before);
  if (edits) {
    out.push_back(make("activation_projection" + place + ".after", frame, rows.after, {count, basis_rows}));
    out.back().artifact.metadata["moment"] = to_string(Moment::after);
  }
  out.push_back(make("activation_norm" + place, frame, rows.norms, {count}));
  out.back().artifact.metadata["moment"] = to_string(Moment::before);
  return out;
}

Result<void> store_projection(ProjectionArtifact& projection, PayloadSink& sink) {
  TraceArtifact& artifact = projection.artifact;
  VB_TRY(const StoredPayload stored,
         sink.put(artifact.artifact_id, artifact.dtype, *artifact.shape, std::as_bytes(std::span(projection.values))),
         "while storing the payload of artifact '{}'", artifact.artifact_id);
  artifact.payload_path = stored.path;
  artifact.payload_digest = stored.digest;
  return ok();
}

}  // namespace vauban
