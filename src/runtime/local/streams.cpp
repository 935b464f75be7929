#include "runtime/local/streams.h"

#include <deque>

namespace vauban {

namespace {

StepEvent to_event(TokenOut out) {
  StepEvent event{
      .request = out.sequence, .token = out.token, .text = std::move(out.text), .logprob = {}, .finish = {}};
  if (out.token && out.logprob) event.logprob = TokenLogprob{*out.token, *out.logprob};
  event.finish = to_string(out.finish);
  return event;
}

class EngineStepStream final : public StepStream {
 public:
  explicit EngineStepStream(std::unique_ptr<StepRun> run) : run_(std::move(run)) {}

  Result<std::optional<StepEvent>> next() override {
    while (ready_.empty() && run_ && !run_->engine.idle()) VB_CHECK(advance());
    if (ready_.empty()) return std::optional<StepEvent>();
    Result<StepEvent> event = std::move(ready_.front());
    ready_.pop_front();
    if (event) return std::optional<StepEvent>(*std::move(event));
    run_.reset();  // an error ends the stream, and its pages go back
    ready_.clear();
    return std::move(event).error();
  }

 private:
  Result<void> advance() {
    VB_TRY(StepReport report, run_->engine.step(run_->edits ? &run_->observer : nullptr));
    for (TokenOut& out : report.tokens) ready_.push_back(to_event(std::move(out)));
    for (const std::size_t failed : report.failed)
      ready_.push_back(with_context(run_->observer.explained(failed, *run_->engine.sequence(failed).failure()),
                                    format("in request {}", failed)));
    return ok();
  }

  std::unique_ptr<StepRun> run_;
  std::deque<Result<StepEvent>> ready_;
};

class EngineScoreStream final : public ScoreStream {
 public:
  EngineScoreStream(std::unique_ptr<StepRun> run, std::int64_t vocab) : run_(std::move(run)), vocab_(vocab) {}

  Result<std::optional<LogitRows>> next() override {
    if (run_->engine.idle()) return std::optional<LogitRows>();
    VB_TRY(const StepReport report, run_->engine.step(run_->edits ? &run_->observer : nullptr));
    if (report.logits.empty()) return cancelled("scoring was cancelled");
    const std::size_t values = report.logits.size() * static_cast<std::size_t>(vocab_);
    return std::optional<LogitRows>(LogitRows{.first_position = report.logits.front().position,
                                              .rows = static_cast<std::int64_t>(report.logits.size()),
                                              .vocab = vocab_,
                                              .values = {report.logits.front().values.data(), values}});
  }

 private:
  std::unique_ptr<StepRun> run_;
  std::int64_t vocab_;
};

}  // namespace

std::unique_ptr<StepStream> make_step_stream(std::unique_ptr<StepRun> run) {
  return std::make_unique<EngineStepStream>(std::move(run));
}

std::unique_ptr<ScoreStream> make_score_stream(std::unique_ptr<StepRun> run, std::int64_t vocab) {
  return std::make_unique<EngineScoreStream>(std::move(run), vocab);
}

}  // namespace vauban
