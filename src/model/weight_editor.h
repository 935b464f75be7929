/// WeightEditor: edits the weights of a network in place, keeps what was there, and puts it back.
///
/// An edit reads a weight, computes on the host (edits/weight_op.h), hands the result to the backend as f32, replacing
/// the weight wherever the network holds it. What an edit did is measured on the values read back. One that changed
/// nothing leaves the weight as it is, packed blocks too, and its record says so. The old weight is kept as the handle
/// it was, so undo restores its very bytes. Nothing may run on the network meanwhile.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "model/weight_snapshot.h"
#include "vauban/weight_edit.h"

namespace vauban {

struct WeightOp;

class WeightEditor {
 public:
  /// Both must outlive the editor.
  WeightEditor(Network& network, Ops& ops) : network_(network), ops_(ops) {}

  /// All of the edits or, on an error, none. Errors: not_found for a name, invalid_input for an edit that does not fit
  /// or whose result is not finite; those of Ops.
  Result<std::vector<WeightEditRecord>> apply(std::span<const WeightEdit> edits);
  /// The last `count` edits, the last first. Errors: invalid_input for more than are active; internal when the backend
  /// does not hold again what it held before.
  Result<std::vector<WeightEditRecord>> undo(std::int64_t count);

  std::span<const WeightEditRecord> records() const { return records_; }  ///< active, oldest first
  std::int64_t active() const { return active_; }                        ///< edits; each may have several records

  /// What an edited tensor held before the first active edit that changed it, and what it holds now.
  struct BeforeAfter {
    WeightSnapshot before, after;
  };
  std::map<std::string, BeforeAfter> changes() const;

 private:
  struct Step {
    Weight old;  ///< empty where nothing changed
    WeightSnapshot before, after;
  };
  struct Made {
    Weight weight;  ///< empty where every value stayed
    std::vector<float> values;
  };
  Result<Made> make(const WeightEdit& edit, const WeightOp& op, const Weight& old, const std::vector<float>& before);
  Result<void> apply_one(const WeightEdit& edit);
  Result<void> edit_tensor(const WeightEdit& edit, const WeightOp& op, const std::vector<Weight*>& slots);
  Result<WeightEditRecord> undo_record();

  Network& network_;
  Ops& ops_;
  std::int64_t active_ = 0;
  std::vector<WeightEditRecord> records_;
  std::deque<Step> steps_;  ///< beside records_
};

/// The digest of a model whose weights are edited: over the loaded model's and the records that changed something. That
/// of the loaded model where none did.
std::string edited_digest(const std::string& loaded_digest, std::span<const WeightEditRecord> records);

}  // namespace vauban
