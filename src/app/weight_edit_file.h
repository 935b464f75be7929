/// Weight edits as they are written in TOML: [[weight_edits]].
///
/// The keys beside tensor and op belong to ops: `vauban man weights` says which. What the op does not use is refused.
/// `file` of add and set: a tensor of it by the name of the tensor that is edited, for every match that it holds;
/// `file_tensor` names another one. `direction_file`: what `vauban measure` writes (the chosen layer's direction), a
/// control vector, or any file with one tensor; `direction_tensor` names one.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/config/fields.h"
#include "base/result.h"
#include "vauban/runtime.h"

namespace vauban {

struct WeightEditConfig {
  std::string tensor, op;
  std::optional<double> alpha, sigma;
  std::optional<std::uint64_t> seed;
  std::optional<std::string> side, direction_file, direction_sha256, direction_tensor, file, file_sha256, file_tensor;
  std::vector<double> direction;
};

inline void fields(WeightEditConfig& c, FieldVisitor& f) {
  f("tensor", c.tensor, {.help = "Hugging Face name of a loaded tensor; * and ? as wildcards", .required = true});
  f("op", c.op,
    {.help = "what is done to it: see `vauban man weights`",
     .required = true,
     .choices = {"scale", "zero", "add_noise", "project_out", "add", "set"}});
  f("alpha", c.alpha, {.help = "scale: the factor; project_out, add: strength, default 1; 0 changes nothing"});
  f("sigma", c.sigma, {.help = "add_noise: standard deviation", .min = 0});
  f("seed", c.seed, {.help = "add_noise: another seed, another noise"});
  f("side", c.side,
    {.help = "project_out: what has the direction's width, the rows of a matrix (output, the default) or its columns",
     .choices = {"output", "input"}});
  f("direction", c.direction, {.help = "project_out: the direction, inline"});
  f("direction_file", c.direction_file,
    {.help = "project_out: the direction from a safetensors file, or a GGUF control vector", .file = true});
  f("direction_sha256", c.direction_sha256, {.help = "SHA-256 that direction_file must have"});
  f("direction_tensor", c.direction_tensor,
    {.help = "which tensor of direction_file; default: the direction that was chosen, or its only one"});
  f("file", c.file, {.help = "add, set: safetensors file with the tensor", .file = true});
  f("file_sha256", c.file_sha256, {.help = "SHA-256 that file must have"});
  f("file_tensor", c.file_tensor, {.help = "which tensor of file; default: the one of the edited tensor's name"});
}

struct WeightEditsFile {
  std::vector<WeightEditConfig> weight_edits;
};
inline void fields(WeightEditsFile& c, FieldVisitor& f) {
  f("weight_edits", c.weight_edits, {.help = "edits of loaded weights, applied in this order", .required = true});
}

/// Reads the files. Errors: invalid_input, not_found, corrupt (also for a file that does not have the given SHA-256),
/// naming the edit.
Result<std::vector<WeightEdit>> to_weight_edits(const std::vector<WeightEditConfig>& configs);
Result<std::vector<WeightEdit>> read_weight_edits(const std::string& path);
/// --edit-weights of a command; nothing without a path. Errors: those above and of Runtime::edit_weights.
Result<void> edit_weights(const std::optional<std::string>& path, Runtime& runtime);

}  // namespace vauban
