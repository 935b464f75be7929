/// What an audit is told: the flags of `vauban audit`, and the [audit] table of a configuration file.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "app/embedded/embedded_models.h"
#include "app/prompt_options.h"
#include "base/config/fields.h"
#include "format/model_names.h"

namespace vauban {

struct AuditConfig {
  std::string base, candidate, suite, out;
  SamplingOptions sampling{.max_tokens = 64};
  int samples = 1, batch = 16, baseline_floor = 8;
  std::vector<std::string> observe;
  std::optional<std::string> intervene, edit_weights, claim_strength, title, target_change, transformation_kind, transformation_summary;
  bool record_outputs = true, plan = false;
};

inline void fields(AuditConfig& c, FieldVisitor& f) {
  f("base", c.base, {.help = "baseline model: folder, .gguf or a name of `vauban list models`", .required = true, .positional = true, .metavar = "BASE", .file = true, .is_name = names_embedded_model});
  f("candidate", c.candidate, {.help = "changed model: folder or .gguf", .required = true, .positional = true, .metavar = "CANDIDATE", .file = true, .is_name = names_embedded_model});
  f("suite", c.suite, {.help = "TOML suite: prompts, roles, gates; or garrison, garrison-contrast", .required = true, .metavar = "FILE", .file = true, .is_name = names_embedded_suite});
  f("out", c.out, {.help = "run folder; the same command resumes or renders again", .required = true, .metavar = "DIR", .file = true});
  fields(c.sampling, f);
  f("samples", c.samples, {.help = "answers per prompt; more than one needs a temperature", .min = 1, .max = 1000});
  f("batch", c.batch, {.help = "prompts per chunk; results do not depend on it", .min = 1, .max = 4096});
  f("baseline_floor", c.baseline_floor, {.help = "prompts on which the baseline is measured against itself under another batch shape and thread count; 0: none", .min = 0, .max = 1e6});
  f("observe", c.observe, {.help = "SPEC[,SPEC] recorded in every trace: see `vauban man observe`"});
  f("intervene", c.intervene, {.help = "TOML file with [[interventions]] on the candidate; or garrison-steered", .metavar = "FILE", .file = true, .is_name = names_embedded_interventions});
  f("edit_weights", c.edit_weights, {.help = "TOML file with [[weight_edits]] of the candidate: see `vauban man weights`", .metavar = "FILE", .file = true});
  f("claim_strength", c.claim_strength, {.help = "may only lower the level: see `vauban man claims`",
     .choices = {"behavioral_profile", "black_box_behavioral_diff", "distributional_diff", "weight_diff", "activation_diagnostic", "model_change_audit"}});
  f("title", c.title, {.help = "title of the report"});
  f("target_change", c.target_change, {.help = "what the change was meant to do"});
  f("transformation_kind", c.transformation_kind,
    {.help = "what was done to the model",
     .choices = {"fine_tune", "reinforcement_fine_tune", "checkpoint_update", "prompt_template", "quantization", "merge", "adapter_merge",
                 "steering", "endpoint_update", "evaluation_only", "other"}});
  f("transformation_summary", c.transformation_summary, {.help = "the same in words"});
  f("record_outputs", c.record_outputs, {.help = "store the texts of prompts marked safe"});
  f("plan", c.plan, {.help = "say what would be done, and stop"});
}

}  // namespace vauban
