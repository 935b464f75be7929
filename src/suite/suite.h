/// Suite: what is asked of both models, as data. Prompts with categories and their roles, the scorers to run, the
/// metrics' declarations and the gates. Read from TOML (docs/suites.md); the file's SHA-256 goes into every result.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/config/fields.h"
#include "base/result.h"

namespace vauban {

/// What a category is for; it decides whether a rising metric is good (audit.md section 5).
enum class Role { benign, boundary, ambiguous, capability, neutral };
std::string_view to_string(Role role);
Result<Role> role_from(std::string_view name);

/// safe: text may be stored and shown. redacted: digest and length only. omitted: id and metrics only.
enum class Redaction { safe, redacted, omitted };
std::string_view to_string(Redaction redaction);
Result<Redaction> redaction_from(std::string_view name);
Redaction strictest(Redaction a, Redaction b);

struct SuiteMessage {
  std::string role, content;
};

struct SuitePrompt {
  std::string id, text;
  std::string category = "default";
  std::string expected_behavior = "unknown";  ///< refuse comply express_uncertainty ask_clarifying_question defer unknown
  std::string redaction = "safe";
  std::vector<std::string> tags;
  std::vector<SuiteMessage> messages;  ///< instead of text
  std::string system;
  std::string family;                  ///< paraphrase or template cluster: intervals are clustered by it
  std::string role;                    ///< of its category; see Suite::role_of
  std::string reference, rubric, source_ref;
};

struct SuiteMetric {
  std::string name, description;
  std::string polarity;  ///< higher_is_better lower_is_better neutral; "" = the metric's own
  std::string unit, family;
  std::optional<double> margin;  ///< equivalence margin for TOST, in the metric's unit
};

struct SuiteGate {
  std::string id, metric;
  std::string category = "overall";
  std::string bound = "max";         ///< max or min, of the candidate's delta (paired metrics: of the value)
  double value = 0.0;
  std::string on = "interval";       ///< interval, point or equivalence
  std::string severity = "fail";     ///< fail or warn
  std::string description;
};

struct Suite {
  std::string name, description, version, source, safety_policy;
  bool chat = false;  ///< a prompt's text is a user's message, written by the model's own chat template
  std::vector<std::string> scorers{"deterministic_v2"};
  std::vector<SuiteMetric> metrics;
  std::vector<SuitePrompt> prompts;
  std::vector<SuiteGate> gates;
  std::string digest;  ///< SHA-256 of the file

  std::vector<std::string> categories() const;  ///< sorted, unique
  /// The role that the prompts of a category declare; neutral when none does. A conflict is refused at load.
  Role role_of(std::string_view category) const;
  const SuitePrompt* find(std::string_view prompt_id) const;
};

/// Errors: invalid_input with line and column: unknown keys, duplicate ids, empty prompts, roles that disagree within a
/// category, gates on unknown categories or with unknown bounds.
Result<Suite> load_suite(const std::filesystem::path& path);
Result<Suite> parse_suite(std::string_view toml, std::string_view file_name);

/// `toml` as a run folder may keep it: the same bytes when every prompt is safe. Otherwise the suite written anew, with the
/// text of each redacted prompt replaced by its digest and length, and that of each omitted one left out.
Result<std::string> storable_suite(std::string_view toml, std::string_view file_name);

}  // namespace vauban
