/// What a diff is told: the flags of `vauban diff`, and the [diff] table of a configuration file.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/config/fields.h"

namespace vauban {

struct DiffConfig {
  std::string a, b;
  std::optional<std::string> suite, out, claim_strength, title;
  std::vector<std::string> role, scorers{"deterministic_v2"};
  bool rescore = true;
};

inline void fields(DiffConfig& c, FieldVisitor& f) {
  f("a", c.a, {.help = "baseline: an observation file, a run folder or a model", .required = true, .positional = true, .metavar = "A", .file = true});
  f("b", c.b, {.help = "candidate: the same", .required = true, .positional = true, .metavar = "B", .file = true});
  f("suite", c.suite, {.help = "TOML suite: roles, gates and categories of the prompts", .metavar = "FILE", .file = true});
  f("role", c.role, {.help = "CATEGORY=ROLE (benign, boundary, ambiguous, capability, neutral); `overall` stands for every category"});
  f("scorers", c.scorers, {.help = "applied to rows that carry their text"});
  f("rescore", c.rescore, {.help = "score texts again, so that both sides are judged by the same rules"});
  f("claim_strength", c.claim_strength, {.help = "may only lower the level: see `vauban man claims`",
     .choices = {"behavioral_profile", "black_box_behavioral_diff", "distributional_diff", "weight_diff", "activation_diagnostic", "model_change_audit"}});
  f("title", c.title, {.help = "title of the report"});
  f("out", c.out, {.help = "also write a run folder that `verify` and `report` understand", .metavar = "DIR", .file = true});
}

}  // namespace vauban
