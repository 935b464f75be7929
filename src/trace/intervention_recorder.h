/// InterventionRecorder: what one edit really did, as the artifact `intervention.{index}`.
///
/// The runtime feeds it the measured coefficients of each pass; the artifact says where the edit acted, how much it
/// changed, and whether it changed anything at all (trace-contract 7.3 and 7.4). One thread at a time.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>

#include "base/json.h"
#include "base/sha256.h"
#include "vauban/trace.h"

namespace vauban {

/// What the primitive returned for some rows of one layer, in one pass.
struct InterventionPass {
  int layer = 0;
  std::span<const double> before, after;  ///< (rows, k): projections on the direction or basis
  std::span<const double> delta_norm;     ///< (rows): L2 of h' - h
  std::int64_t gates_open = 0;            ///< conditional only
};

class InterventionRecorder {
 public:
  /// `intervention` must outlive the recorder. `index` counts from 0 in the order of the request.
  InterventionRecorder(const Intervention& intervention, int index) : intervention_(intervention), index_(index) {}

  void add(const InterventionPass& pass);
  bool acted() const { return !layers_.empty(); }

  struct Where {
    std::int64_t width = 0;     ///< of the edited activation
    std::string dtype, device;  ///< of the arithmetic: "f32", "cpu:0"
    Json metadata;              ///< joined into the artifact's
  };
  /// Call once, when acted(). The digest is that of the coefficients after the edit, as f64, in the order of the
  /// passes.
  TraceArtifact finish(const Where& where);
  /// What to record instead when the edit never ran.
  Missing missing() const;

 private:
  struct Spread {
    std::int64_t count = 0;
    double sum = 0, min = 0, max = 0;
    void add(double value);
    void add(const Spread& other);
    Json to_json() const;  ///< mean, min, max
  };
  struct Effect {
    std::int64_t rows = 0, passes = 0, gates_open = 0;
    Spread before, after, delta;
  };
  Effect total() const;
  Json effect_json(int layer, const Effect& effect) const;
  Json metadata(const Where& where) const;
  bool should_change() const;  ///< a mode that edits, with a dose

  const Intervention& intervention_;
  int index_;
  std::map<int, Effect> layers_;
  Sha256 digest_;
};

}  // namespace vauban
