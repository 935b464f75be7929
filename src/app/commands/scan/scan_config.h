/// What a scan is told: the flags of `vauban scan`, and the [scan] table of a configuration file.
#pragma once

#include <optional>
#include <string>

#include "app/prompt_options.h"
#include "app/session.h"
#include "base/config/fields.h"
#include "base/result.h"

namespace vauban {

struct ScanConfig {
  std::string model, direction, out;
  std::string layer = "chosen", positions = "all";
  std::optional<std::string> site, direction_sha256, file, calibrate;
  std::optional<double> threshold, z;
  PromptOptions prompt;
};

inline void fields(ScanConfig& c, FieldVisitor& f) {
  f("model", c.model, {.help = "model folder or .gguf", .required = true, .positional = true, .file = true});
  f("direction", c.direction,
    {.help = "direction file of `vauban measure`, or a GGUF control vector",
     .required = true,
     .metavar = "FILE",
     .file = true});
  f("direction_sha256", c.direction_sha256, {.help = "SHA-256 that the file must have"});
  fields(c.prompt, f);
  f("file", c.file,
    {.help = "several texts: one a line, or JSONL with text, prompt or messages", .metavar = "FILE", .file = true});
  f("layer", c.layer, {.help = "chosen (by the file) or a number, from 0"});
  f("positions", c.positions, {.help = "token rows that are scanned: all, last, a-b (1-9999 leaves BOS out)"});
  f("site", c.site, {.help = "default: the site that was measured"});
  f("threshold", c.threshold, {.help = "flag tokens whose projection is above this"});
  f("calibrate", c.calibrate,
    {.help = "ordinary texts, as for --file: the mean and deviation of their tokens turn projections into z-scores",
     .metavar = "FILE",
     .file = true});
  f("z", c.z,
    {.help = "with --calibrate: flag tokens whose z-score is above this; default 3, unless --threshold is given"});
  f("out", c.out,
    {.help = "folder for scan.json, traces.jsonl and artifacts/: new, empty or of an earlier scan", .required = true, .metavar = "DIR", .file = true});
}

/// Runs the texts, writes the folder, prints the answer. The value is the exit code.
Result<int> run_scan(const ScanConfig& config, Session& session);

}  // namespace vauban
