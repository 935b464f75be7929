/// vauban imatrix MODEL --file F --out F: how much each column of the weights matters, for `quantize --imatrix`.

#include "app/command.h"
#include "app/commands/imatrix/importance.h"
#include "app/open.h"
#include "app/out_folder.h"
#include "app/own_input.h"
#include "backends/backends.h"
#include "base/files.h"
#include "format/imatrix.h"

namespace vauban {
namespace {

struct ImatrixConfig {
  std::string model, file, out;
  std::int64_t chunk = 512, first_chunk = 0, chunks = 0;
  bool head = false;
  CommonOptions common;
};

void fields(ImatrixConfig& c, FieldVisitor& f) {
  f("model", c.model, {.help = "model folder or .gguf, best unquantised", .required = true, .positional = true, .file = true});
  f("file", c.file, {.help = "text like what the model will see", .required = true, .metavar = "FILE", .file = true});
  f("out", c.out, {.help = "new .gguf, or .dat for the older layout", .required = true, .metavar = "FILE", .file = true});
  f("chunk", c.chunk, {.help = "tokens of a chunk, each a context of its own; what is left over is not used", .min = 1, .max = 1 << 20});
  f("first_chunk", c.first_chunk, {.help = "chunks that are passed over", .min = 0, .max = 1e9});
  f("chunks", c.chunks, {.help = "at most; 0: all", .min = 0, .max = 1e9});
  f("head", c.head, {.help = "measure the output matrix too, where it is not the embedding table"});
  fields(c.common, f);
}

/// Models are .gguf too: a name that was mistyped must not cost one.
Result<void> refuse_foreign_file(const std::filesystem::path& out) {
  std::error_code ignored;
  if (!std::filesystem::exists(out, ignored) || open_imatrix(out)) return ok();
  return with_hint(invalid_input("--out: '{}' is there and is no importance matrix", out.string()), "remove it, or give another name");
}

Result<int> run_imatrix(const ImatrixConfig& config, Session& session) {
  VB_CHECK(refuse_own_input(config.out, {config.model, config.file}));
  VB_CHECK(check_out_file(config.out));
  VB_CHECK(refuse_foreign_file(config.out));
  VB_TRY(const ModelSource source, open_single_source(config.model));
  VB_TRY(const std::string text, read_file(config.file));
  VB_TRY(std::unique_ptr<Ops> ops, make_backend(config.common.backend, session.context(), {.device = config.common.device}));
  const ImportanceOptions options{
      .chunk_tokens = config.chunk, .first_chunk = config.first_chunk, .chunks = config.chunks, .head = config.head};
  VB_TRY(ImportanceSums sums, measure_importance(source, std::move(ops), text, options, session.context()), "while running {}", config.model);
  sums.datasets = {std::filesystem::path(config.file).filename().string()};
  VB_CHECK(write_imatrix(config.out, sums));
  const std::int64_t tokens = sums.chunks * sums.chunk_tokens, entries = std::ssize(sums.entries);
  if (session.out().json())
    VB_CHECK(session.out().print_json(Json::object(
        {{"out", config.out}, {"tokens", tokens}, {"entries", entries}, {"chunks", sums.chunks}, {"chunk_tokens", sums.chunk_tokens}})));
  else
    session.out().text(format("wrote {}: {} matrices over {} tokens in {} chunks\n", config.out, entries, tokens, sums.chunks));
  return 0;
}

}  // namespace

Command imatrix_command() {
  return make_command<ImatrixConfig>(
      {"imatrix", "measure which columns of the weights matter on a text",
       "Runs the text in chunks and adds up the squares of what each matrix multiplies, as llama-imatrix does; `quantize --imatrix` "
       "then spends its error where inputs are small. The text is to be like what the model will see, and not what it is judged on."},
      run_imatrix);
}

}  // namespace vauban
