/// PromptOptions and SamplingOptions: how commands say what a model is given and how it answers.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/config/fields.h"
#include "base/result.h"
#include "vauban/trace.h"

namespace vauban {

struct PromptOptions {
  std::optional<std::string> prompt, ids;
  bool chat = false;
};

inline void fields(PromptOptions& c, FieldVisitor& f) {
  f("prompt", c.prompt, {.help = "the text; BOS is added as the model's files say"});
  f("ids", c.ids, {.help = "token ids instead of a text: 1,2,3; nothing is added to them"});
  f("chat", c.chat, {.help = "the prompt is a message of the user: apply the model's chat template"});
}

struct SamplingOptions {
  int max_tokens = 128;
  double temperature = 0.0, top_p = 1.0, min_p = 0.0, repetition_penalty = 1.0;
  int top_k = 0, repetition_window = 64;
  std::vector<std::string> stop;
  bool ignore_eos = false;
};

inline void fields(SamplingOptions& c, FieldVisitor& f) {
  f("max_tokens", c.max_tokens, {.help = "new tokens at most", .min = 0, .max = 1e6, .unit = "tokens"});
  f("temperature", c.temperature, {.help = "0: greedy, lowest id on ties", .min = 0, .max = 100});
  f("top_k", c.top_k, {.help = "keep the k most likely; 0: all", .min = 0, .max = 1e9});
  f("top_p", c.top_p, {.help = "keep the smallest set with this probability; 1: all", .min = 0, .max = 1});
  f("min_p", c.min_p, {.help = "keep tokens of at least this share of the best one's probability", .min = 0, .max = 1});
  f("repetition_penalty", c.repetition_penalty, {.help = "divide (or multiply) logits of recent tokens; 1: off", .min = 0.01, .max = 100});
  f("repetition_window", c.repetition_window, {.help = "how many last tokens count as recent; 0: all", .min = 0, .max = 1e9, .unit = "tokens"});
  f("stop", c.stop, {.help = "stop strings; trimmed from the text"});
  f("ignore_eos", c.ignore_eos, {.help = "go on after an end token"});
}

inline Sampling to_sampling(const SamplingOptions& options, std::uint64_t seed) {
  return Sampling{.temperature = options.temperature, .top_k = options.top_k, .top_p = options.top_p, .min_p = options.min_p,
                  .repetition_penalty = options.repetition_penalty, .repetition_window = options.repetition_window,
                  .seed = seed, .max_tokens = options.max_tokens, .stop = options.stop, .ignore_eos = options.ignore_eos};
}

/// Errors: invalid_input unless exactly one of prompt and ids is given, and not blank.
Result<TraceRequest> to_request(const PromptOptions& prompt, Sampling sampling);

/// `--observe`, given once or several times; nothing given, nothing wanted.
Result<std::vector<Want>> to_wants(const std::vector<std::string>& observe);

/// `--profile`, likewise. Errors: invalid_input for an unknown stage, with the known ones.
Result<std::vector<std::string>> to_profile(const std::vector<std::string>& stages);

}  // namespace vauban
