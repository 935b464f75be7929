/// ProjectionRows: what one intervention saw at one layer, row by row: the evidence behind its summary.
///
/// As artifacts (kind metric, f32, one row per token row that was touched, in ascending positions; k: rows of the
/// basis, 1 for a direction). They are made when a request wants the kind `metric`, and a payload when it wants that
/// form.
///   activation_projection.layer_{L}        (rows, k)  coefficients before the edit
///   activation_projection.layer_{L}.after  (rows, k)  the same after it; of modes that edit
///   activation_norm.layer_{L}              (rows)     L2 norm of each row before the edit: projection / norm = cosine
/// At another site than resid_post: activation_projection.{site}.layer_{L}, or .{site} where it has no layers. What a
/// second intervention saw at the same place ends in `.2`, then `.3`.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "ops/ops.h"
#include "vauban/trace.h"

namespace vauban {

/// Ascending positions, kept as runs: [first, last] of each stretch without a gap.
class PositionRuns {
 public:
  void add(std::span<const std::int64_t> positions);
  bool empty() const { return runs_.empty(); }
  Json to_json() const;  ///< [[first, last], ...]

 private:
  std::vector<std::pair<std::int64_t, std::int64_t>> runs_;
};

struct ProjectionRows {
  std::vector<float> before, after;  ///< (rows, k)
  std::vector<float> norms;          ///< (rows)
  void add(const PrimitiveResult& result);
};

/// One of the three artifacts above, with its values.
struct ProjectionArtifact {
  TraceArtifact artifact;  ///< complete but for id suffix, producer and payload
  std::vector<float> values;
};

/// `frame`: site, layer, positions, fire count and the metadata that all three share. `details`: the metadata of
/// trace-contract 7.3, for the first of them.
std::vector<ProjectionArtifact> projection_artifacts(const ProjectionRows& rows, std::int64_t basis_rows, bool edits,
                                                     const TraceArtifact& frame, const Json& details);

/// Writes the values to the sink; the tensor has the artifact's id. Errors: those of the sink.
Result<void> store_projection(ProjectionArtifact& projection, PayloadSink& sink);

}  // namespace vauban
