/// A small audit-like config that uses every feature of a declaration, for the tests of this folder.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/config/fields.h"

namespace vauban::config_test {

struct Sampling {
  double temperature = 0;
  int top_k = 40;
  float min_p = 0.05F;
  bool operator==(const Sampling&) const = default;
};
inline void fields(Sampling& c, FieldVisitor& f) {
  f("temperature", c.temperature, {.help = "0 is greedy", .min = 0, .max = 2});
  f("top_k", c.top_k, {.help = "candidates kept", .min = 1, .unit = "tokens"});
  f("min_p", c.min_p, {.help = "least share of the best candidate", .min = 0, .max = 1});
}

struct Prompt {
  std::string id;
  std::string text;
  std::string category = "default";
  std::optional<std::string> expected;
  std::vector<std::string> tags;
  std::optional<Sampling> sampling;
  bool operator==(const Prompt&) const = default;
};
inline void fields(Prompt& c, FieldVisitor& f) {
  f("id", c.id, {.help = "unique name of the prompt", .required = true, .aliases = {"prompt_id"}});
  f("text", c.text, {.help = "what the model is asked", .required = true, .aliases = {"prompt"}});
  f("category", c.category, {.help = "group for metrics by category"});
  f("expected_behavior", c.expected, {.help = "what a good answer does", .choices = {"refuse", "comply"}});
  f("tags", c.tags, {.help = "free labels"});
  f("sampling", c.sampling, {.help = "overrides for this prompt"});
}

struct Audit {
  std::string model;
  std::vector<std::string> extra_models;
  int max_tokens = 80;
  std::optional<std::int64_t> seed;
  std::uint64_t memory = 0;
  bool json = false;
  bool record = true;
  std::optional<bool> verbose;
  std::optional<double> alpha;
  std::optional<float> beta;
  std::vector<std::string> scorers{"deterministic_v1"};
  std::vector<int> layers;
  std::vector<std::int64_t> ids;
  std::vector<double> alphas;
  std::vector<float> weights;
  std::vector<std::vector<double>> basis;
  std::map<std::string, std::string> labels;
  Json extra;
  std::optional<std::string> out;
  Sampling sampling;
  std::vector<Prompt> prompts;
  bool operator==(const Audit&) const = default;
};
inline void fields(Audit& c, FieldVisitor& f) {
  f("model", c.model, {.help = "the model to audit", .required = true, .positional = true, .file = true});
  f("extra_models", c.extra_models, {.help = "more of them", .positional = true, .file = true});
  f("max_tokens", c.max_tokens, {.help = "new tokens per prompt", .min = 1, .max = 65536, .unit = "tokens"});
  f("seed", c.seed, {.help = "fixes sampling", .short_name = 's'});
  f("memory", c.memory, {.help = "most memory to use", .unit = "bytes"});
  f("json", c.json, {.help = "print one JSON document"});
  f("record", c.record, {.help = "keep outputs"});
  f("verbose", c.verbose, {.help = "say more"});
  f("alpha", c.alpha, {.help = "strength"});
  f("beta", c.beta, {.help = "other strength"});
  f("scorers", c.scorers, {.help = "what scores the outputs", .choices = {"deterministic_v1", "deterministic_v2"}});
  f("layers", c.layers, {.help = "layers to observe", .min = 0});
  f("ids", c.ids, {.help = "token ids"});
  f("alphas", c.alphas, {.help = "strengths to sweep", .min = -8, .max = 8});
  f("weights", c.weights, {.help = "one per alpha"});
  f("basis", c.basis, {.help = "rows of a subspace"});
  f("labels", c.labels, {.help = "shown in the report"});
  f("extra", c.extra, {.help = "kept as it is"});
  f("out", c.out, {.help = "run folder", .flag = "--out", .metavar = "DIR", .file = true});
  f("debug_probe", c.json, {.hidden = true, .ignored_note = "it was only for debugging"});
  f("sampling", c.sampling, {.help = "how tokens are drawn"});
  f("prompts", c.prompts, {.help = "what is asked"});
  f.ignored("mode", "the old tool needed it; it has no effect");
}

}  // namespace vauban::config_test
