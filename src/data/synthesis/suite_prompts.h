/// Held-out wordings -> the prompts of a suite file.
///
/// The file is what `head` holds (a [behavior_suite] table with its metrics and gates) and the prompts, so that a suite
/// is remade with one command, byte for byte.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/config/fields.h"
#include "base/result.h"
#include "data/synthesis/grammar.h"

namespace vauban {

struct SuitePromptOptions {
  std::vector<std::string> only{};  ///< categories; empty: all
  std::int64_t per_category = 20;   ///< over its intents in turn
  std::uint64_t seed = 0;
};

/// One prompt: what a suite's table of that name holds.
struct SuitePromptSpec {
  std::string id, category, role, expected_behavior, family, text, reference;
};

void fields(SuitePromptSpec& c, FieldVisitor& f);

/// No text twice. Errors: not_found for an unknown category; invalid_input when a category has fewer held-out wordings
/// than asked for.
Result<std::vector<SuitePromptSpec>> suite_prompts(const Grammar& grammar, const SuitePromptOptions& options);

/// Errors: those of parse_toml; invalid_input for a head without [behavior_suite], or with prompts.
Result<std::string> suite_toml(std::string_view head, std::string_view head_name,
                               const std::vector<SuitePromptSpec>& prompts);

}  // namespace vauban
