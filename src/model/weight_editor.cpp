#include "model/weight_editor.h"

#include <algorithm>
#include <cmath>
#include <memory>

#include "base/sha256.h"
#include "base/strings.h"
#include "model/edits/weight_op.h"

namespace vauban {
namespace {

std::vector<std::string> names_of(const std::map<std::string, std::vector<Weight*>>& weights) {
  std::vector<std::string> names;
  for (const auto& [name, slots] : weights) names.push_back(name);
  return names;
}

/// One parameter under one name, or what is replaced at one place would stay at another.
Result<void> check_shared(const std::vector<Weight*>& slots) {
  for (const Weight* slot : slots)
    if (slot->tensor.storage() != slots.front()->tensor.storage())
      return unsupported("two different weights are called '{}': they cannot be told apart", slot->name);
  return ok();
}

Result<void> check_result(const std::vector<float>& before, const std::vector<float>& after) {
  const auto bad = std::ranges::find_if(after, [](float value) { return !std::isfinite(value); });
  if (bad == after.end()) return ok();
  const auto at = static_cast<std::size_t>(bad - after.begin());
  return invalid_input("element {} would become {} (it is {}): expected finite values", at, *bad, before[at]);
}

/// f32 values as a weight of the backend, which may keep pointing at them.
Result<Weight> load_values(Ops& ops, const std::string& name, const Shape& shape, std::vector<float> values) {
  const auto owned = std::make_shared<const std::vector<float>>(std::move(values));
  return ops.load_weight(name, {.dtype = DType::f32, .shape = shape, .bytes = std::as_bytes(std::span(*owned))}, owned);
}

void measure(const std::vector<float>& before, const std::vector<float>& after, WeightEditRecord& record) {
  double sum = 0;
  for (std::size_t i = 0; i < before.size(); ++i) {
    const double change = std::abs(static_cast<double>(after[i]) - static_cast<double>(before[i]));
    record.changed_values += change > 0;
    record.max_abs_change = std::max(record.max_abs_change, change);
    sum += change;
  }
  record.values = static_cast<std::int64_t>(before.size());
  record.mean_abs_change = before.empty() ? 0 : sum / static_cast<double>(before.size());
}

}  // namespace

/// Equal values are no change, whatever became of the sign of a zero.
Result<WeightEditor::Made> WeightEditor::make(const WeightEdit& edit, const WeightOp& op, const Weight& old,
                                              const std::vector<float>& before) {
  VB_TRY(std::vector<float> values, op.apply(edit, {.name = old.name, .shape = old.shape}, before));
  if (values == before) return Made{.weight = {}, .values = before};
  VB_CHECK(check_result(before, values));
  VB_TRY(Weight weight, load_values(ops_, old.name, old.shape, std::move(values)));
  VB_TRY(std::vector<float> held, read_weight(weight));
  return Made{.weight = std::move(weight), .values = std::move(held)};
}

Result<void> WeightEditor::edit_tensor(const WeightEdit& edit, const WeightOp& op, const std::vector<Weight*>& slots) {
  VB_CHECK(check_shared(slots));
  const Weight old = *slots.front();
  VB_TRY(const std::vector<float> before, read_weight(old));
  VB_TRY(const Made made, make(edit, op, old, before));

  Step step{.old = {}, .before = snapshot_of(old, before), .after = {}};
  step.after = made.weight.empty() ? step.before : snapshot_of(made.weight, made.values);
  WeightEditRecord record{.edit = active_,
                          .tensor = old.name,
                          .op = std::string(op.id),
                          .parameters = op.parameters(edit),
                          .digest_before = step.before.digest,
                          .digest_after = step.after.digest,
                          .dtype_before = std::string(to_string(old.dtype)),
                          .dtype_after = std::string(to_string(old.dtype))};
  measure(before, made.values, record);
  if (record.changed()) {
    record.dtype_after = to_string(made.weight.dtype);
    step.old = old;
    for (Weight* slot : slots) *slot = made.weight;
  }
  records_.push_back(std::move(record));
  steps_.push_back(std::move(step));
  return ok();
}

Result<void> WeightEditor::apply_one(const WeightEdit& edit) {
  VB_TRY(const WeightOp* op, find_weight_op(edit.op));
  const auto weights = weights_by_name(network_);
  std::size_t matches = 0;
  for (const auto& [name, slots] : weights) {
    if (!matches_glob(edit.tensor, name)) continue;
    ++matches;
    VB_CHECK(edit_tensor(edit, *op, slots), "in tensor '{}'", printable(name));
  }
  if (matches == 0) return no_such_tensor(edit.tensor, names_of(weights));
  return ok();
}

Result<std::vector<WeightEditRecord>> WeightEditor::apply(std::span<const WeightEdit> edits) {
  const std::int64_t active = active_;
  const std::size_t records = records_.size();
  for (std::size_t i = 0; i < edits.size(); ++i) {
    const Result<void> done = apply_one(edits[i]);
    ++active_;
    if (done) continue;
    VB_CHECK(undo(active_ - active), "while taking edits back after: {}", done.error().message);
    return with_context(done.error(), format("in weight edit {} ({})", i, printable(edits[i].op, 60)));
  }
  return std::vector<WeightEditRecord>(records_.begin() + static_cast<std::ptrdiff_t>(records), records_.end());
}

Result<WeightEditRecord> WeightEditor::undo_record() {
  const WeightEditRecord record = records_.back();
  const Step step = steps_.back();
  records_.pop_back();
  steps_.pop_back();
  if (!record.changed()) return record;
  const std::vector<Weight*> slots = weights_by_name(network_)[record.tensor];
  for (Weight* slot : slots) *slot = step.old;
  VB_TRY(const std::vector<float> restored, read_weight(*slots.front()));
  const std::string digest = sha256_hex(std::as_bytes(std::span(restored)));
  if (digest != record.digest_before)
    return internal("weight '{}': expected SHA-256 {} after the edit was taken back, found {}", record.tensor,
                    record.digest_before, digest);
  return record;
}

Result<std::vector<WeightEditRecord>> WeightEditor::undo(std::int64_t count) {
  if (count < 0 || count > active_)
    return invalid_input("expected 0 to {} weight edits to take back, found {}", active_, count);
  std::vector<WeightEditRecord> undone;
  for (const std::int64_t left = active_ - count; active_ > left; --active_)
    while (!records_.empty() && records_.back().edit == active_ - 1) {
      VB_TRY(WeightEditRecord record, undo_record());
      undone.push_back(std::move(record));
    }
  return undone;
}

std::map<std::string, WeightEditor::BeforeAfter> WeightEditor::changes() const {
  std::map<std::string, BeforeAfter> out;
  for (std::size_t i = 0; i < records_.size(); ++i) {
    if (!records_[i].changed()) continue;
    const auto [entry, first] = out.try_emplace(records_[i].tensor, BeforeAfter{steps_[i].before, steps_[i].after});
    if (!first) entry->second.after = steps_[i].after;
  }
  return out;
}

std::string edited_digest(const std::string& loaded_digest, std::span<const WeightEditRecord> records) {
  if (std::ranges::none_of(records, &WeightEditRecord::changed)) return loaded_digest;
  Sha256 hash;
  hash.update(loaded_digest + "\n");
  for (const WeightEditRecord& record : records)
    if (record.changed())
      hash.update(format("{}\n{}\n{}\n{}\n", record.tensor, record.op, record.digest_before, record.digest_after));
  return hash.finish_hex();
}

}  // namespace vauban
