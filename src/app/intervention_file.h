/// Interventions as users write them: [[interventions]] tables in TOML.
#pragma once

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
  std::optional<std::string> direction_file, gate_file, tensor, gate_tensor;
};

inline void fields(InterventionConfig& c, FieldVisitor& f) {
  f("name", c.name, {.help = "what the records call it", .required = true});
  f("site", c.site, {.help = "see `vauban list sites`"});
  f("layers", c.layers, {.help = "layers from 0; none: all"});
  f("mode", c.mode, {.help = "arithmetic at the site: see `vauban man interventions`",
                     .choices = {"project", "subtract", "add", "subspace_project", "subspace_remove", "subspace_add",
                                 "clamp", "conditional", "offset"}});
  f("inner_mode", c.inner_mode, {.help = "conditional: what to do where the gate is open",
                                 .choices = {"subtract", "add", "clamp", "offset"}});
  f("positions", c.positions, {.help = "all, last, a-b, decode"});
  f("alpha", c.alpha, {.help = "strength; 0 changes nothing"});
  f("lo", c.lo, {.help = "clamp: lower bound of the projection"});
  f("hi", c.hi, {.help = "clamp: upper bound of the projection"});
  f("tau", c.tau, {.help = "conditional: the gate opens above this projection"});
  f("direction", c.direction, {.help = "the direction, inline"});
  f("basis", c.basis, {.help = "rows of a subspace, inline"});
  f("direction_file", c.direction_file, {.help = "direction or basis from a safetensors file", .file = true});
  f("tensor", c.tensor, {.help = "which tensor of direction_file; default: its only one"});
  f("gate", c.gate, {.help = "conditional: gate direction, inline"});
  f("gate_file", c.gate_file, {.help = "gate direction from a safetensors file", .file = true});
  f("gate_tensor", c.gate_tensor, {.help = "which tensor of gate_file; default: its only one"});
}

struct InterventionsFile {
  std::vector<InterventionConfig> interventions;
};
inline void fields(InterventionsFile& c, FieldVisitor& f) {
  f("interventions", c.interventions, {.help = "edits at sites, applied in this order", .required = true});
}

/// Reads the directions and their digests. Errors: invalid_input, not_found, corrupt, naming the intervention.
Result<std::vector<Intervention>> to_interventions(const std::vector<InterventionConfig>& configs);
Result<std::vector<Intervention>> read_interventions(const std::string& path);

}  // namespace vauban
