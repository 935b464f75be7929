/// vauban convert IN OUT: a model in another format or type.

#include "app/command.h"
#include "app/open.h"
#include "app/transform_report.h"
#include "app/version.h"
#include "transform/convert/convert.h"

namespace vauban {
namespace {

struct ConvertConfig {
  std::string in, out;
  std::optional<std::string> to, dtype;
  std::int64_t shard_bytes = 5'000'000'000;
  bool inexact_tokenizer = false, plan = false;
  CommonOptions common;
};

void fields(ConvertConfig& c, FieldVisitor& f) {
  f("in", c.in, {.help = "model folder or .gguf", .required = true, .positional = true, .file = true});
  f("out", c.out, {.help = "new .gguf file or model folder", .required = true, .positional = true, .file = true});
  f("to", c.to, {.help = "format; default: what OUT's name says", .choices = {"gguf", "hf"}});
  f("dtype", c.dtype, {.help = "type of the matrices; default: as they are stored", .choices = {"f32", "f16", "bf16"}});
  f("shard_bytes", c.shard_bytes, {.help = "weights of a folder above this are split", .min = 1, .unit = "bytes"});
  f("inexact_tokenizer", c.inexact_tokenizer, {.help = "write a GGUF vocabulary that gives other ids for some texts, and keep the original beside it"});
  f("plan", c.plan, {.help = "say what would be written, and write nothing"});
  fields(c.common, f);
}

Container target_of(const ConvertConfig& config) {
  if (config.to) return *config.to == "gguf" ? Container::gguf : Container::safetensors;
  return std::filesystem::path(config.out).extension() == ".gguf" ? Container::gguf : Container::safetensors;
}

Result<ConvertOptions> options_of(const ConvertConfig& config) {
  ConvertOptions options;
  options.to = target_of(config);
  if (config.dtype) {
    VB_TRY(options.dtype, dtype_from_name(*config.dtype));
  }
  options.shard_bytes = static_cast<std::uint64_t>(config.shard_bytes);
  options.tokenizer.allow_inexact = config.inexact_tokenizer;
  options.tool = "vauban " + version();
  return options;
}

Result<int> run_convert(const ConvertConfig& config, Session& session) {
  VB_TRY(const ConvertOptions options, options_of(config));
  VB_TRY(const ModelSource source, open_single_source(config.in));
  VB_CHECK(check_out_path(source, config.out, options.to));
  VB_TRY(const TransformReport report, config.plan ? plan_convert(source, options, session.context())
                                                   : convert_model(source, config.out, options, session.context()),
         "while converting {}", config.in);
  VB_CHECK(print_report(session, report, config.in, config.out, config.plan));
  return 0;
}

}  // namespace

Command convert_command() {
  return make_command<ConvertConfig>(
      {"convert", "a model in another format or type",
       "Hugging Face folder to GGUF and back (names, row order of q and k, tied head, rotary scaling, tokenizer, chat "
       "template, special ids), and either to itself in another type. OUT appears complete or not at all; the input is "
       "never touched. The new model's metadata says what it was made from."},
      run_convert);
}

}  // namespace vauban
