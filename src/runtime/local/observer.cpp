#include "runtime/local/observer.h"

#include <algorithm>

namespace vauban {

namespace {

double seconds_since(const Clock& clock, std::chrono::nanoseconds start) {
  return std::chrono::duration<double>(clock.monotonic() - start).count();
}

/// (rows, everything else), for the primitive.
Tensor as_matrix(const Tensor& x) {
  const std::int64_t rows = x.shape()[0];
  return x.reshaped({rows, x.shape().elements() / std::max<std::int64_t>(rows, 1)});
}

bool only_reads(const InterventionEffect& effect) {
  const PrimitiveMode mode = effect.primitive().mode;
  return mode == PrimitiveMode::project || mode == PrimitiveMode::subspace_project;
}

/// Hands each intervention its own of a row's projections; what else a reading gives is the same for all.
class SplitProjections final : public ProjectionSink {
 public:
  SplitProjections(std::span<InterventionEffect* const> effects, const PrimitiveResult& beside) {
    for (const InterventionEffect* effect : effects) {
      widths_.push_back(static_cast<std::size_t>(effect->primitive().basis_rows));
      results_.push_back({.output = {},
                          .before = {},
                          .after = {},
                          .delta_norm = std::vector<double>(beside.input_norm.size(), 0.0),
                          .input_norm = beside.input_norm,
                          .gates_open = 0});
    }
  }
  void add(std::span<const double> projections) override {
    std::size_t begin = 0;
    for (std::size_t i = 0; i < results_.size(); begin += widths_[i++]) {
      const auto own = projections.subspan(begin, widths_[i]);
      for (auto* values : {&results_[i].before, &results_[i].after}) values->insert(values->end(), own.begin(), own.end());
    }
  }
  const PrimitiveResult& result(std::size_t i) const { return results_[i]; }

 private:
  std::vector<std::size_t> widths_;
  std::vector<PrimitiveResult> results_;
};

}  // namespace

bool Observed::selects(Site site, Moment moment, std::span<const std::int64_t> positions) const {
  return std::any_of(wants.begin(), wants.end(), [&](const Want& want) {
    return want.site == site && want.moment == moment &&
           std::any_of(positions.begin(), positions.end(), [&](std::int64_t position) {
             return want.positions.contains(position, prompt_rows - 1, prompt_rows);
           });
  });
}

bool Observed::edits(Site site, int layer) const {
  return std::any_of(effects.begin(), effects.end(),
                     [&](const InterventionEffect& e) { return e.applies_to(site, layer); });
}

void Observer::add(std::size_t sequence, Observed& observed) {
  observed_[sequence] = &observed;
  listen();
}

void Observer::remove(std::size_t sequence) {
  observed_.erase(sequence);
  listen();
}

void Observer::listen() {
  clear_wants();
  for (const auto& [sequence, observed] : observed_) {
    for (const SiteInfo& site : all_sites()) {
      for (int layer = 0; layer < (site.per_layer ? layers_ : 1); ++layer)
        if ((observed->recorder && observed->recorder->wants(site.id, layer)) || observed->edits(site.id, layer))
          want(site.id, layer);
    }
  }
}

void Observer::begin_batch(const Batch& batch, std::span<const std::size_t> owners) {
  batch_ = &batch;
  owners_.assign(owners.begin(), owners.end());
  for (std::size_t i = 0; i < owners_.size(); ++i)
    if (const auto found = observed_.find(owners_[i]); found != observed_.end())
      found->second->kv_pages = batch.sequences[i].pages;
}

/// A tensor has either a row for each row of the batch, or one for each output row (behind the last layer).
std::vector<Observer::Share> Observer::shares_of(std::int64_t tensor_rows) const {
  const bool all_rows = tensor_rows == static_cast<std::int64_t>(batch_->ids.size());
  std::vector<Share> shares;
  for (std::size_t i = 0; i < owners_.size(); ++i) {
    const auto found = observed_.find(owners_[i]);
    if (found == observed_.end()) continue;
    const SequenceRows& sequence = batch_->sequences[i];
    Share share{found->second, {}, {}};
    for (std::int32_t row = sequence.first_row; row < sequence.first_row + sequence.rows; ++row) {
      const auto& outputs = batch_->output_rows;
      const auto output = std::lower_bound(outputs.begin(), outputs.end(), row);
      if (!all_rows && (output == outputs.end() || *output != row)) continue;
      share.rows.push_back(all_rows ? row : static_cast<std::int32_t>(output - outputs.begin()));
      share.positions.push_back(batch_->positions[static_cast<std::size_t>(row)]);
    }
    if (!share.rows.empty()) shares.push_back(std::move(share));
  }
  return shares;
}

Tensor Observer::reach(Site site, int layer, Tensor x) const {
  const std::vector<Share> shares = shares_of(x.shape()[0]);
  for (const Share& share : shares) observe(share, site, layer, Moment::before, x);
  for (const Share& share : shares) x = intervene(share, site, layer, std::move(x));
  for (const Share& share : shares) observe(share, site, layer, Moment::after, x);
  return x;
}

Result<void> Observer::verdict() const {
  for (const auto& [sequence, observed] : observed_)
    if (observed->fault) return *observed->fault;
  return ok();
}

Error Observer::explained(std::size_t sequence, Error error) const {
  const auto found = observed_.find(sequence);
  std::string names;
  if (found != observed_.end())
    for (const InterventionEffect& effect : found->second->effects)
      if (effect.edits()) names += format("{}'{}'", names.empty() ? "" : ", ", effect.intervention().name);
  if (names.empty() || error.code != ErrorCode::corrupt) return error;
  error.message += format(" (edited by {})", names);
  return error.hint.empty() ? with_hint(std::move(error), "an edit that is too strong does this: use a smaller alpha") : error;
}

void Observer::observe(const Share& share, Site site, int layer, Moment moment, const Tensor& x) const {
  Observed& observed = *share.observed;
  if (!observed.recorder || !observed.recorder->wants(site, layer, moment)) return;
  if (!observed.selects(site, moment, share.positions)) return;
  const auto start = clock_.monotonic();
  const std::vector<float> values = to_f32(x.rows(share.rows.front(), share.rows.back() + 1));
  observed.recorder->record(site, layer, moment,
                            RowBlock{.first_position = share.positions.front(),
                                     .positions = share.positions,
                                     .row_shape = x.shape().dims().subspan(1),
                                     .values = values});
  observed.observed_values += static_cast<std::int64_t>(values.size());
  observed.observe_s += seconds_since(clock_, start);
}

Tensor Observer::intervene(const Share& share, Site site, int layer, Tensor x) const {
  std::vector<InterventionEffect*> here;
  for (InterventionEffect& effect : share.observed->effects)
    if (effect.applies_to(site, layer)) here.push_back(&effect);
  for (std::size_t i = 0; i < here.size();) {
    const auto start = clock_.monotonic();
    const Touched touched = touched_by(*here[i], share);
    std::size_t end = i + 1;
    while (only_reads(*here[i]) && end < here.size() && only_reads(*here[end]) &&
           touched_by(*here[end], share).rows == touched.rows)
      ++end;
    if (!touched.rows.empty() && end - i > 1) read(std::span(here).subspan(i, end - i), touched, share, layer, x);
    if (!touched.rows.empty() && end - i == 1) x = apply(*here[i], touched, share, layer, std::move(x));
    share.observed->intervene_s += seconds_since(clock_, start);
    i = end;
  }
  return x;
}

Observer::Touched Observer::touched_by(const InterventionEffect& effect, const Share& share) {
  const std::int64_t prompt_rows = share.observed->prompt_rows;
  Touched touched;
  for (std::size_t i = 0; i < share.rows.size(); ++i) {
    if (!effect.intervention().positions.contains(share.positions[i], prompt_rows - 1, prompt_rows)) continue;
    touched.rows.push_back(share.rows[i]);
    touched.positions.push_back(share.positions[i]);
    touched.of_prompt += share.positions[i] < prompt_rows;
  }
  return touched;
}

void Observer::note(InterventionEffect& effect, const Touched& touched, const PrimitiveResult& result, const Share& share,
                    int layer) {
  const Result<void> added = effect.add(layer, touched.of_prompt, result, touched.positions);
  if (!added && !share.observed->fault) share.observed->fault = added.error();
}

Tensor Observer::apply(InterventionEffect& effect, const Touched& touched, const Share& share, int layer, Tensor x) const {
  const PrimitiveResult result = ops_.primitive(as_matrix(x), effect.primitive(), touched.rows);
  note(effect, touched, result, share, layer);
  return result.output.reshaped(x.shape());
}

/// The first through the primitive, which measures the rows' lengths too.
void Observer::read(std::span<InterventionEffect* const> effects, const Touched& touched, const Share& share, int layer,
                    const Tensor& x) const {
  const Tensor matrix = as_matrix(x);
  const PrimitiveResult first = ops_.primitive(matrix, effects.front()->primitive(), touched.rows);
  note(*effects.front(), touched, first, share, layer);
  const auto others = effects.subspan(1);
  std::vector<double> directions;
  for (const InterventionEffect* effect : others)
    directions.insert(directions.end(), effect->primitive().direction.begin(), effect->primitive().direction.end());
  SplitProjections split(others, first);
  const Result<void> projected = ops_.project(matrix, directions, touched.rows, split);
  if (!projected && !share.observed->fault) share.observed->fault = projected.error();
  for (std::size_t i = 0; projected && i < others.size(); ++i) note(*others[i], touched, split.result(i), share, layer);
}

void Observer::reach_sequence(Site site, int layer, std::size_t sequence, const Tensor& x) const {
  const auto found = observed_.find(owners_[sequence]);
  if (found == observed_.end() || !found->second->recorder) return;
  Observed& observed = *found->second;
  const auto start = clock_.monotonic();
  const std::vector<float> values = to_f32(x);
  const AttentionBlock block{.first_position = batch_->sequences[sequence].past,
                             .heads = x.shape()[0],
                             .rows = x.shape()[1],
                             .columns = x.shape()[2],
                             .values = values};
  for (const Moment moment : {Moment::before, Moment::after})
    if (observed.recorder->wants(site, layer, moment)) observed.recorder->record(site, layer, moment, block);
  observed.observed_values += static_cast<std::int64_t>(values.size());
  observed.observe_s += seconds_since(clock_, start);
}

}  // namespace vauban
