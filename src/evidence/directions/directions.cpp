#include "evidence/directions/directions.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/rng.h"
#include "evidence/directions/controls.h"

namespace vauban {
namespace {

constexpr std::uint64_t kSplitStream = 0;

Result<void> check_rows(const ActivationRows& rows, const char* group) {
  if (rows.width < 1 || static_cast<std::int64_t>(rows.values.size()) % rows.width != 0)
    return invalid_input("{} activations: {} values are no rows of width {}", group, rows.values.size(), rows.width);
  if (rows.rows() < kFewestPrompts)
    return with_hint(invalid_input("expected at least {} {} prompts, found {}", kFewestPrompts, group, rows.rows()),
                     "half of them fit the direction and half score it; some dozens of each give a useful score");
  if (!std::ranges::all_of(rows.values, [](float value) { return std::isfinite(value); }))
    return invalid_input("{} activations hold NaN or infinities", group);
  return ok();
}

Result<void> check_options(const DirectionOptions& options) {
  if (options.controls < 20) return invalid_input("controls: expected 20 or more, found {}", options.controls);
  if (options.bootstraps < 2) return invalid_input("bootstraps: expected 2 or more, found {}", options.bootstraps);
  if (options.components < 1) return invalid_input("components: expected 1 or more, found {}", options.components);
  if (options.method == DirectionMethod::mean_difference && options.components > 1)
    return with_hint(
        invalid_input("components: a difference in means is one direction, {} were asked for", options.components),
        "a subspace is measured with --method pca");
  return ok();
}

Result<void> check(const LayerActivations& data, const DirectionOptions& options) {
  VB_CHECK(check_options(options));
  VB_CHECK(check_rows(data.positive, "positive"));
  VB_CHECK(check_rows(data.negative, "negative"));
  if (data.positive.width != data.negative.width)
    return invalid_input("positive activations have width {}, negative ones {}", data.positive.width,
                         data.negative.width);
  return ok();
}

bool beats(const DirectionScore& score, const Controls& controls) {
  const double d = score.cohens_d.value_or(controls.cohens_d.mean);
  const bool auroc_above = score.auroc > controls.auroc.high && d >= controls.cohens_d.mean;
  const bool d_above = d > controls.cohens_d.high && score.auroc >= controls.auroc.mean;
  return auroc_above || d_above;
}

Result<DirectionScore> score_of(const SplitData& data, const FittedDirection& fit, const DirectionOptions& options,
                                int layer) {
  DirectionScore score;
  score.n_train = static_cast<std::int64_t>(data.positive.train.size() + data.negative.train.size());
  score.n_heldout = static_cast<std::int64_t>(data.positive.heldout.size() + data.negative.heldout.size());
  const Separation found = heldout_separation(data, fit.unit);
  score.auroc = found.auroc;
  score.cohens_d = found.cohens_d;
  score.random = random_controls(data, options, layer);
  VB_TRY(score.shuffled, shuffled_controls(data, options, layer));
  VB_TRY(const Stability stability, bootstrap_stability(data, options, layer));
  score.stability = stability.mean;
  score.stability_low = stability.low;
  return score;
}

bool better(const DirectionScore& a, const DirectionScore& b) {
  if (a.auroc != b.auroc) return a.auroc > b.auroc;
  return std::abs(a.cohens_d.value_or(0)) > std::abs(b.cohens_d.value_or(0));
}

std::size_t choose(const std::vector<MeasuredDirection>& layers) {
  std::size_t best = 0;
  for (std::size_t i = 1; i < layers.size(); ++i)
    if (better(layers[i].score, layers[best].score)) best = i;
  return best;
}

void note_quality(const MeasuredDirection& chosen, const LayerActivations& data, std::vector<std::string>& notes) {
  if (!chosen.score.beats_random())
    notes.push_back(
        format("layer {} separates no better than random directions do: held-out AUROC {:.3f}, random up to {:.3f}",
               chosen.layer, chosen.score.auroc, chosen.score.random.auroc.high));
  if (!chosen.score.beats_shuffled())
    notes.push_back(
        format("layer {} separates no better than directions fitted to shuffled labels: held-out AUROC {:.3f}, "
               "shuffled up to {:.3f}",
               chosen.layer, chosen.score.auroc, chosen.score.shuffled.auroc.high));
  const std::int64_t heldout = std::min(data.positive.rows(), data.negative.rows()) / 2;
  if (heldout < kFewHeldout)
    notes.push_back(format("only {} held-out prompts in a group: the scores are coarse", heldout));
  if (chosen.score.stability < 0.5)
    notes.push_back(format("layer {}: resampled prompts give other directions (mean cosine {:.2f})", chosen.layer,
                           chosen.score.stability));
}

}  // namespace

bool DirectionScore::beats_random() const { return beats(*this, random); }
bool DirectionScore::beats_shuffled() const { return beats(*this, shuffled); }

Halves split_halves(std::int64_t rows, std::uint64_t seed) {
  RowChoice order(static_cast<std::size_t>(rows));
  std::iota(order.begin(), order.end(), std::size_t{0});
  Rng rng(seed, kSplitStream);
  for (std::size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[static_cast<std::size_t>(rng.below(i))]);
  const auto middle = order.begin() + static_cast<std::ptrdiff_t>(order.size() - order.size() / 2);
  return {.train = RowChoice(order.begin(), middle), .heldout = RowChoice(middle, order.end())};
}

Result<MeasuredDirection> measure_direction(const LayerActivations& data, const DirectionOptions& options) {
  VB_CHECK(check(data, options));
  const SplitData split{.rows = {data.positive, data.negative},
                        .positive = split_halves(data.positive.rows(), options.seed),
                        .negative = split_halves(data.negative.rows(), options.seed)};
  MeasuredDirection out{.layer = data.layer, .fit = {}, .score = {}};
  VB_TRY(out.fit,
         fit_direction(split.rows, split.positive.train, split.negative.train, options.method, options.components));
  VB_TRY(out.score, score_of(split, out.fit, options, data.layer));
  return out;
}

Result<DirectionReport> measure_directions(std::span<const LayerActivations> layers, const DirectionOptions& options) {
  DirectionReport report;
  std::vector<const LayerActivations*> sources;
  for (const LayerActivations& layer : layers) {
    VB_CHECK(check(layer, options), "in layer {}", layer.layer);
    auto measured = measure_direction(layer, options);
    if (!measured && measured.error().code != ErrorCode::invalid_input) return measured.error();
    if (!measured) {
      report.notes.push_back(format("layer {} is left out: {}", layer.layer, measured.error().message));
      continue;
    }
    report.layers.push_back(*std::move(measured));
    sources.push_back(&layer);
  }
  if (report.layers.empty())
    return with_hint(
        invalid_input("no layer gives a direction{}", report.notes.empty() ? "" : ": " + report.notes.front()),
        "at position `last` with a chat template all prompts may end alike in the first layers; check the "
        "prompts and --positions");
  report.chosen = choose(report.layers);
  note_quality(report.layers[report.chosen], *sources[report.chosen], report.notes);
  return report;
}

}  // namespace vauban
