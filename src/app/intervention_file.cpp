#include "app/intervention_file.h"

#include "base/config/reader.h"
#include "base/sha256.h"
#include "format/safetensors.h"

namespace vauban {
namespace {

struct Direction {
  std::vector<double> values;
  std::int64_t rows = 1;
  std::string digest;
};

std::string digest_of(const std::vector<double>& values) { return sha256_hex(std::as_bytes(std::span(values))); }

Result<const TensorEntry*> pick_tensor(const ModelFile& file, const std::optional<std::string>& name) {
  if (name) {
    if (const TensorEntry* entry = file.find(*name)) return entry;
    return not_found("no tensor '{}' in the file", *name);
  }
  if (file.tensors().size() == 1) return &file.tensors().front();
  return invalid_input("the file holds {} tensors: say which one with `tensor`", file.tensors().size());
}

Result<Direction> read_direction(const std::string& path, const std::optional<std::string>& tensor) {
  VB_TRY(const auto file, open_safetensors(path));
  VB_TRY(const TensorEntry* entry, pick_tensor(*file, tensor), "in {}", path);
  if (entry->view.shape.rank() < 1 || entry->view.shape.rank() > 2)
    return invalid_input("tensor '{}' in {}: expected (D) or (k, D), found {}", entry->name, path, entry->view.shape.to_string());
  VB_TRY(const std::vector<double> values, decode_f64(entry->view), "in {}", path);
  return Direction{values, entry->view.shape.rows(), file->tensor_digest(*entry)};
}

Result<Direction> flatten(const std::vector<std::vector<double>>& basis) {
  Direction direction{.values = {}, .rows = static_cast<std::int64_t>(basis.size()), .digest = {}};
  for (const auto& row : basis) {
    if (row.size() != basis.front().size())
      return invalid_input("rows of `basis` differ in length: {} and {}", basis.front().size(), row.size());
    direction.values.insert(direction.values.end(), row.begin(), row.end());
  }
  direction.digest = digest_of(direction.values);
  return direction;
}

Result<Direction> direction_of(const InterventionConfig& c) {
  if (!c.direction.empty() + !c.basis.empty() + c.direction_file.has_value() != 1)
    return invalid_input("expected exactly one of direction, basis, direction_file");
  if (c.direction_file) return read_direction(*c.direction_file, c.tensor);
  if (!c.basis.empty()) return flatten(c.basis);
  return Direction{c.direction, 1, digest_of(c.direction)};
}

Result<std::vector<double>> gate_of(const InterventionConfig& c) {
  if (c.gate_file) {
    VB_TRY(Direction gate, read_direction(*c.gate_file, c.gate_tensor));
    return std::move(gate.values);
  }
  return c.gate;
}

Result<Intervention> to_intervention(const InterventionConfig& c) {
  VB_TRY(Direction direction, direction_of(c));
  Intervention out{.name = c.name, .layers = c.layers, .direction_digest = direction.digest};
  VB_TRY(out.site, site_from(c.site));
  VB_TRY(out.positions, positions_from(c.positions));
  VB_TRY(out.primitive.mode, primitive_mode_from(c.mode));
  VB_TRY(out.primitive.inner, primitive_mode_from(c.inner_mode));
  VB_TRY(out.primitive.gate, gate_of(c));
  out.primitive.direction = std::move(direction.values);
  out.primitive.basis_rows = direction.rows;
  out.primitive.alpha = c.alpha;
  out.primitive.lo = c.lo;
  out.primitive.hi = c.hi;
  out.primitive.tau = c.tau;
  return out;
}

}  // namespace

Result<std::vector<Intervention>> to_interventions(const std::vector<InterventionConfig>& configs) {
  std::vector<Intervention> out;
  for (const InterventionConfig& config : configs) {
    VB_TRY(Intervention intervention, to_intervention(config), "in intervention '{}'", config.name);
    out.push_back(std::move(intervention));
  }
  return out;
}

Result<std::vector<Intervention>> read_interventions(const std::string& path) {
  VB_TRY(const InterventionsFile file, read_toml_file<InterventionsFile>(path));
  VB_TRY(auto interventions, to_interventions(file.interventions), "in {}", path);
  return interventions;
}

}  // namespace vauban
