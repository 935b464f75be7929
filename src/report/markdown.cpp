#include "base/strings.h"
#include "report/report.h"

namespace vauban {
namespace {

const Json& at(const Json& object, std::string_view key) {
  static const Json null;
  const Json* found = object.find(key);
  return found ? *found : null;
}

std::string text(const Json& value) {
  if (value.is_string()) return value.as_string();
  return value.is_null() ? "-" : value.dump().value_or("?");
}

std::string number(const Json& value) { return value.is_number() ? format("{:.4g}", value.as_double()) : "-"; }

std::string p_value(const Json& value) {
  if (!value.is_number()) return "-";
  return value.as_double() < 0.001 ? "< 0.001" : format("{:.3f}", value.as_double());
}

/// audit.md section 12: rates and counts with three decimals; a small divergence would vanish in them.
std::string value_of(const Json& value, const Json& unit) {
  const bool small_unit = unit.is_string() && unit.as_string() == "nat";
  return value.is_number() && !small_unit ? format("{:.3f}", value.as_double()) : number(value);
}

std::string interval(const Json& ci) {
  return ci.is_array() && ci.size() == 2 ? format("{} to {}", number(ci.items()[0]), number(ci.items()[1])) : "-";
}

/// Text of models and users inside a line: no line breaks, no control characters, and nothing that a renderer would act on:
/// tags, links and images, emphasis, code, table cells. (An underscore inside a word is no markup.)
std::string cell(const std::string& raw, std::size_t max_bytes = 4000) {
  static constexpr std::string_view kMarkup = "\\`*<>&|";
  const std::string line = printable(raw, max_bytes);
  std::string out;
  for (std::size_t i = 0; i < line.size(); ++i) {
    const bool link = line[i] == ']' && i + 1 < line.size() && (line[i + 1] == '(' || line[i + 1] == '[');
    if (link || kMarkup.find(line[i]) != std::string_view::npos) out += '\\';
    out += line[i];
  }
  return out;
}

/// "a, b"
std::string listed(const Json& list) {
  std::string out;
  for (const Json& item : list.items()) out += (out.empty() ? "" : ", ") + cell(text(item));
  return out.empty() ? "-" : out;
}

std::string bullets(const Json& list) {
  std::string out;
  for (const Json& item : list.items()) out += format("- {}\n", cell(text(item)));
  return out.empty() ? "none\n" : out;
}

void section(std::string& out, std::string_view title, const std::string& body) {
  out += format("\n## {}\n\n{}", title, body.empty() ? "none\n" : body);
}

std::string verdict(const Json& report) {
  const Json& v = at(report, "verdict");
  return format("**{}** (exit code {}): {}\n\nClaim level: `{}`\n", text(at(v, "answer")), text(at(v, "exit_code")), cell(text(at(v, "reason"))),
                text(at(report, "level")));
}

std::string gates(const Json& report) {
  if (at(report, "gates").size() == 0) return "none declared\n";
  std::string out = "| gate | metric | category | limit | value | interval | result | why |\n|---|---|---|---|---|---|---|---|\n";
  for (const Json& gate : at(report, "gates").items()) {
    const bool passed = at(gate, "passed").as_bool(), decided = at(gate, "decided").as_bool();
    out += format("| {} | {} | {} | {} {} | {} | {} | {} | {} |\n", cell(text(at(gate, "id"))), cell(text(at(gate, "metric"))), cell(text(at(gate, "category"))),
                  text(at(gate, "bound")), number(at(gate, "limit")), number(at(gate, "value")), interval(at(gate, "ci")),
                  passed ? "pass" : decided ? "FAIL" : "undecided", cell(text(at(gate, "reason"))));
  }
  return out;
}

std::string summary(const Json& report) {
  const Json& suite = at(report, "suite");
  return format("Suite `{}` version {}: {} of {} planned pairs compared.\n", cell(text(at(suite, "name"))), cell(text(at(suite, "version"))),
                text(at(suite, "pairs")), text(at(suite, "planned_pairs")));
}

std::string models(const Json& report) {
  std::string out = "| side | name | architecture | digest |\n|---|---|---|---|\n";
  for (const char* side : {"baseline", "candidate"}) {
    const Json& model = at(at(report, "models"), side);
    out += format("| {} | {} | {} | `{}` |\n", side, cell(text(at(model, "name"))), text(at(model, "architecture")), text(at(model, "digest")));
  }
  const Json& change = at(report, "transformation");
  out += format("\nKind: {}. {}\n", text(at(change, "kind")), cell(text(at(change, "summary"))));
  return out;
}

std::string claims(const Json& report) {
  std::string out;
  for (const Json& claim : at(report, "claims").items())
    out += format("- `{}` {}. Evidence: {}. Limits: {}.\n", text(at(claim, "strength")), cell(text(at(claim, "statement"))),
                  listed(at(claim, "evidence")), listed(at(claim, "limits")));
  return out.empty() ? "no change is claimed\n" : out;
}

std::string findings(const Json& report) {
  std::string out;
  for (const Json& finding : at(report, "findings").items()) out += format("- **{}** {}\n", text(at(finding, "severity")), cell(text(at(finding, "title"))));
  return out;
}

std::string deltas(const Json& report) {
  std::string out = "| metric | category | A | B | delta | interval | adjusted p | n | MDE | quality | verdict |\n|---|---|---|---|---|---|---|---|---|---|---|\n";
  for (const Json& delta : at(report, "metric_deltas").items()) {
    const Json& stats = at(delta, "stats");
    out += format("| {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} |\n", cell(text(at(delta, "name"))), cell(text(at(delta, "category"))),
                  value_of(at(delta, "value_baseline"), at(delta, "unit")), value_of(at(delta, "value_candidate"), at(delta, "unit")),
                  value_of(at(delta, "delta"), at(delta, "unit")), interval(at(stats, "ci")), p_value(at(stats, "p_adjusted")), text(at(stats, "n")), number(at(stats, "mde")), text(at(delta, "quality")), text(at(delta, "verdict")));
  }
  return out;
}

std::string clipped(const Json& value) { return value.is_string() ? cell(value.as_string(), 240) : "(withheld)"; }

std::string examples(const Json& report) {
  std::string out;
  for (const Json& example : at(report, "examples").items())
    out += format("- `{}` ({}): {} -> {}\n  - prompt: {}\n  - A: {}\n  - B: {}\n", cell(text(at(example, "prompt_id"))), cell(text(at(example, "category"))),
                  cell(text(at(example, "class_baseline"))), cell(text(at(example, "class_candidate"))), clipped(at(example, "prompt")),
                  clipped(at(example, "output_baseline")), clipped(at(example, "output_candidate")));
  return out;
}

std::string missing(const Json& report) {
  std::string out;
  for (const Json& row : at(report, "missing").items())
    out += format("- {}{}: {}\n", text(at(row, "kind")), at(row, "site").is_null() ? "" : " " + text(at(row, "site")), cell(text(at(row, "reason"))));
  for (const Json& row : at(report, "unpaired").items())
    out += format("- no row of {} for prompt `{}` (sample {})\n", text(at(row, "missing_on")), cell(text(at(row, "prompt_id"))), text(at(row, "sample_index")));
  return out;
}

std::string interventions(const Json& report) {
  std::string out;
  for (const Json& row : at(report, "intervention_results").items())
    out += format("- {} on the {}: in {} of {} answers, effect measured in {}\n", cell(text(at(row, "name"))), text(at(row, "side")),
                  text(at(row, "answers")), text(at(row, "answers")), text(at(row, "with_effect")));
  return out;
}

/// "torch on cuda:0 (asked for: cuda,cpu), exact numerics, 24 answers of the baseline"
std::string execution(const Json& report) {
  std::string out;
  for (const Json& row : at(report, "execution").items()) {
    const Json &asked = at(row, "requested_device"), &bits = at(row, "invariant_bits");
    out += format("- {} on {}{}, {} numerics: {} answers of the {}{}\n", cell(text(at(row, "backend"))),
                  cell(text(at(row, "device"))), asked.is_null() ? "" : format(" (asked for: {})", cell(text(asked))),
                  text(at(row, "numerics")), text(at(row, "answers")), text(at(row, "side")),
                  bits.is_bool() && !bits.as_bool() ? "; bits depend on batch and threads" : "");
  }
  return out;
}

std::string evidence(const Json& report) {
  std::string out;
  for (const Json& row : at(report, "evidence").items())
    out += format("- `{}` ({}, n = {}): sha256 {}\n", text(at(row, "id")), text(at(row, "kind")), text(at(row, "n")), text(at(row, "digest")));
  return out;
}

std::string reproducibility(const Json& report) {
  std::string out;
  for (const Json& command : at(report, "commands").items()) out += format("    {}\n", printable(text(command), 4000));
  for (const auto& [key, value] : at(report, "reproducibility").entries()) out += format("- {}: {}\n", key, cell(text(value)));
  return out;
}

}  // namespace

std::string verdict_lines(const Json& report) {
  const Json& v = at(report, "verdict");
  std::string out = format("{}: {}\nclaim level: {}\n", text(at(v, "answer")), printable(text(at(v, "reason")), 1000), text(at(report, "level")));
  for (const Json& finding : at(report, "findings").items())
    out += format("  [{}] {}\n", text(at(finding, "severity")), printable(text(at(finding, "title")), 1000));
  return out;
}

std::string render_markdown(const Json& report) {
  const Json& title = at(report, "title");
  std::string out = format("# {}\n", title.is_string() ? cell(title.as_string()) : "Model behavior change report");
  const Json& access = at(report, "access");
  section(out, "Verdict", verdict(report));
  section(out, "Gates", gates(report));
  section(out, "Summary", summary(report));
  section(out, "Target change", cell(text(at(report, "target_change"))) + "\n");
  section(out, "Transformation", models(report));
  section(out, "Access and claim strength", format("Access `{}`, claim strength `{}`. One rung higher needs: {}\n", text(at(access, "level")),
                                                   text(at(access, "claim_strength")), text(at(access, "lifted_by"))));
  section(out, "This report can claim", bullets(at(access, "can_claim")));
  section(out, "This report cannot claim", bullets(at(access, "cannot_claim")));
  section(out, "Evidence", evidence(report));
  section(out, "Execution", execution(report));
  section(out, "Claims", claims(report));
  section(out, "Intervention results", interventions(report));
  section(out, "Findings", findings(report));
  section(out, "Behavioral deltas", deltas(report));
  section(out, "Missing", missing(report));
  section(out, "Examples", examples(report));
  section(out, "Recommendation", cell(text(at(report, "recommendation"))) + "\n");
  section(out, "Limitations", bullets(at(report, "limitations")));
  section(out, "Reproducibility", reproducibility(report));
  return out;
}

}  // namespace vauban
