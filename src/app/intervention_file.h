/// Interventions as users write them: [[interventions]] tables in TOML.
///
/// A direction file of several layers (format/direction.h, what `vauban measure` writes, or a GGUF control vector)
/// gives each layer its own direction.<layer>: one intervention per layer, `name.<layer>` where they are several. Mode
/// offset then adds alpha * norm * direction: alpha counts measured differences, not unit lengths.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/config/fields.h"
#include "base/result.h"
#include "vauban/trace.h"

namespace vauban {

struct InterventionConfig {
  std::string name;
  std::string site = "resid_post", mode = "subtract", inner_mode = "subtract", positions = "all";
  std::vector<int> layers;
  double alpha = 1.0, lo = 0.0, hi = 0.0, tau = 0.0;
  std::vector<double> direction, gate;
  std::vector<std::vector<double>> basis;
  std::optional<std::string> direction_file, direction_sha256, gate_file, gate_sha256, tensor, gate_tensor;
  std::optional<std::uint64_t> random_seed;
};

inline void fields(InterventionConfig& c, FieldVisitor& f) {
  f("name", c.name, {.help = "what the records call it", .required = true});
  f("site", c.site, {.help = "see `vauban list sites`"});
  f("layers", c.layers, {.help = "layers from 0, each once; none: all, or all that a direction file holds. A site that is there once (embed_out, "
             "final_norm_out) takes none, or the one of a direction file whose direction it gets"});
  f("mode", c.mode,
    {.help = "arithmetic at the site: see `vauban man interventions`",
     .choices = {"project", "subtract", "add", "subspace_project", "subspace_remove", "subspace_add", "clamp",
                 "conditional", "offset"}});
  f("inner_mode", c.inner_mode,
    {.help = "conditional: what to do where the gate is open",
     .choices = {"subtract", "add", "subspace_remove", "subspace_add", "clamp", "offset"}});
  f("positions", c.positions, {.help = "all, last, a-b, decode"});
  f("alpha", c.alpha, {.help = "strength; 0 changes nothing"});
  f("lo", c.lo, {.help = "clamp: lower bound of the projection"});
  f("hi", c.hi, {.help = "clamp: upper bound of the projection"});
  f("tau", c.tau, {.help = "conditional: the gate opens where h . gate is above this; the gate keeps its length"});
  f("direction", c.direction, {.help = "the direction, inline"});
  f("basis", c.basis, {.help = "rows of a subspace, inline"});
  f("direction_file", c.direction_file,
    {.help = "direction or basis from a safetensors file, or a GGUF control vector", .file = true});
  f("direction_sha256", c.direction_sha256,
    {.help = "SHA-256 that direction_file must have, as `vauban measure` prints it"});
  f("tensor", c.tensor,
    {.help = "which tensor of direction_file; default: direction.<layer> for each layer, or its only one"});
  f("random_seed", c.random_seed,
    {.help = "control: a random direction of the same length in place of each layer's of direction_file"});
  f("gate", c.gate, {.help = "conditional: gate direction, inline"});
  f("gate_file", c.gate_file, {.help = "gate direction from a safetensors file", .file = true});
  f("gate_sha256", c.gate_sha256, {.help = "SHA-256 that gate_file must have"});
  f("gate_tensor", c.gate_tensor, {.help = "which tensor of gate_file; default: as for tensor"});
}

struct InterventionsFile {
  std::vector<InterventionConfig> interventions;
};
inline void fields(InterventionsFile& c, FieldVisitor& f) {
  f("interventions", c.interventions, {.help = "edits at sites, applied in this order", .required = true});
}

/// Reads the directions and their digests. Errors: invalid_input, not_found, corrupt (also for a file that does not
/// have the given SHA-256), naming the intervention.
Result<std::vector<Intervention>> to_interventions(const std::vector<InterventionConfig>& configs);
/// `path`: a file, or `garrison-steered`.
Result<std::vector<Intervention>> read_interventions(const std::string& path);

}  // namespace vauban
