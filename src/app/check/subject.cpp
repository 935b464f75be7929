#include "app/check/subject.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <limits>
#include <numeric>

#include "app/check/probe_texts.h"
#include "app/open.h"
#include "backends/backends.h"
#include "base/files.h"
#include "runtime/local/sampler.h"

namespace vauban {
namespace {

constexpr double kPredicts = 0.75;  // of a blind guess's loss
constexpr std::size_t kMostBytes = std::size_t{1} << 16;  // of a text: far beyond the tokens that are scored
constexpr std::size_t kFewestPredicted = 16;               // tokens; below, a mean says nothing

double mean_of(std::span<const double> values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(std::max<std::size_t>(values.size(), 1));
}

std::vector<double> scored_of(std::span<const double> nll) {
  std::vector<double> out;
  std::ranges::copy_if(nll, std::back_inserter(out), [](double v) { return !std::isnan(v); });
  return out;
}

/// Of `values`, where `nll` is a number.
double mean_where_scored(std::span<const double> values, std::span<const double> nll) {
  std::vector<double> out;
  for (std::size_t i = 0; i < nll.size(); ++i)
    if (!std::isnan(nll[i])) out.push_back(values[i]);
  return mean_of(out);
}

/// Tokens of the text that are not to be predicted: their losses become NaN. -> how many are left
std::size_t leave_out(const ProbeText& text, std::span<const TokenSpan> offsets, std::vector<double>& nll) {
  for (std::size_t i = 0; i < nll.size() && !text.scored.empty(); ++i) {
    const TokenSpan& token = offsets[i + 1];
    const bool scored = token.end > token.begin && std::ranges::any_of(text.scored, [&](const TextSpan& span) { return token.begin >= span.begin && token.end <= span.end; });
    if (!scored) nll[i] = std::numeric_limits<double>::quiet_NaN();
  }
  return scored_of(nll).size();
}

}  // namespace

double Probe::mean() const { return mean_of(scored_of(nll)); }

Result<std::unique_ptr<CheckSubject>> CheckSubject::open(const CheckOptions& options, Session& session) {
  std::unique_ptr<CheckSubject> subject(new CheckSubject(session));
  subject->options = options;
  VB_TRY(subject->source, open_single_source(options.model));
  auto tokenizer = load_tokenizer(subject->source);
  if (tokenizer)
    subject->tokenizer = *std::move(tokenizer);
  else
    subject->tokenizer_error = describe(tokenizer.error());
  subject->load();
  VB_CHECK(session.context().cancel.check());
  if (options.file) {
    VB_CHECK(read_file(*options.file, std::size_t{1} << 24));
  }
  subject->choose_probe();
  return subject;
}

Result<std::unique_ptr<Ops>> CheckSubject::backend() {
  const CommonOptions& common = session_.options();
  return make_backend(common.backend, session_.context(),
                      {.device = common.device, .numerics = common.numerics, .primitive = common.primitive});
}

Result<std::unique_ptr<LocalRuntime>> CheckSubject::runtime_of(std::unique_ptr<Model> model, std::unique_ptr<Ops> ops) {
  VB_TRY(const Numerics numerics, numerics_from(session_.options().numerics));
  LocalOptions local{.numerics = numerics, .requested_device = session_.options().device};
  local.engine.max_batch = 1;
  return LocalRuntime::make(std::move(model), std::move(ops), session_.context(), local);
}

void CheckSubject::load() {
  const auto found = find_architecture(source);
  if (!found) {
    architecture_error = load_error = describe(found.error());
    return;
  }
  auto read = (*found)->read_config(source);
  if (!read) {
    architecture_error = load_error = describe(read.error());
    return;
  }
  architecture = *found;
  config = *std::move(read);
  tensors = architecture->tensors(config);
  const auto run = [&]() -> Result<void> {
    VB_TRY(std::unique_ptr<Ops> ops, backend());
    VB_TRY(std::unique_ptr<Model> model, Model::load(source, *ops, session_.context()));
    VB_TRY(runtime, runtime_of(std::move(model), std::move(ops)));
    return ok();
  };
  if (const auto loaded = run(); !loaded) load_error = describe(loaded.error());
}

Result<std::vector<double>> CheckSubject::nll_of(Runtime& runtime, std::span<const std::int32_t> ids, std::int64_t chunk_rows) {
  std::vector<double> nll;
  VB_TRY(const auto stream, runtime.score(ids, {.chunk_rows = chunk_rows}));
  while (nll.size() + 1 < ids.size()) {
    VB_TRY(const std::optional<LogitRows> rows, stream->next());
    if (!rows) break;
    for (std::int64_t r = 0; r < rows->rows && nll.size() + 1 < ids.size(); ++r) {
      const auto row = rows->values.subspan(static_cast<std::size_t>(r * rows->vocab), static_cast<std::size_t>(rows->vocab));
      const double value = log_sum_exp(row) - static_cast<double>(row[static_cast<std::size_t>(ids[nll.size() + 1])]);
      if (!std::isfinite(value)) return corrupt("the logits at position {} are not finite", nll.size());
      nll.push_back(value);
    }
  }
  return nll;
}

/// Of several texts the one that the model finds easiest: it is the one nearest to what it was trained on.
void CheckSubject::choose_probe() {
  if (!runtime) {
    probe_error = format("the model could not be loaded: {}", load_error);
    return;
  }
  if (!tokenizer) {
    probe_error = tokenizer_error.empty() ? "the model carries no tokenizer" : tokenizer_error;
    return;
  }
  std::vector<ProbeText> texts;
  if (options.file) {
    auto text = read_file(*options.file, std::size_t{1} << 24);
    if (text) texts.push_back({.name = *options.file, .text = std::string(utf8_beginning(*text, kMostBytes))});
  } else {
    texts = probe_texts(source, tokenizer.get());
  }
  for (const ProbeText& text : texts) {
    const auto encoded = tokenizer->encode(text.text, {.add_special = !text.has_specials});
    if (!encoded) {
      probe_error = describe(encoded.error());
      continue;
    }
    std::vector<std::int32_t> ids = encoded->ids;
    const std::int64_t most = std::min(options.tokens, config.context_length > 0 ? config.context_length : options.tokens);
    if (static_cast<std::int64_t>(ids.size()) > most) ids.resize(static_cast<std::size_t>(most));
    if (ids.size() <= kFewestPredicted) {  // the first is not predicted
      probe_error = format("'{}' has {} tokens; at least {} are needed", text.name, ids.size(), kFewestPredicted + 1);
      continue;
    }
    if (const auto out = std::ranges::find_if(ids, [&](std::int32_t id) { return id >= config.vocab_size; }); out != ids.end()) {
      probe_error = format("the tokenizer gives token {}, the model has {} rows", *out, config.vocab_size);
      return;
    }
    auto nll = nll_of(*runtime, ids);
    if (!nll) {
      probe_error = describe(nll.error());
      return;
    }
    if (const std::size_t left = leave_out(text, encoded->offsets, *nll); left < kFewestPredicted) {
      probe_error = format("'{}' has {} tokens to predict; at least {} are needed", text.name, left, kFewestPredicted);
      continue;
    }
    Probe made{.text_name = text.name, .ids = std::move(ids), .nll = *std::move(nll)};
    texts_.push_back(std::move(made));
  }
  if (texts_.empty()) return;
  probe = *std::ranges::min_element(texts_, {}, &Probe::mean);
  probe_error.clear();
}

bool CheckSubject::predicts() const { return probe && loss_share() < kPredicts; }

double CheckSubject::loss_share() const { return probe->mean() / std::log(static_cast<double>(config.vocab_size)); }

std::string CheckSubject::no_alternatives() const {
  if (!options.alternatives) return "alternatives (--no-alternatives)";
  if (!probe) return probe_error;
  return {};
}

Gain CheckSubject::gain(const Probe& text, std::span<const double> other) const {
  // A model that predicts nothing gains from any alternative that blurs it: only one that makes it predict is a cure.
  const double blind = std::log(static_cast<double>(config.vocab_size));
  if (!predicts() && mean_where_scored(other, text.nll) >= kPredicts * blind) return {};
  std::vector<double> differences;
  for (std::size_t i = 0; i < text.nll.size(); ++i)
    if (!std::isnan(text.nll[i])) differences.push_back(text.nll[i] - other[i]);
  const double mean = mean_of(differences);
  double squares = 0.0;
  for (const double d : differences) squares += (d - mean) * (d - mean);
  const double n = static_cast<double>(differences.size());
  return {.mean = mean, .standard_error = std::sqrt(squares / (n - 1.0) / n)};
}

/// What cannot be computed gains nothing: an alternative may well overflow.
Result<Gain> CheckSubject::gain_with(Runtime& other) const {
  Gain best{.mean = -std::numeric_limits<double>::infinity()};
  for (const Probe& text : predicts() ? std::span(&*probe, 1) : std::span<const Probe>(texts_)) {
    VB_CHECK(session_.context().cancel.check());
    const auto nll = nll_of(other, text.ids);
    if (!nll) continue;
    if (const Gain here = gain(text, *nll); here.mean > best.mean) best = here;
  }
  return best;
}

Result<Gain> CheckSubject::gain_of(std::span<const WeightEdit> edits) {
  VB_CHECK(session_.context().cancel.check());
  VB_CHECK(runtime->edit_weights(edits));
  const auto gained = gain_with(*runtime);
  VB_CHECK(runtime->undo_weight_edits());
  return gained;
}

Result<Gain> CheckSubject::gain_of(const std::function<void(ModelConfig&)>& change) {
  VB_CHECK(session_.context().cancel.check());
  auto model = std::make_unique<Model>();
  model->identity = runtime->model();
  model->architecture = architecture;
  model->config = config;
  model->file = source.file;
  change(model->config);
  VB_TRY(std::unique_ptr<Ops> ops, backend());
  WeightLoader weights(source, *ops);
  VB_TRY(model->network, architecture->build(model->config, weights));
  VB_TRY(const std::unique_ptr<LocalRuntime> other, runtime_of(std::move(model), std::move(ops)));
  return gain_with(*other);
}

Result<std::vector<float>> CheckSubject::values(const std::string& name) const {
  const auto held = weights_by_name(*runtime->loaded().network);
  const auto found = held.find(name);
  if (found == held.end()) return std::vector<float>{};
  return read_weight(*found->second.front());
}

}  // namespace vauban
