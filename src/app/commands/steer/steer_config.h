/// What a steered answer is told: the flags of `vauban steer`, and the [steer] table of a configuration file.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "app/prompt_options.h"
#include "app/session.h"
#include "base/config/fields.h"
#include "base/result.h"

namespace vauban {

struct SteerConfig {
  std::string model, direction;
  std::string mode = "add", inner_mode = "subtract", layers = "chosen", positions = "all";
  std::optional<std::string> site, direction_sha256, gate, gate_sha256;
  std::optional<std::uint64_t> random_seed;
  double alpha = 1.0, lo = 0.0, hi = 0.0, tau = 0.0;
  PromptOptions prompt;
  SamplingOptions sampling;
};

inline void fields(SteerConfig& c, FieldVisitor& f) {
  f("model", c.model, {.help = "model folder or .gguf", .required = true, .positional = true, .file = true});
  f("direction", c.direction,
    {.help = "direction file of `vauban measure`, or a GGUF control vector",
     .required = true,
     .metavar = "FILE",
     .file = true});
  f("direction_sha256", c.direction_sha256, {.help = "SHA-256 that the file must have"});
  f("mode", c.mode,
    {.help = "arithmetic at the site: see `vauban man interventions`",
     .choices = {"project", "subtract", "add", "subspace_project", "subspace_remove", "subspace_add", "clamp",
                 "conditional", "offset"}});
  f("alpha", c.alpha,
    {.help = "strength; offset: in measured differences (norm * direction), else a share of the projection; 0 changes "
             "nothing"});
  f("layers", c.layers, {.help = "chosen (by the file), all, or 3, 3-5, 2,4,7; from 0. At a site that is there once (embed_out, "
                               "final_norm_out): the one whose direction is used"});
  f("positions", c.positions, {.help = "token rows that are edited: all, last (of the prompt), a-b, decode"});
  f("site", c.site, {.help = "default: the site that was measured"});
  f("random_seed", c.random_seed,
    {.help = "control: a random direction of the same length in place of the measured one"});
  f("gate", c.gate,
    {.help = "conditional: direction file of the gate; default: the direction itself",
     .metavar = "FILE",
     .file = true});
  f("gate_sha256", c.gate_sha256, {.help = "SHA-256 that the gate file must have"});
  f("inner_mode", c.inner_mode,
    {.help = "conditional: what to do where h . gate > tau",
     .choices = {"subtract", "add", "subspace_remove", "subspace_add", "clamp", "offset"}});
  f("lo", c.lo, {.help = "clamp: lower bound of the projection"});
  f("hi", c.hi, {.help = "clamp: upper bound of the projection"});
  f("tau", c.tau, {.help = "conditional: the gate opens where h . gate is above this; the gate keeps its length"});
  fields(c.prompt, f);
  fields(c.sampling, f);
}

/// Answers the prompt without and with the edit, prints both and the measured effect. The value is the exit code.
Result<int> run_steer(const SteerConfig& config, Session& session);

}  // namespace vauban
