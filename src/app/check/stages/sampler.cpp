/// Greedy decoding: the same ids twice, and each the largest logit of a teacher-forced pass.
#include <algorithm>

#include "app/check/check.h"

namespace vauban {
namespace {

constexpr std::size_t kPrompt = 12;
constexpr int kNew = 16;

Result<std::vector<std::int32_t>> greedy(Runtime& runtime, std::vector<std::int32_t> prompt) {
  TraceRequest request;
  request.trace_id = "check";
  request.prompt_ids = std::move(prompt);
  request.sampling.max_tokens = kNew;
  VB_TRY(const auto stream, runtime.generate(std::span(&request, 1)));
  std::vector<std::int32_t> ids;
  while (true) {
    VB_TRY(const std::optional<StepEvent> event, stream->next());
    if (!event) return ids;
    if (event->token) ids.push_back(*event->token);
  }
}

/// Of each row that predicts one of the last `count` ids: whether that id has its largest logit.
Result<std::size_t> not_largest(Runtime& runtime, const std::vector<std::int32_t>& ids, std::size_t count) {
  VB_TRY(const auto stream, runtime.score(ids));
  std::size_t position = 0, wrong = 0;
  while (true) {
    VB_TRY(const std::optional<LogitRows> rows, stream->next());
    if (!rows) return wrong;
    for (std::int64_t r = 0; r < rows->rows; ++r, ++position) {
      if (position + 1 >= ids.size() || position + 1 + count < ids.size()) continue;
      const auto row = rows->values.subspan(static_cast<std::size_t>(r * rows->vocab), static_cast<std::size_t>(rows->vocab));
      wrong += row[static_cast<std::size_t>(ids[position + 1])] < std::ranges::max(row);
    }
  }
}

void run(CheckSubject& subject, Findings& findings) {
  if (!subject.runtime) return findings.not_run("the model could not be loaded");
  std::vector<std::int32_t> prompt{0};
  if (subject.probe) prompt.assign(subject.probe->ids.begin(), subject.probe->ids.begin() + static_cast<std::ptrdiff_t>(std::min(kPrompt, subject.probe->ids.size())));
  const auto first = greedy(*subject.runtime, prompt), second = greedy(*subject.runtime, prompt);
  if (!first || !second) return findings.fault("greedy decoding: {}", describe(first ? second.error() : first.error()));
  if (*first != *second) return findings.fault("greedy decoding gives other ids the second time");
  std::vector<std::int32_t> whole = prompt;
  whole.insert(whole.end(), first->begin(), first->end());
  const auto wrong = not_largest(*subject.runtime, whole, first->size());
  if (!wrong) return findings.fault("{}", describe(wrong.error()));
  if (*wrong > 0) return findings.fault("{} of {} greedy ids are not the largest logit of a teacher-forced pass", *wrong, first->size());
  findings.fine("{} greedy ids, the same twice, each the largest logit", first->size());
}

}  // namespace

CheckStage sampler_stage() { return {"sampler", "greedy decoding repeats and follows the logits", run}; }

}  // namespace vauban
