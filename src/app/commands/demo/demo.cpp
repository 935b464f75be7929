/// vauban demo --against VARIANT: audits the embedded model against a changed one.

#include "app/audit/audit.h"
#include "app/command.h"
#include "app/commands/demo/variants.h"
#include "app/open.h"
#include "app/version.h"
#include "base/strings.h"
#include "format/gguf.h"
#include "report/report.h"
#include "transform/quantize/quantize.h"

namespace vauban {
namespace {

namespace fs = std::filesystem;

constexpr const char* kBase = "garrison";
constexpr int kMaxTokens = 48;

struct DemoConfig {
  std::string against = "finetuned", out;
  CommonOptions common;
};

std::vector<std::string> variant_names() {
  std::vector<std::string> names;
  for (const DemoVariant& variant : all_demo_variants()) names.emplace_back(variant.id);
  return names;
}

void fields(DemoConfig& c, FieldVisitor& f) {
  f("against", c.against, {.help = "what the model is compared with", .choices = variant_names()});
  f("out", c.out, {.help = "run folder; default: runs/demo-VARIANT", .metavar = "DIR", .file = true});
  fields(c.common, f);
}

const DemoVariant& variant_of(const std::string& id) {
  for (const DemoVariant& variant : all_demo_variants())
    if (variant.id == id) return variant;
  return all_demo_variants().front();  // the choices of the flag let nothing else through
}

/// A file of that name that was not made here is the user's.
Result<void> check_ours(const fs::path& path) {
  std::error_code ignored;
  if (!fs::exists(path, ignored)) return ok();
  const auto file = open_gguf(path);
  const Json* base = file ? (*file)->metadata().find("vauban.lineage.base") : nullptr;
  if (base && base->is_string() && base->as_string() == kBase) return ok();
  return with_hint(invalid_input("{} exists and is not the quantised demo model", path.string()), "use another --out");
}

/// Beside the run folder, so that other commands can be tried on it.
Result<std::string> quantised(const fs::path& out, Session& session) {
  const fs::path path = fs::absolute(out).lexically_normal().parent_path() / "garrison-q4_0.gguf";
  std::error_code failed;
  fs::create_directories(path.parent_path(), failed);
  if (failed) return io("could not make the folder '{}': {}", path.parent_path().string(), failed.message());
  VB_CHECK(check_ours(path));
  VB_TRY(const ModelSource source, open_single_source(kBase));
  VB_CHECK(quantize_model(source, path, {.recipe = "Q4_0", .tool = "vauban " + version()}, session.context()),
           "while quantizing {}", kBase);
  return out.is_absolute() ? path.string() : path.lexically_proximate(fs::current_path(failed)).string();
}

Result<AuditConfig> audit_of(const DemoVariant& variant, const std::string& out, Session& session) {
  AuditConfig config{.base = kBase, .candidate = std::string(variant.candidate), .suite = kBase, .out = out};
  config.sampling.max_tokens = kMaxTokens;
  config.title =
      format("The demo model against {}", variant.id == "itself" ? "itself" : format("its {} variant", variant.id));
  config.target_change = std::string(variant.target);
  config.transformation_kind = std::string(variant.kind);
  config.transformation_summary = std::string(variant.summary);
  if (!variant.intervene.empty()) config.intervene = std::string(variant.intervene);
  if (variant.candidate.empty()) {
    VB_TRY(config.candidate, quantised(out, session));
  }
  return config;
}

const Json& member(const Json& json, std::string_view key) {
  static const Json null;
  const Json* value = json.find(key);
  return value ? *value : null;
}

/// "refusal_rate on 'boundary'   0.96 -> 0.48   changed"; empty where the report has no such row.
std::string metric_line(const Json& report, std::string_view metric, std::string_view category) {
  for (const Json& row : member(report, "metric_deltas").items()) {
    const Json &before = member(row, "value_baseline"), &after = member(row, "value_candidate");
    if (member(row, "name").as_string() != metric || member(row, "category").as_string() != category) continue;
    if (!before.is_number() || !after.is_number()) return {};
    return format("  {:<30}{:<12}{:>8.3g} -> {:<8.3g}{}\n", metric, category, before.as_double(), after.as_double(),
                  member(row, "verdict").as_string());
  }
  return {};
}

std::string summary(const DemoVariant& variant, const Json& report, const std::string& out) {
  const Json& verdict = member(report, "verdict");
  std::string text = format("{}: {}\nchanged: {}\n\n  {:<30}{:<12}{:>8}    {:<8}{}\n",
                            member(verdict, "answer").as_string(), member(verdict, "reason").as_string(),
                            variant.summary, "metric", "category", "base", "changed", "verdict");
  for (const char* category : {"boundary", "contrast", "facts"}) text += metric_line(report, "refusal_rate", category);
  for (const char* category : {"ambiguous", "unknown"})
    text += metric_line(report, "expected_behavior_match_rate", category);
  for (const char* metric : {"output_length_chars", "identical_output_rate", "same_top", "mean_kld"})
    text += metric_line(report, metric, "overall");
  return text + format("\nreport:  {0}/report.md\nlook at: {1}\nrecheck: vauban verify {0}\n", out, variant.look_at);
}

Result<int> run_demo(const DemoConfig& config, Session& session) {
  const DemoVariant& variant = variant_of(config.against);
  const std::string out = config.out.empty() ? "runs/demo-" + config.against : config.out;
  VB_TRY(const AuditConfig audited, audit_of(variant, out, session));
  VB_TRY(const Json report, audit(audited, session));
  if (session.out().json()) {
    VB_CHECK(session.out().print_json(report));
  } else {
    session.out().text(summary(variant, report, out));
  }
  return exit_code_of(report);
}

}  // namespace

Command demo_command() {
  return make_command<DemoConfig>(
      {"demo", "audit the embedded model against a changed one",
       "The program carries a small chat model, `garrison`, that it trained itself: the clerk of a fort that never "
       "was, who answers, "
       "declines, asks back and says what it does not know. It is audited on the embedded suite against a fine-tune "
       "that forgot to "
       "decline (finetuned), itself in four bits (q4), itself with an adapter that makes it terse (terse), itself "
       "while a measured "
       "direction is removed (steered), or itself.\n\n"
       "The same as `vauban audit garrison CANDIDATE --suite garrison --max-tokens 48`, with the same report, run "
       "folder and exit codes. "
       "`vauban list models` says what is embedded; the names work wherever a MODEL is asked for."},
      run_demo);
}

}  // namespace vauban
