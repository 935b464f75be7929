/// What a measurement is told: the flags of `vauban measure`, and the [measure] table of a configuration file.
#pragma once

#include <string>

#include "app/session.h"
#include "base/config/fields.h"
#include "base/result.h"

namespace vauban {

struct MeasureConfig {
  std::string model, positive, negative, out;
  std::string site = "resid_post", positions = "last", method = "mean_difference";
  int components = 1, controls = 100, bootstraps = 20, max_tokens = 0;
  bool chat = false;
};

inline void fields(MeasureConfig& c, FieldVisitor& f) {
  f("model", c.model, {.help = "model folder or .gguf", .required = true, .positional = true, .file = true});
  f("positive", c.positive,
    {.help = "prompts that the direction points to: a text a line, or JSONL with text, prompt or messages",
     .required = true,
     .metavar = "FILE",
     .file = true});
  f("negative", c.negative,
    {.help = "prompts that it points away from", .required = true, .metavar = "FILE", .file = true});
  f("out", c.out,
    {.help = "direction file: .safetensors, or .gguf for a control vector",
     .required = true,
     .metavar = "FILE",
     .file = true});
  f("site", c.site, {.help = "see `vauban list sites`"});
  f("positions", c.positions,
    {.help = "token rows averaged into one per prompt: last (of the prompt), all, a-b, decode"});
  f("method", c.method, {.help = "how a direction is fitted", .choices = {"mean_difference", "pca"}});
  f("components", c.components, {.help = "of pca: rows of the subspace saved as basis.<layer>", .min = 1, .max = 64});
  f("controls", c.controls, {.help = "random directions, and shuffles of the labels", .min = 20, .max = 100000});
  f("bootstraps", c.bootstraps, {.help = "resamples whose directions are compared", .min = 2, .max = 10000});
  f("max_tokens", c.max_tokens,
    {.help = "new tokens after each prompt, for positions decode or all", .min = 0, .max = 1e6, .unit = "tokens"});
  f("chat", c.chat, {.help = "lines are messages of the user: apply the model's chat template"});
}

/// Runs the prompts, writes the direction file, prints the answer. The value is the exit code.
Result<int> run_measure(const MeasureConfig& config, Session& session);

}  // namespace vauban
