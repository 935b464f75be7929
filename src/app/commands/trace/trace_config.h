/// What a trace is told: the flags of `vauban trace`, and the [trace] table of a configuration file.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "app/embedded/embedded_models.h"
#include "app/prompt_options.h"
#include "app/session.h"
#include "base/config/fields.h"
#include "base/result.h"
#include "format/model_names.h"

namespace vauban {

struct TraceConfig {
  std::string model, out;
  PromptOptions prompt;
  SamplingOptions sampling{.max_tokens = 0};
  std::vector<std::string> observe, leave_out, profile;
  std::optional<std::string> intervene, edit_weights;
  bool fail_on_missing = false;
};

inline void fields(TraceConfig& c, FieldVisitor& f) {
  f("model", c.model, {.help = "model folder or .gguf", .required = true, .positional = true, .file = true, .is_name = names_embedded_model});
  fields(c.prompt, f);
  fields(c.sampling, f);
  f("observe", c.observe, {.help = "SPEC[,SPEC]: site:layers:form[@positions], e.g. resid_post:all:summary, "
                                   "attn_pattern:0-3:payload@last, logprobs:top20, weights:GLOB:summary"});
  f("intervene", c.intervene, {.help = "TOML file with [[interventions]]", .metavar = "FILE", .file = true, .is_name = names_embedded_interventions});
  f("edit_weights", c.edit_weights, {.help = "TOML file with [[weight_edits]]: see `vauban man weights`", .metavar = "FILE", .file = true});
  f("leave_out", c.leave_out, {.help = "stages to leave out; the trace says so", .choices = {"observe", "decode", "score", "emit"}});
  f("profile", c.profile, {.help = "STAGES[,STAGES] or all: record what costs, too; see `vauban man profile`", .metavar = "STAGES"});
  f("fail_on_missing", c.fail_on_missing, {.help = "exit 3 when something asked for was not observed"});
  f("out", c.out, {.help = "folder for trace.json and artifacts/: new, empty or of an earlier trace", .required = true, .metavar = "DIR", .file = true});
}

/// Runs the prompt, writes trace.json and the payloads, prints the answer. The value is the exit code.
Result<int> run_trace(const TraceConfig& config, Session& session);

}  // namespace vauban
