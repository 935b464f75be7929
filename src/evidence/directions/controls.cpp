#include "evidence/directions/controls.h"

#include <algorithm>

#include "base/rng.h"
#include "evidence/directions/separation.h"
#include "evidence/stats/stats.h"

namespace vauban {
namespace {

// Streams of random numbers: one per layer, kind of control and draw, so that none depends on how many another took.
enum class Stream : std::uint64_t { random = 1, shuffled = 2, bootstrap = 3 };

Rng stream_of(const DirectionOptions& options, Stream kind, int layer, int draw) {
  const std::uint64_t number = (static_cast<std::uint64_t>(kind) << 56) | (static_cast<std::uint64_t>(layer) << 24) |
                               static_cast<std::uint64_t>(draw);
  return Rng(options.seed, number);
}

struct Draws {
  std::vector<double> auroc, cohens_d;
  void add(const Separation& found) {
    auroc.push_back(found.auroc);
    if (found.cohens_d) cohens_d.push_back(*found.cohens_d);
  }
};

ControlBand band_of(const std::vector<double>& values) {
  if (values.empty()) return {};
  return {.mean = mean_of(values),
          .low = quantile_of(values, 0.025),
          .high = quantile_of(values, 0.975),
          .draws = static_cast<int>(values.size())};
}

Controls controls_of(const Draws& draws) {
  return {.auroc = band_of(draws.auroc), .cohens_d = band_of(draws.cohens_d)};
}

std::vector<double> random_direction(std::int64_t width, Rng& rng) {
  std::vector<double> out(static_cast<std::size_t>(width));
  for (double& value : out) value = rng.normal();
  return out;
}

/// As a fitted direction is: its sign comes from the training half.
void turn_to_positive(std::vector<double>& direction, const SplitData& data) {
  const double positive = mean_of(project_rows(data.rows.positive, data.positive.train, direction));
  const double negative = mean_of(project_rows(data.rows.negative, data.negative.train, direction));
  if (positive >= negative) return;
  for (double& value : direction) value = -value;
}

void shuffle(std::vector<std::size_t>& order, Rng& rng) {
  for (std::size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[static_cast<std::size_t>(rng.below(i))]);
}

/// Rows of both groups under one numbering: positives first.
struct Pooled {
  ActivationRows rows;
  std::size_t positives = 0;

  explicit Pooled(const LabelledRows& data)
      : rows(data.positive), positives(static_cast<std::size_t>(data.positive.rows())) {
    rows.values.insert(rows.values.end(), data.negative.values.begin(), data.negative.values.end());
  }
};

/// Deals the rows of one half anew: as many "positive" and "negative" ones as there were.
void deal(const Pooled& pooled, const RowChoice& positive, const RowChoice& negative, Rng& rng, RowChoice& out_positive,
          RowChoice& out_negative) {
  RowChoice all = positive;
  for (const std::size_t index : negative) all.push_back(pooled.positives + index);
  shuffle(all, rng);
  const auto middle = all.begin() + static_cast<std::ptrdiff_t>(positive.size());
  out_positive.assign(all.begin(), middle);
  out_negative.assign(middle, all.end());
}

Result<Separation> shuffled_draw(const Pooled& pooled, const SplitData& data, const DirectionOptions& options,
                                 Rng rng) {
  SplitData dealt{.rows = {pooled.rows, pooled.rows}, .positive = {}, .negative = {}};
  deal(pooled, data.positive.train, data.negative.train, rng, dealt.positive.train, dealt.negative.train);
  deal(pooled, data.positive.heldout, data.negative.heldout, rng, dealt.positive.heldout, dealt.negative.heldout);
  const auto fit = fit_direction(dealt.rows, dealt.positive.train, dealt.negative.train, options.method, 1);
  if (fit) return heldout_separation(dealt, fit->unit);
  if (fit.error().code != ErrorCode::invalid_input) return fit.error();
  return Separation{.auroc = 0.5, .cohens_d = 0.0};
}

RowChoice resample(const RowChoice& choice, Rng& rng) {
  RowChoice out(choice.size());
  for (std::size_t& index : out) index = choice[static_cast<std::size_t>(rng.below(choice.size()))];
  return out;
}

/// Pairs of equal counts are drawn together, as they were split together.
Result<FittedDirection> resampled_fit(const SplitData& data, const DirectionOptions& options, Rng rng) {
  Rng same = rng;
  const RowChoice positive = resample(data.positive.train, rng);
  const RowChoice negative =
      resample(data.negative.train, data.positive.train.size() == data.negative.train.size() ? same : rng);
  return fit_direction(data.rows, positive, negative, options.method, 1);
}

}  // namespace

Separation heldout_separation(const SplitData& data, std::span<const double> direction) {
  const std::vector<double> positive = project_rows(data.rows.positive, data.positive.heldout, direction);
  const std::vector<double> negative = project_rows(data.rows.negative, data.negative.heldout, direction);
  return {.auroc = auroc(positive, negative), .cohens_d = cohens_d(positive, negative)};
}

Controls random_controls(const SplitData& data, const DirectionOptions& options, int layer) {
  Draws draws;
  for (int draw = 0; draw < options.controls; ++draw) {
    Rng rng = stream_of(options, Stream::random, layer, draw);
    std::vector<double> direction = random_direction(data.rows.positive.width, rng);
    turn_to_positive(direction, data);
    draws.add(heldout_separation(data, direction));
  }
  return controls_of(draws);
}

Result<Controls> shuffled_controls(const SplitData& data, const DirectionOptions& options, int layer) {
  const Pooled pooled(data.rows);
  Draws draws;
  for (int draw = 0; draw < options.controls; ++draw) {
    VB_TRY(const Separation found,
           shuffled_draw(pooled, data, options, stream_of(options, Stream::shuffled, layer, draw)));
    draws.add(found);
  }
  return controls_of(draws);
}

Result<Stability> bootstrap_stability(const SplitData& data, const DirectionOptions& options, int layer) {
  std::vector<std::vector<double>> found;
  for (int draw = 0; draw < options.bootstraps; ++draw) {
    auto fit = resampled_fit(data, options, stream_of(options, Stream::bootstrap, layer, draw));
    if (!fit && fit.error().code != ErrorCode::invalid_input) return fit.error();
    found.push_back(fit ? std::move(fit->unit)
                        : std::vector<double>(static_cast<std::size_t>(data.rows.positive.width)));
  }
  std::vector<double> cosines;
  for (std::size_t i = 0; i < found.size(); ++i)
    for (std::size_t j = 0; j < i; ++j) cosines.push_back(dot(found[i], found[j]));
  return Stability{.mean = mean_of(cosines), .low = quantile_of(cosines, 0.05)};
}

}  // namespace vauban
