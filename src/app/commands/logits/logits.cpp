/// vauban logits MODEL (--prompt T | --ids 1,2,3): teacher-forced logits.

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <numeric>

#include "app/command.h"
#include "app/open.h"
#include "app/own_input.h"
#include "app/prompt_options.h"
#include "format/safetensors_writer.h"
#include "runtime/local/sampler.h"

namespace vauban {
namespace {

struct LogitsConfig {
  std::string model;
  PromptOptions prompt;
  bool all = false, stepwise = false;
  int top = 0;
  std::optional<std::string> out;
  CommonOptions common;
};

void fields(LogitsConfig& c, FieldVisitor& f) {
  f("model", c.model, {.help = "model folder or .gguf", .required = true, .positional = true, .file = true});
  fields(c.prompt, f);
  f("all", c.all, {.help = "write every position to --out, not only the last"});
  f("stepwise", c.stepwise, {.help = "feed one token at a time, as decoding does"});
  f("top", c.top, {.help = "also list the k largest of the last position", .min = 0, .max = 1e6});
  f("out", c.out, {.help = "write `logits` f32 [T or 1, V] to a safetensors file", .metavar = "FILE", .file = true});
  fields(c.common, f);
}

struct Rows {
  std::int64_t rows = 0, vocab = 0;
  std::vector<float> values;
};

Result<Rows> collect(Runtime& runtime, const std::vector<std::int32_t>& ids, bool all, bool stepwise) {
  Rows out;
  VB_TRY(const auto stream, runtime.score(ids, {.chunk_rows = stepwise ? 1 : 64}));
  while (true) {
    VB_TRY(const std::optional<LogitRows> chunk, stream->next());
    if (!chunk) return out;
    out.vocab = chunk->vocab;
    const auto values = all ? chunk->values : chunk->values.last(static_cast<std::size_t>(chunk->vocab));
    if (!all) out.values.clear();
    out.values.insert(out.values.end(), values.begin(), values.end());
    out.rows = static_cast<std::int64_t>(out.values.size()) / out.vocab;
  }
}

/// What a model gives is a number or, for an id that cannot be, -inf.
Result<void> check_finite(const Rows& rows, std::size_t first_position, bool for_json) {
  const auto vocab = static_cast<std::size_t>(rows.vocab);
  for (std::size_t i = 0; i < rows.values.size(); ++i) {
    const float value = rows.values[i];
    if (std::isfinite(value) || (value < 0 && !for_json)) continue;
    return corrupt("logits for position {}: expected finite values, found {} at id {}", first_position + i / vocab, value, i % vocab);
  }
  return ok();
}

Json top_rows(std::span<const float> row, int k, const Tokenizer* tokenizer) {
  std::vector<std::int32_t> order(row.size());
  std::iota(order.begin(), order.end(), 0);
  const auto kept = std::min<std::size_t>(static_cast<std::size_t>(k), order.size());
  std::partial_sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(kept), order.end(),
                    [&](std::int32_t a, std::int32_t b) {
                      const float x = row[static_cast<std::size_t>(a)], y = row[static_cast<std::size_t>(b)];
                      return x != y ? x > y : a < b;
                    });
  const double normaliser = log_sum_exp(row);
  Json top = Json::array();
  for (std::size_t i = 0; i < kept; ++i) {
    const float logit = row[static_cast<std::size_t>(order[i])];
    Json piece;
    if (tokenizer)
      if (auto text = tokenizer->piece(order[i])) piece = *text;
    top.push_back(Json::object({{"id", order[i]}, {"piece", piece}, {"logit", logit},
                                {"logprob", static_cast<float>(logit - normaliser)}}));
  }
  return top;
}

Result<void> write_rows(const Rows& rows, const std::string& path) {
  const TensorView view{DType::f32, Shape{rows.rows, rows.vocab}, std::as_bytes(std::span(rows.values))};
  return write_safetensors(path, {{"logits", view}}, {});
}

Result<int> run_logits(const LogitsConfig& config, Session& session) {
  if (config.all && !config.out) return invalid_input("--all needs --out FILE.safetensors: JSON holds the last position only");
  if (config.out && std::filesystem::exists(*config.out) && !std::filesystem::is_regular_file(*config.out))
    return invalid_input("--out: '{}' is there and is no regular file", *config.out);
  if (config.out) VB_CHECK(refuse_own_input(*config.out, {config.model}));
  VB_TRY(const TraceRequest request, to_request(config.prompt, {}));
  VB_TRY(const std::unique_ptr<Runtime> runtime, open_runtime(config.model, session, {.max_batch = 1}));
  VB_TRY(const std::vector<std::int32_t> ids, runtime->tokenize(request));
  VB_TRY(const Rows rows, collect(*runtime, ids, config.all, config.stepwise));
  VB_CHECK(check_finite(rows, ids.size() - static_cast<std::size_t>(rows.rows), session.out().json()));
  const std::span<const float> last = std::span(rows.values).last(static_cast<std::size_t>(rows.vocab));
  Json answer = Json::object({{"ids", Json(ids)}, {"vocab", rows.vocab}, {"logits", Json(std::vector<float>(last.begin(), last.end()))}});
  const auto tokenizer = open_tokenizer(config.model);
  const int shown = config.top > 0 || session.out().json() ? config.top : 10;
  const Json top = top_rows(last, shown, tokenizer ? tokenizer->get() : nullptr);
  if (config.top > 0) answer["top"] = top;
  if (config.out) {
    VB_CHECK(write_rows(rows, *config.out));
    answer["out"] = *config.out;
  }
  if (session.out().json()) {
    VB_CHECK(session.out().print_json(answer, -1));
    return 0;
  }
  for (const Json& row : top.items())
    session.out().text(format("{:>8}  {:>12.6f}  {:>12.6f}  {}\n", row.find("id")->as_int(), row.find("logit")->as_double(),
                              row.find("logprob")->as_double(), row.find("piece")->as_string()));
  return 0;
}

}  // namespace

Command logits_command() {
  return make_command<LogitsConfig>({"logits", "teacher-forced logits of a prompt", ""}, run_logits);
}

}  // namespace vauban
