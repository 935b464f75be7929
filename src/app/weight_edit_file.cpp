#include "app/weight_edit_file.h"

#include <algorithm>

#include "base/config/reader.h"
#include "base/sha256.h"
#include "base/strings.h"
#include "format/direction.h"
#include "format/gguf.h"
#include "format/safetensors.h"
#include "model/edits/weight_op.h"
#include "model/weight_snapshot.h"

namespace vauban {
namespace {

/// A key of [[weight_edits]] beside tensor and op.
struct Key {
  std::string_view name;
  EditParameter of;        ///< what it gives, or says more of
  bool given = false;
  bool is_needed = true;   ///< where an op needs that parameter
};

std::vector<Key> keys_of(const WeightEditConfig& c) {
  using Of = EditParameter;
  return {{"alpha", Of::alpha, c.alpha.has_value()},
          {"sigma", Of::sigma, c.sigma.has_value()},
          {"seed", Of::seed, c.seed.has_value()},
          {"side", Of::side, c.side.has_value()},
          {"direction", Of::direction, !c.direction.empty()},
          {"direction_file", Of::direction, c.direction_file.has_value(), false},
          {"direction_sha256", Of::direction, c.direction_sha256.has_value(), false},
          {"direction_tensor", Of::direction, c.direction_tensor.has_value(), false},
          {"file", Of::operand, c.file.has_value()},
          {"file_sha256", Of::operand, c.file_sha256.has_value(), false},
          {"file_tensor", Of::operand, c.file_tensor.has_value(), false}};
}

bool holds(const std::vector<EditParameter>& parameters, EditParameter parameter) {
  return std::ranges::find(parameters, parameter) != parameters.end();
}

Result<void> check_keys(const WeightEditConfig& c, const WeightOp& op) {
  for (const Key& key : keys_of(c)) {
    const bool needed = holds(op.needs, key.of);
    if (needed && key.is_needed && !key.given) return invalid_input("op '{}' needs {}", op.id, key.name);
    if (key.given && !needed && !holds(op.takes, key.of))
      return with_hint(invalid_input("op '{}' does not use {}", op.id, key.name), "remove it, or choose another op");
  }
  return ok();
}

/// The SHA-256 of the file, which must be the expected one where there is one.
Result<std::string> checked_digest(const std::string& path, const std::optional<std::string>& expected) {
  VB_TRY(std::string found, sha256_file(path));
  if (!expected || *expected == found) return found;
  return with_hint(corrupt("{}: expected SHA-256 {}, found {}", path, *expected, found),
                   "make the file again, or correct the SHA-256 in the edit");
}

Result<const TensorEntry*> named_tensor(const ModelFile& file, const std::string& name) {
  if (const TensorEntry* entry = file.find(name)) return entry;
  std::vector<std::string> names;
  for (const TensorEntry& entry : file.tensors()) names.push_back(entry.name);
  const std::string nearest = did_you_mean(name, names);
  return with_hint(not_found("no tensor '{}' in the file, which holds {}", printable(name), names.size()),
                   nearest.empty() ? "see `vauban inspect`" : format("did you mean '{}'?", printable(nearest)));
}

// ---- project_out

Result<std::shared_ptr<const ModelFile>> open_tensors(const std::string& path) {
  return path.ends_with(".gguf") ? open_gguf(path) : open_safetensors(path);
}

Result<std::vector<double>> vector_of(const TensorEntry& entry) {
  if (entry.view.shape.rank() != 1)
    return invalid_input("tensor '{}': expected a direction (D), found {}", printable(entry.name),
                         entry.view.shape.to_string());
  return decode_f64(entry.view);
}

bool is_layered(const ModelFile& file) {
  return std::ranges::any_of(file.tensors(), [](const TensorEntry& e) { return e.name.starts_with("direction."); });
}

/// The direction of the layer that separated best, or the only one.
Result<std::vector<double>> measured_direction(const std::string& path) {
  VB_TRY(const DirectionFile file, read_directions(path));
  const LayerDirection* entry = file.chosen ? file.find(*file.chosen) : nullptr;
  if (!entry && file.layers.size() == 1) entry = &file.layers.front();
  if (!entry)
    return with_hint(invalid_input("{} holds directions of {} layers and says of none that it was chosen", path,
                                   file.layers.size()),
                     "name one: direction_tensor = \"direction.2\"");
  return std::vector<double>(entry->direction.begin(), entry->direction.end());
}

Result<std::vector<double>> read_direction(const std::string& path, const std::optional<std::string>& tensor) {
  VB_TRY(const auto file, open_tensors(path));
  if (!tensor && is_layered(*file)) return measured_direction(path);
  if (!tensor && file->tensors().size() != 1)
    return invalid_input("{} holds {} tensors: say which one with direction_tensor", path, file->tensors().size());
  const TensorEntry* entry = tensor ? nullptr : &file->tensors().front();
  if (tensor) {
    VB_TRY(entry, named_tensor(*file, *tensor), "in {}", path);
  }
  VB_TRY(std::vector<double> values, vector_of(*entry), "in {}", path);
  return values;
}

Result<void> add_direction(const WeightEditConfig& c, WeightEdit& edit) {
  if (c.direction.empty() == !c.direction_file.has_value())
    return invalid_input("expected exactly one of direction and direction_file");
  edit.direction = c.direction;
  if (!c.direction_file) return ok();
  VB_TRY(edit.source_digest, checked_digest(*c.direction_file, c.direction_sha256));
  VB_TRY(edit.direction, read_direction(*c.direction_file, c.direction_tensor));
  return ok();
}

// ---- add, set

Result<WeightEdit> with_operand(WeightEdit edit, const TensorEntry& entry) {
  VB_TRY(edit.operand, decode_f32(entry.view), "in tensor '{}'", printable(entry.name));
  edit.operand_shape.assign(entry.view.shape.dims().begin(), entry.view.shape.dims().end());
  return edit;
}

/// One edit with the named tensor of the file, or one for each of its tensors that is meant.
Result<std::vector<WeightEdit>> with_operands(const WeightEditConfig& c, WeightEdit frame) {
  VB_TRY(frame.source_digest, checked_digest(*c.file, c.file_sha256));
  VB_TRY(const auto file, open_safetensors(*c.file));
  std::vector<WeightEdit> edits;
  if (c.file_tensor) {
    VB_TRY(const TensorEntry* entry, named_tensor(*file, *c.file_tensor));
    VB_TRY(WeightEdit edit, with_operand(frame, *entry));
    edits.push_back(std::move(edit));
    return edits;
  }
  for (const TensorEntry& entry : file->tensors()) {
    if (!matches_glob(c.tensor, entry.name)) continue;
    VB_TRY(WeightEdit edit, with_operand(frame, entry));
    edit.tensor = entry.name;
    edits.push_back(std::move(edit));
  }
  if (edits.empty()) return named_tensor(*file, c.tensor).error();
  return edits;
}

Result<std::vector<WeightEdit>> expand(const WeightEditConfig& c) {
  VB_TRY(const WeightOp* op, find_weight_op(c.op));
  VB_CHECK(check_keys(c, *op));
  WeightEdit edit{.tensor = c.tensor, .op = c.op};
  edit.alpha = c.alpha.value_or(1.0);
  edit.sigma = c.sigma.value_or(0.0);
  edit.seed = c.seed.value_or(0);
  VB_TRY(edit.side, weight_side_from(c.side.value_or("output")));
  if (holds(op->takes, EditParameter::direction)) VB_CHECK(add_direction(c, edit));
  if (c.file) {
    VB_TRY(auto edits, with_operands(c, std::move(edit)), "in {}", *c.file);
    return edits;
  }
  return std::vector<WeightEdit>{std::move(edit)};
}

}  // namespace

Result<std::vector<WeightEdit>> to_weight_edits(const std::vector<WeightEditConfig>& configs) {
  std::vector<WeightEdit> out;
  for (std::size_t i = 0; i < configs.size(); ++i) {
    VB_TRY(std::vector<WeightEdit> expanded, expand(configs[i]), "in weight edit {} ({} of '{}')", i, configs[i].op,
           printable(configs[i].tensor));
    std::ranges::move(expanded, std::back_inserter(out));
  }
  return out;
}

Result<std::vector<WeightEdit>> read_weight_edits(const std::string& path) {
  VB_TRY(const WeightEditsFile file, read_toml_file<WeightEditsFile>(path));
  VB_TRY(auto edits, to_weight_edits(file.weight_edits), "in {}", path);
  return edits;
}

Result<void> edit_weights(const std::optional<std::string>& path, Runtime& runtime) {
  if (!path) return ok();
  VB_TRY(const std::vector<WeightEdit> edits, read_weight_edits(*path));
  VB_CHECK(runtime.edit_weights(edits), "in {}", *path);
  return ok();
}

}  // namespace vauban
