#include "runtime/local/engine.h"

#include <algorithm>

#include "base/process_memory.h"

namespace vauban {

namespace {

double seconds(std::chrono::nanoseconds time) { return std::chrono::duration<double>(time).count(); }

}  // namespace

double Engine::seconds_since(std::chrono::nanoseconds start) const {
  return seconds(context_.clock.monotonic() - start);
}

Result<std::size_t> Engine::submit(SequenceRequest request) {
  VB_TRY(auto sequence, Sequence::make(sequences_.size(), std::move(request), model_, kv_->pool));
  const KvGeometry& geometry = kv_->store->geometry();
  const std::int64_t needed = (sequence->positions() + geometry.page_tokens - 1) / geometry.page_tokens;
  if (needed > geometry.pages)
    return with_hint(resource("{} positions need {} pages of {} tokens; the key/value cache has {}",
                              sequence->positions(), needed, geometry.page_tokens, geometry.pages),
                     "raise the memory limit of the key/value cache, or ask for fewer tokens");
  waiting_.push_back(sequence.get());
  sequences_.push_back(std::move(sequence));
  return sequences_.size() - 1;
}

Result<void> Engine::admit() {
  while (!waiting_.empty() && active_.size() < static_cast<std::size_t>(options_.max_batch)) {
    const Result<void> reserved = waiting_.front()->reserve_pages();
    if (!reserved && active_.empty()) return reserved;  // nobody here will ever free a page
    if (!reserved) return ok();
    active_.push_back(waiting_.front());
    waiting_.pop_front();
  }
  return ok();
}

std::vector<StepShare> Engine::plan() const {
  std::vector<StepShare> shares;
  std::int32_t prompt_budget = options_.prefill_chunk;
  for (const Sequence* sequence : active_) {
    const bool prompt = sequence->in_prompt();
    const std::int32_t rows = prompt ? std::min(prompt_budget, sequence->pending_rows()) : sequence->pending_rows();
    if (rows == 0) continue;  // the budget of this step is spent
    if (prompt) prompt_budget -= rows;
    shares.push_back({sequence->number(), sequence->state().length(), rows, prompt});
  }
  return shares;
}

Batch Engine::build(const std::vector<StepShare>& shares) const {
  Batch batch;
  for (const StepShare& share : shares) {
    const Sequence& sequence = *sequences_[share.sequence];
    batch.sequences.push_back({.first_row = static_cast<std::int32_t>(batch.ids.size()),
                               .rows = share.rows,
                               .past = share.past,
                               .length = static_cast<std::int32_t>(sequence.ids().size()),
                               .pages = sequence.state().pages()});
    for (std::int32_t position = share.past; position < share.past + share.rows; ++position) {
      if (sequence.needs_logits(position)) batch.output_rows.push_back(static_cast<std::int32_t>(batch.ids.size()));
      batch.ids.push_back(sequence.ids()[static_cast<std::size_t>(position)]);
      batch.positions.push_back(position);
    }
  }
  return batch;
}

Result<void> Engine::forward(const Batch& batch, const Tap& tap) {
  ops_.begin_step();
  const Tensor logits = model_.network->forward(ops_, *kv_->store, batch, tap);
  if (Result<void> status = ops_.end_step(); !status) return status;
  const std::size_t expected = batch.output_rows.size() * static_cast<std::size_t>(model_.config.vocab_size);
  logits_.clear();
  if (expected == 0) return ok();
  VB_TRY(logits_, read_f32(logits));  // the tensor lives until the next begin_step()
  if (logits_.size() != expected)
    return internal("the forward pass gave {} logits; {} rows of {} were expected", logits_.size(),
                    batch.output_rows.size(), model_.config.vocab_size);
  return ok();
}

bool Engine::is_profiled(const std::vector<StepShare>& shares) const {
  return std::ranges::any_of(
      shares, [&](const StepShare& share) { return sequences_[share.sequence]->is_profiled(share.prompt); });
}

void Engine::begin_profile(StepCost& cost) {
  cost.profiled = true;
  ops_.profile_device(true);
  if (reset_peak_resident()) cost.host_peak_bytes = 0;
}

void Engine::end_profile(StepCost& cost) {
  ops_.profile_device(false);
  if (cost.host_peak_bytes) cost.host_peak_bytes = peak_resident_bytes();
}

Result<StepReport> Engine::step(StepTap* tap) {
  if (context_.cancel.cancelled()) {
    StepReport ended;
    ended.tokens = cancel_all();
    return ended;
  }
  Result<StepReport> report = run(tap);
  if (!report) cancel_all();
  return report;
}

Result<StepReport> Engine::run(StepTap* tap) {
  StepReport report;
  const auto batch_start = context_.clock.monotonic();
  VB_CHECK(admit());
  report.shares = plan();
  const Batch batch = build(report.shares);
  report.cost.rows = static_cast<std::int64_t>(batch.ids.size());
  report.cost.sequences = static_cast<std::int64_t>(batch.sequences.size());
  report.cost.waiting = static_cast<std::int64_t>(waiting_.size());
  report.cost.batch_s = seconds_since(batch_start);
  if (batch.ids.empty()) return report;

  std::vector<std::size_t> owners;
  for (const StepShare& share : report.shares) owners.push_back(share.sequence);
  if (is_profiled(report.shares)) begin_profile(report.cost);
  const auto forward_start = context_.clock.monotonic();
  if (tap) tap->begin_batch(batch, owners);
  const NoTap nobody;
  Result<void> passed = forward(batch, tap ? static_cast<const Tap&>(*tap) : nobody);
  // What the tap did comes first: later operations only choke on it.
  if (tap)
    if (Result<void> verdict = tap->verdict(); !verdict) passed = std::move(verdict);
  report.cost.forward_s = seconds_since(forward_start);
  if (report.cost.profiled) end_profile(report.cost);
  VB_CHECK(std::move(passed), "in a step of {} rows", batch.ids.size());
  report.cost.counters = ops_.take_counters();

  std::size_t row = 0, share = 0;
  const std::size_t vocab = static_cast<std::size_t>(model_.config.vocab_size);
  for (const std::int32_t batch_row : batch.output_rows) {
    while (batch_row >= batch.sequences[share].first_row + batch.sequences[share].rows) ++share;
    report.logits.push_back({report.shares[share].sequence, batch.positions[static_cast<std::size_t>(batch_row)],
                             std::span<const float>(logits_).subspan(vocab * row++, vocab)});
  }
  finish_step(report);
  return report;
}

void Engine::finish_step(StepReport& report) {
  for (const StepShare& share : report.shares) sequences_[share.sequence]->advance(share.rows);
  take_tokens(report);
  std::erase_if(active_, [](const Sequence* sequence) { return sequence->finished(); });
}

void Engine::take_tokens(StepReport& report) {
  for (const StepShare& share : report.shares) {
    Sequence& sequence = *sequences_[share.sequence];
    if (sequence.pending_rows() != 0) continue;  // prompt rows are left
    const std::int64_t last = share.past + share.rows - 1;
    const auto row = std::find_if(report.logits.begin(), report.logits.end(), [&](const LogitRow& candidate) {
      return candidate.sequence == share.sequence && candidate.position == last;
    });
    const std::span<const float> logits = row == report.logits.end() ? std::span<const float>() : row->values;
    const auto start = context_.clock.monotonic();
    Result<TokenOut> out = sequence.take(logits);
    const auto taken = context_.clock.monotonic();
    if (out) sequence.score(*out, logits);
    report.cost.decode_s += seconds(taken - start);
    report.cost.score_s += seconds_since(taken);
    if (out) {
      report.tokens.push_back(*std::move(out));
    } else {
      sequence.fail(std::move(out).error());
      report.failed.push_back(share.sequence);
    }
  }
}

std::vector<TokenOut> Engine::cancel_all() {
  std::vector<TokenOut> ended;
  for (const auto& sequence : sequences_)
    if (!sequence->finished()) ended.push_back(sequence->cancel());
  waiting_.clear();
  active_.clear();
  return ended;
}

}  // namespace vauban
