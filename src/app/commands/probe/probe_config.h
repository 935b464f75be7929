/// What a probe is told: the flags of `vauban probe`, and the [probe] table of a configuration file.
#pragma once

#include <optional>
#include <string>

#include "app/prompt_options.h"
#include "app/session.h"
#include "base/config/fields.h"
#include "base/result.h"

namespace vauban {

struct ProbeConfig {
  std::string model, direction, out;
  std::string layers = "all", positions = "last";
  std::optional<std::string> site, direction_sha256, file, positive, negative;
  PromptOptions prompt;
  int bootstraps = 1000;
};

inline void fields(ProbeConfig& c, FieldVisitor& f) {
  f("model", c.model, {.help = "model folder or .gguf", .required = true, .positional = true, .file = true});
  f("direction", c.direction,
    {.help = "direction file of `vauban measure`, or a GGUF control vector",
     .required = true,
     .metavar = "FILE",
     .file = true});
  f("direction_sha256", c.direction_sha256, {.help = "SHA-256 that the file must have"});
  fields(c.prompt, f);
  f("file", c.file,
    {.help = "several prompts: a text a line, or JSONL with text, prompt or messages",
     .metavar = "FILE",
     .file = true});
  f("positive", c.positive,
    {.help = "labelled prompts that the direction should point to, with --negative: scores it on them",
     .metavar = "FILE",
     .file = true});
  f("negative", c.negative,
    {.help = "labelled prompts that it should point away from", .metavar = "FILE", .file = true});
  f("layers", c.layers, {.help = "all (of the file), chosen (by it), or 3, 3-5, 2,4,7; from 0. At a site that is there once (embed_out, "
                               "final_norm_out): the one whose direction is used"});
  f("positions", c.positions,
    {.help = "token rows averaged into one value per prompt: last (of the prompt), all, a-b"});
  f("site", c.site, {.help = "default: the site that was measured"});
  f("bootstraps", c.bootstraps, {.help = "resamples behind an interval", .min = 20, .max = 100000});
  f("out", c.out,
    {.help = "folder for probe.json, traces.jsonl and artifacts/: new, empty or of an earlier probe", .required = true, .metavar = "DIR", .file = true});
}

/// Runs the prompts, writes the folder, prints the answer. The value is the exit code.
Result<int> run_probe(const ProbeConfig& config, Session& session);

}  // namespace vauban
