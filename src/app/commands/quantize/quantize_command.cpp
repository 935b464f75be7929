/// vauban quantize IN OUT TYPE: a model with fewer bits per weight.

#include <filesystem>

#include "app/audit/audit.h"
#include "app/audit/audit_inputs.h"
#include "app/command.h"
#include "app/open.h"
#include "app/own_input.h"
#include "app/transform_report.h"
#include "app/version.h"
#include "report/report.h"
#include "report/run_folder.h"
#include "transform/quantize/quantize.h"

namespace vauban {
namespace {

struct QuantizeConfig {
  std::string in, out, type, imatrix, audit, audit_out;
  std::vector<std::string> tensor_type;
  bool pure = false, allow_requantize = false, inexact_tokenizer = false, plan = false;
  CommonOptions common;
};

void fields(QuantizeConfig& c, FieldVisitor& f) {
  f("in", c.in, {.help = "model folder or .gguf", .required = true, .positional = true, .file = true});
  f("out", c.out, {.help = "new .gguf file", .required = true, .positional = true, .file = true});
  f("type", c.type, {.help = "recipe: Q4_K_M, Q5_K_S, Q6_K, Q8_0, IQ4_XS, F16 and the others of llama.cpp; an unknown word lists them", .required = true, .positional = true});
  f("tensor_type", c.tensor_type, {.help = "PATTERN=TYPE: tensors whose GGUF name matches get another type; the first match wins"});
  f("imatrix", c.imatrix, {.help = "importance matrix of llama-imatrix, GGUF or .dat: errors in columns with a large input count more", .file = true});
  f("pure", c.pure, {.help = "the recipe's type for every matrix, the head too"});
  f("allow_requantize", c.allow_requantize, {.help = "accept a source that is quantised already"});
  f("inexact_tokenizer", c.inexact_tokenizer, {.help = "as for convert"});
  f("plan", c.plan, {.help = "types, size and memory, and write nothing"});
  f("audit", c.audit, {.help = "suite on which IN and OUT are then compared, as by `vauban audit`", .metavar = "SUITE", .file = true, .is_name = names_embedded_suite});
  f("audit_out", c.audit_out, {.help = "run folder of that audit; default: OUT.audit", .metavar = "DIR", .file = true});
  fields(c.common, f);
}

QuantizeOptions options_of(const QuantizeConfig& config) {
  return {.recipe = config.type,
          .overrides = config.tensor_type,
          .imatrix = config.imatrix,
          .pure = config.pure,
          .allow_requantize = config.allow_requantize,
          .tokenizer = {.allow_inexact = config.inexact_tokenizer},
          .tool = "vauban " + version()};
}

AuditConfig audit_of(const QuantizeConfig& config) {
  AuditConfig audit;
  audit.base = config.in;
  audit.candidate = config.out;
  audit.suite = config.audit;
  audit.out = config.audit_out.empty() ? config.out + ".audit" : config.audit_out;
  audit.transformation_kind = "quantization";
  audit.transformation_summary = "quantize " + config.type;
  return audit;
}

/// OUT is made anew, so a run that lies there already would describe a file that is gone, and could not be resumed.
Result<void> check_audit_folder(const AuditConfig& audit, const AuditSuite& suite) {
  const std::filesystem::path folder = audit.out;
  std::error_code error;
  if (!std::filesystem::exists(folder, error)) return ok();
  if (!std::filesystem::exists(folder / run_files::kInputs, error)) return check_unused(folder, suite);
  return with_hint(invalid_input("'{}' holds an audit already, and {} would be written anew", audit.out, audit.candidate),
                   format("name another folder with --audit-out, or remove it; one that was interrupted goes on with `vauban audit {} {} "
                          "--suite {} --out {} --transformation-kind {} --transformation-summary '{}'`", audit.base, audit.candidate,
                          audit.suite, audit.out, *audit.transformation_kind, *audit.transformation_summary));
}

/// What can be known before the long work.
Result<void> check_audit(const QuantizeConfig& config) {
  if (config.audit.empty())
    return config.audit_out.empty() ? ok() : Result<void>(invalid_input("--audit-out names the folder of an audit: give --audit SUITE"));
  if (config.plan) return invalid_input("--plan writes nothing that --audit could compare: give one of them");
  VB_TRY(const AuditSuite suite, load_audit_suite(config.audit));
  return check_audit_folder(audit_of(config), suite);
}

Result<int> print_with_audit(const QuantizeConfig& config, const TransformReport& report, Session& session) {
  Output& out = session.out();
  if (!out.json()) VB_CHECK(print_report(session, report, config.in, config.out, false));
  const AuditConfig audited = audit_of(config);
  VB_TRY(const Json answer, audit(audited, session), "'{}' is written; while auditing it", config.out);
  if (out.json()) {
    for (const std::string& note : report.notes) out.note(note);
    Json both = report_json(report, config.in, config.out, false);
    both["audit"] = answer;
    VB_CHECK(out.print_json(both));
  } else {
    out.text(verdict_lines(answer) + format("report: {}/report.md\n", audited.out));
  }
  return exit_code_of(answer);
}

Result<int> run_quantize(const QuantizeConfig& config, Session& session) {
  VB_CHECK(find_quantize_recipe(config.type));
  VB_CHECK(check_audit(config));
  VB_CHECK(refuse_own_input(config.out, {config.in, config.imatrix, config.audit}));
  const QuantizeOptions options = options_of(config);
  VB_TRY(const ModelSource source, open_single_source(config.in));
  VB_CHECK(check_out_path(source, config.out, Container::gguf));
  VB_TRY(const TransformReport report, config.plan ? plan_quantize(source, options, session.context())
                                                   : quantize_model(source, config.out, options, session.context()),
         "while quantizing {}", config.in);
  if (!config.audit.empty()) return print_with_audit(config, report, session);
  VB_CHECK(print_report(session, report, config.in, config.out, config.plan));
  return 0;
}

}  // namespace

Command quantize_command() {
  return make_command<QuantizeConfig>(
      {"quantize", "a model with fewer bits per weight",
       "Writes a GGUF by llama.cpp's rules: matrices get the recipe's type, norms and biases stay f32; the head (or the "
       "embedding table that is one), values and down projections of some layers are kept better. The source is a folder or "
       "a GGUF, unquantised.\n\n"
       "With --audit the new file is then compared with its source on a suite, and the exit code is that verdict: 0 every gate "
       "passed, 1 a gate failed, 4 inconclusive. The file stays whatever the verdict is."},
      run_quantize);
}

}  // namespace vauban
