/// vauban quantize IN OUT TYPE: a model with fewer bits per weight.

#include "app/command.h"
#include "app/open.h"
#include "app/transform_report.h"
#include "app/version.h"
#include "transform/quantize/quantize.h"

namespace vauban {
namespace {

struct QuantizeConfig {
  std::string in, out, type, imatrix;
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

Result<int> run_quantize(const QuantizeConfig& config, Session& session) {
  VB_CHECK(find_quantize_recipe(config.type));
  const QuantizeOptions options = options_of(config);
  VB_TRY(const ModelSource source, open_single_source(config.in));
  VB_CHECK(check_out_path(source, config.out, Container::gguf));
  VB_TRY(const TransformReport report, config.plan ? plan_quantize(source, options, session.context())
                                                   : quantize_model(source, config.out, options, session.context()),
         "while quantizing {}", config.in);
  VB_CHECK(print_report(session, report, config.in, config.out, config.plan));
  return 0;
}

}  // namespace

Command quantize_command() {
  return make_command<QuantizeConfig>(
      {"quantize", "a model with fewer bits per weight",
       "Writes a GGUF by llama.cpp's rules: matrices get the recipe's type, norms and biases stay f32; the head (or the "
       "embedding table that is one), values and down projections of some layers are kept better. The source is a folder or "
       "a GGUF, unquantised."},
      run_quantize);
}

}  // namespace vauban
