#include "app/intervention_file.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "app/embedded/embedded_models.h"
#include "base/config/reader.h"
#include "base/rng.h"
#include "base/sha256.h"
#include "base/strings.h"
#include "format/direction.h"
#include "format/gguf.h"
#include "format/safetensors.h"

namespace vauban {
namespace {

struct Direction {
  std::vector<double> values;
  std::int64_t rows = 1;
  std::string digest;
};

std::string digest_of(const std::vector<double>& values) { return sha256_hex(std::as_bytes(std::span(values))); }

Result<std::shared_ptr<const ModelFile>> open_tensors(const std::string& path) {
  return is_control_vector(path) ? open_gguf(path) : open_safetensors(path);
}

/// Whether a file names its tensors by layer.
bool is_layered(const ModelFile& file) {
  return std::ranges::any_of(file.tensors(),
                             [](const TensorEntry& entry) { return entry.name.starts_with("direction."); });
}

Result<const TensorEntry*> pick_tensor(const ModelFile& file, const std::optional<std::string>& name) {
  if (name) {
    if (const TensorEntry* entry = file.find(*name)) return entry;
    return not_found("no tensor '{}' in the file", *name);
  }
  if (file.tensors().size() == 1) return &file.tensors().front();
  return invalid_input("the file holds {} tensors: say which one with `tensor`", file.tensors().size());
}

Result<Direction> read_direction(const std::string& path, const std::optional<std::string>& tensor) {
  VB_TRY(const auto file, open_tensors(path));
  VB_TRY(const TensorEntry* entry, pick_tensor(*file, tensor), "in {}", path);
  if (entry->view.shape.rank() < 1 || entry->view.shape.rank() > 2)
    return invalid_input("tensor '{}' in {}: expected (D) or (k, D), found {}", entry->name, path,
                         entry->view.shape.to_string());
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

/// `key` is that of the digest: "direction_sha256", of direction_file.
Result<void> check_digest(std::string_view key, const std::optional<std::string>& file,
                          const std::optional<std::string>& expected) {
  if (!expected) return ok();
  const std::string of(key.substr(0, key.find("_sha256")));
  if (!file) return invalid_input("{} is that of {}_file, which is not given", key, of);
  VB_TRY(const std::string found, sha256_file(*file));
  if (found == *expected) return ok();
  return with_hint(corrupt("{}: expected SHA-256 {}, found {}", *file, *expected, found),
                   format("measure the {} again, or correct {}", of, key));
}

Result<void> check_digests(const InterventionConfig& c) {
  VB_CHECK(check_digest("direction_sha256", c.direction_file, c.direction_sha256));
  return check_digest("gate_sha256", c.gate_file, c.gate_sha256);
}

Result<Direction> direction_of(const InterventionConfig& c) {
  if (c.direction_file) return read_direction(*c.direction_file, c.tensor);
  if (!c.basis.empty()) return flatten(c.basis);
  return Direction{c.direction, 1, digest_of(c.direction)};
}

Result<std::optional<DirectionFile>> layered_file(const std::optional<std::string>& path,
                                                  const std::optional<std::string>& tensor) {
  if (!path || tensor) return std::optional<DirectionFile>();
  VB_TRY(const auto file, open_tensors(*path));
  if (!is_layered(*file)) return std::optional<DirectionFile>();
  VB_TRY(DirectionFile read, read_directions(*path));
  return std::optional<DirectionFile>(std::move(read));
}

/// Everything but the direction and its layers.
Result<Intervention> frame_of(const InterventionConfig& c) {
  Intervention out{.name = c.name, .layers = c.layers};
  VB_TRY(out.site, site_from(c.site));
  VB_TRY(out.positions, positions_from(c.positions));
  VB_TRY(out.primitive.mode, primitive_mode_from(c.mode));
  VB_TRY(out.primitive.inner, primitive_mode_from(c.inner_mode));
  out.primitive.gate = c.gate;
  out.primitive.alpha = c.alpha;
  out.primitive.lo = c.lo;
  out.primitive.hi = c.hi;
  out.primitive.tau = c.tau;
  return out;
}

std::string layers_in(const DirectionFile& file) {
  std::vector<std::string> names;
  for (const LayerDirection& entry : file.layers) names.push_back(format("{}", entry.layer));
  return join(names, ", ");
}

Result<const LayerDirection*> entry_of(const DirectionFile& file, int layer) {
  if (const LayerDirection* entry = file.find(layer)) return entry;
  return not_found("the direction file holds no direction.{}; it has layers {}", layer, layers_in(file));
}

/// What a mode works with: the length that was measured only where the length matters, the whole subspace where one is
/// meant.
void take_direction(const LayerDirection& entry, Primitive& primitive) {
  const PrimitiveMode mode = primitive.mode == PrimitiveMode::conditional ? primitive.inner : primitive.mode;
  const bool subspace = mode == PrimitiveMode::subspace_project || mode == PrimitiveMode::subspace_remove ||
                        mode == PrimitiveMode::subspace_add;
  std::vector<float> values = entry.direction;
  if (mode == PrimitiveMode::offset) values = entry.offset();
  if (subspace && !entry.basis.empty()) values = entry.basis;
  primitive.basis_rows = static_cast<std::int64_t>(values.size() / entry.direction.size());
  primitive.direction.assign(values.begin(), values.end());
}

/// Normal components, so that every direction is as likely; of the length that the measured one has.
void randomise(std::vector<double>& values, std::uint64_t seed, int layer) {
  double length = 0, drawn = 0;
  Rng rng(seed, static_cast<std::uint64_t>(layer));
  for (double& value : values) {
    length += value * value;
    value = rng.normal();
    drawn += value * value;
  }
  for (double& value : values) value *= std::sqrt(length / drawn);
}

struct Sources {
  std::optional<DirectionFile> direction, gate;
  std::optional<std::uint64_t> random_seed;
};

Result<Intervention> at_layer(const Intervention& frame, const Sources& from, int layer) {
  Intervention out = frame;
  if (info(out.site).per_layer)
    out.layers = {layer};
  else
    out.layers.clear();  // the file calls it layer 0
  if (from.direction) {
    VB_TRY(const LayerDirection* entry, entry_of(*from.direction, layer));
    take_direction(*entry, out.primitive);
    out.direction_digest = from.direction->digest;
  }
  if (from.random_seed) {
    randomise(out.primitive.direction, *from.random_seed, layer);
    out.direction_digest = digest_of(out.primitive.direction);
  }
  if (from.gate) {
    VB_TRY(const LayerDirection* entry, entry_of(*from.gate, layer), "for the gate");
    out.primitive.gate.assign(entry->direction.begin(), entry->direction.end());
  }
  return out;
}

std::vector<int> layers_of(const InterventionConfig& c, const DirectionFile& file) {
  std::vector<int> layers = c.layers;
  if (layers.empty())
    for (const LayerDirection& entry : file.layers) layers.push_back(entry.layer);
  return layers;
}

/// Every direction that a file holds would act on the one site.
Result<void> check_once(Site site, const std::vector<int>& layers) {
  if (info(site).per_layer || layers.size() == 1) return ok();
  std::vector<std::string> names;
  for (const int layer : layers) names.push_back(format("{}", layer));
  return with_hint(invalid_input("site '{}' is there once and takes one direction, found those of layers {}", to_string(site),
                                 join(names, ", ")),
                   "say which layer's direction of the file to use there");
}

Result<void> check_layers_differ(std::vector<int> layers) {
  std::ranges::sort(layers);
  const auto twice = std::ranges::adjacent_find(layers);
  if (twice == layers.end()) return ok();
  return invalid_input("layers: {} is given twice", *twice);
}

Result<std::vector<Intervention>> per_layer(const InterventionConfig& c, const Intervention& frame,
                                            const Sources& from) {
  const std::vector<int> layers = layers_of(c, from.direction ? *from.direction : *from.gate);
  VB_CHECK(check_once(frame.site, layers));
  std::vector<Intervention> out;
  for (const int layer : layers) {
    VB_TRY(Intervention made, at_layer(frame, from, layer));
    if (layers.size() > 1) made.name = format("{}.{}", c.name, layer);
    out.push_back(std::move(made));
  }
  return out;
}

Result<std::vector<Intervention>> expand(const InterventionConfig& c) {
  if (!c.direction.empty() + !c.basis.empty() + c.direction_file.has_value() != 1)
    return invalid_input("expected exactly one of direction, basis, direction_file");
  VB_CHECK(check_layers_differ(c.layers));
  VB_CHECK(check_digests(c));
  VB_TRY(Intervention frame, frame_of(c));
  Sources from{.direction = {}, .gate = {}, .random_seed = c.random_seed};
  VB_TRY(from.direction, layered_file(c.direction_file, c.tensor));
  VB_TRY(from.gate, layered_file(c.gate_file, c.gate_tensor));
  if (c.random_seed && !from.direction)
    return invalid_input("random_seed needs a direction_file with a direction.<layer> for each layer");
  if (!from.direction) {
    VB_TRY(Direction direction, direction_of(c));
    frame.direction_digest = direction.digest;
    frame.primitive.direction = std::move(direction.values);
    frame.primitive.basis_rows = direction.rows;
  }
  if (c.gate_file && !from.gate) {
    VB_TRY(Direction gate, read_direction(*c.gate_file, c.gate_tensor));
    frame.primitive.gate = std::move(gate.values);
  }
  if (from.direction || from.gate) return per_layer(c, frame, from);
  return std::vector<Intervention>{std::move(frame)};
}

}  // namespace

Result<std::vector<Intervention>> to_interventions(const std::vector<InterventionConfig>& configs) {
  std::vector<Intervention> out;
  std::set<std::string_view> names;
  for (const InterventionConfig& config : configs) {
    if (!names.insert(config.name).second)
      return with_hint(invalid_input("two interventions are named '{}': the records could not tell them apart", config.name),
                       "give each its own name");
    VB_TRY(std::vector<Intervention> expanded, expand(config), "in intervention '{}'", config.name);
    std::ranges::move(expanded, std::back_inserter(out));
  }
  return out;
}

Result<std::vector<Intervention>> read_interventions(const std::string& named) {
  VB_TRY(const std::string path, locate_interventions(named));
  VB_TRY(const InterventionsFile file, read_toml_file<InterventionsFile>(path));
  VB_TRY(auto interventions, to_interventions(file.interventions), "in {}", path);
  return interventions;
}

}  // namespace vauban
