#include "runtime/local/trace_batch.h"

#include <algorithm>

namespace vauban {

namespace {

double seconds_since(const Clock& clock, std::chrono::nanoseconds start) {
  return std::chrono::duration<double>(clock.monotonic() - start).count();
}

}  // namespace

TraceBatch::TraceBatch(const TraceSetting& setting, Engine engine)
    : setting_(setting),
      engine_(std::move(engine)),
      observer_(setting.ops, setting.context.clock, static_cast<int>(setting.model.config.layers)) {}

void TraceBatch::add(const TraceRequest& request, const Tokenize& tokenize) {
  Entry& entry = entries_.emplace_back();
  entry.run.request = request;
  const Result<std::size_t> number = submit(entry.run, tokenize);
  if (!number) {
    entry.result = with_context(number.error(), format("in request '{}'", request.trace_id));
    return;
  }
  by_sequence_.push_back(&entry);
  observer_.add(*number, entry.run.observed);
}

Result<std::size_t> TraceBatch::submit(TraceRun& run, const Tokenize& tokenize) {
  VB_CHECK(validate(run.request));
  const auto start = setting_.context.clock.monotonic();
  VB_TRY(run.prompt, tokenize());
  run.tokenize.add_seconds(seconds_since(setting_.context.clock, start));
  run.tokenize.add_tokens(static_cast<std::int64_t>(run.prompt.size()));
  run.tokenize.add_bytes(static_cast<std::int64_t>(run.request.input_text.size()),
                         static_cast<std::int64_t>(run.prompt.size() * sizeof(std::int32_t)));
  VB_CHECK(run.prepare(setting_));
  return engine_.submit(run.sequence_request());
}

bool TraceBatch::report_load() {
  if (by_sequence_.empty()) return false;
  by_sequence_.front()->run.reports_load = true;
  return true;
}

std::vector<Result<Trace>> TraceBatch::run() {
  while (!engine_.idle()) {
    const double tap_before = tap_seconds();
    Result<StepReport> report = engine_.step(&observer_);
    if (!report) {
      for (std::size_t i = 0; i < by_sequence_.size(); ++i) settle(i, report.error());
      break;
    }
    account(*report, tap_seconds() - tap_before);
    record_logprobs(*report);
    for (const StepShare& share : report->shares) by_sequence_[share.sequence]->run.end_step();
    collect(*report);
  }
  std::vector<Result<Trace>> results;
  for (Entry& entry : entries_)
    results.push_back(entry.result ? *std::move(entry.result)
                                   : internal("request '{}' never finished", entry.run.request.trace_id));
  return results;
}

double TraceBatch::tap_seconds() const {
  double sum = 0;
  for (const Entry* entry : by_sequence_) sum += entry->run.observed.observe_s + entry->run.observed.intervene_s;
  return sum;
}

void TraceBatch::account(const StepReport& report, double tap_s) {
  const double pass_s = report.cost.forward_s - tap_s;  // what the tap did counts as observe and intervene
  std::int64_t first = 0;
  for (const StepShare& share : report.shares) {
    TraceRun& run = by_sequence_[share.sequence]->run;
    (share.prompt ? run.prefill : run.decode).add_pass(report.cost, first, share.rows, pass_s);
    first += share.rows;
    run.batch.add_seconds(report.cost.batch_s * share.rows / static_cast<double>(report.cost.rows));
    run.batch.note_batch(report.cost);
    run.observe.add_seconds(run.observed.observe_s - run.observe.seconds());
    run.intervene.add_seconds(run.observed.intervene_s - run.intervene.seconds());
  }
  for (const TokenOut& out : report.tokens) {
    TraceRun& run = by_sequence_[out.sequence]->run;
    run.decode.add_seconds(report.cost.decode_s / static_cast<double>(report.tokens.size()));
    run.score.add_seconds(report.cost.score_s / static_cast<double>(report.tokens.size()));
  }
}

void TraceBatch::record_logprobs(const StepReport& report) {
  std::vector<float> row;
  for (const LogitRow& logits : report.logits) {
    TraceRun& run = by_sequence_[logits.sequence]->run;
    Recorder& recorder = *run.observed.recorder;
    if (!recorder.wants(Site::logprobs, 0)) continue;
    const auto start = setting_.context.clock.monotonic();
    row.resize(logits.values.size());
    log_softmax(logits.values, row);
    const std::int64_t width = static_cast<std::int64_t>(row.size());
    for (const Moment moment : {Moment::before, Moment::after})
      recorder.record(
          Site::logprobs, 0, moment,
          RowBlock{.first_position = logits.position, .positions = {}, .row_shape = {&width, 1}, .values = row});
    run.score.add_tokens(1);
    run.score.add_seconds(seconds_since(setting_.context.clock, start));
  }
}

void TraceBatch::collect(const StepReport& report) {
  for (const TokenOut& out : report.tokens) {
    if (out.finish == Finish::none) continue;
    Entry& entry = *by_sequence_[out.sequence];
    if (out.finish == Finish::cancelled)
      settle(out.sequence, cancelled("request '{}' was cancelled", entry.run.request.trace_id));
    else
      settle(out.sequence, build_trace(entry.run, engine_.sequence(out.sequence), setting_));
  }
  for (const std::size_t failed : report.failed) settle(failed, observer_.explained(failed, *engine_.sequence(failed).failure()));
}

/// Keeps the first result, and frees what the run has recorded.
void TraceBatch::settle(std::size_t sequence, Result<Trace> result) {
  Entry& entry = *by_sequence_[sequence];
  if (entry.result) return;
  observer_.remove(sequence);
  entry.run.observed.recorder.reset();
  if (!result) result = with_context(std::move(result).error(), format("in request '{}'", entry.run.request.trace_id));
  entry.result = std::move(result);
}

}  // namespace vauban
