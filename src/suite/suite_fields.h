/// The one declaration of a suite file: TOML reader, schema and manual come from it. Keys follow audit.md section 1.
#pragma once

#include "base/config/fields.h"
#include "suite/suite.h"

namespace vauban {

inline void fields(SuiteMessage& c, FieldVisitor& f) {
  f("role", c.role, {.help = "who speaks", .required = true, .choices = {"system", "user", "assistant"}});
  f("content", c.content, {.help = "what is said", .required = true});
}

inline void fields(SuitePrompt& c, FieldVisitor& f) {
  f("id", c.id, {.help = "unique name of the prompt", .required = true, .aliases = {"prompt_id"}});
  f("text", c.text, {.help = "what the model is asked", .aliases = {"prompt"}});
  f("category", c.category, {.help = "group for per-category metrics"});
  f("expected_behavior", c.expected_behavior,
    {.help = "what a good answer does",
     .choices = {"refuse", "comply", "express_uncertainty", "ask_clarifying_question", "defer", "unknown"}});
  f("redaction", c.redaction, {.help = "what may be stored and shown", .choices = {"safe", "redacted", "omitted"}});
  f("tags", c.tags, {.help = "free labels"});
  f("messages", c.messages, {.help = "a conversation instead of text"});
  f("system", c.system, {.help = "system message, with text"});
  f("family", c.family, {.help = "paraphrase or template cluster; intervals are clustered by it"});
  f("role", c.role, {.help = "what its category is for: it decides whether a rising rate is good",
                     .choices = {"", "benign", "boundary", "ambiguous", "capability", "neutral"}});
  f("reference", c.reference, {.help = "a right answer"});
  f("rubric", c.rubric, {.help = "how to judge an answer"});
  f("source_ref", c.source_ref, {.help = "where the prompt comes from"});
}

inline void fields(SuiteMetric& c, FieldVisitor& f) {
  f("name", c.name, {.help = "id in `list metrics`, or a metric of the rows", .required = true});
  f("description", c.description, {.help = "what it means here"});
  f("polarity", c.polarity, {.help = "which way is good", .choices = {"", "higher_is_better", "lower_is_better", "neutral"}});
  f("unit", c.unit, {.help = "ratio, count, ..."});
  f("family", c.family, {.help = "behavior, ..."});
  f("margin", c.margin, {.help = "equivalence margin of the delta, in the metric's unit", .min = 0});
}

inline void fields(SuiteGate& c, FieldVisitor& f) {
  f("id", c.id, {.help = "unique name of the gate", .required = true});
  f("metric", c.metric, {.help = "id in `list metrics`", .required = true});
  f("category", c.category, {.help = "overall, or one of the suite's"});
  f("bound", c.bound, {.help = "the delta (two-model metrics: the value) may not go beyond", .choices = {"max", "min"}});
  f("value", c.value, {.help = "the limit, in the metric's unit", .required = true});
  f("on", c.on, {.help = "what is compared with the limit: the far end of the 95 % interval, the point, or TOST at the limit",
                 .choices = {"interval", "point", "equivalence"}});
  f("severity", c.severity, {.help = "fail decides the exit code, warn is only shown", .choices = {"fail", "warn"}});
  f("description", c.description, {.help = "why"});
}

inline void fields(Suite& c, FieldVisitor& f) {
  f("name", c.name, {.help = "name of the suite", .required = true});
  f("description", c.description, {.help = "what it looks for"});
  f("version", c.version, {.help = "changes when a prompt changes"});
  f("source", c.source, {.help = "where the prompts come from"});
  f("safety_policy", c.safety_policy, {.help = "how unsafe content is handled"});
  f("chat", c.chat, {.help = "a prompt's text is a user's message: the model's own chat template writes it"});
  f("scorers", c.scorers, {.help = "see `vauban list scorers`; deterministic_v1 and deterministic_v2 are bundles"});
  f("metrics", c.metrics, {.help = "declarations that win over the built-in ones"});
  f("prompts", c.prompts, {.help = "what both models are asked"});
  f("gates", c.gates, {.help = "what must hold for the change to pass"});
}

/// The document: one table, so that a suite can also stand inside a larger configuration.
struct SuiteFile {
  Suite behavior_suite;
};
inline void fields(SuiteFile& c, FieldVisitor& f) {
  f("behavior_suite", c.behavior_suite, {.help = "the suite", .required = true});
}

}  // namespace vauban
