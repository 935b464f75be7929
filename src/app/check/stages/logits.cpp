/// Does the model predict an ordinary text far better than a blind guess, and do prefill and decode agree?
#include <algorithm>
#include <cmath>

#include "app/check/check.h"

namespace vauban {
namespace {

constexpr double kTolerance = 2e-3;  // nats, where a backend does not promise equal bits

void run(CheckSubject& subject, Findings& findings) {
  if (!subject.runtime) return findings.not_run("the model could not be loaded");
  if (!subject.probe) {
    if (subject.tokenizer) return findings.fault("{}", subject.probe_error);
    return findings.not_run("{}", subject.probe_error);
  }
  const double blind = std::log(static_cast<double>(subject.config.vocab_size));
  const std::string measured = format("loss {:.3f} nats per token over {} tokens of {}, a blind guess has {:.3f}", subject.probe->mean(),
                                      std::ranges::count_if(subject.probe->nll, [](double v) { return !std::isnan(v); }), subject.probe->text_name, blind);
  if (subject.predicts())
    findings.fine("{}", measured);
  else
    findings.fault("{}: the model does not predict it{}", measured,
                   subject.options.file ? "" : " (give a text of the kind it was trained on with --file, if it is no such kind)");
  const auto stepwise = CheckSubject::nll_of(*subject.runtime, subject.probe->ids, 1);
  if (!stepwise) return findings.fault("one token at a time: {}", describe(stepwise.error()));
  double largest = 0.0;
  for (std::size_t i = 0; i < stepwise->size(); ++i)
    if (!std::isnan(subject.probe->nll[i])) largest = std::max(largest, std::abs((*stepwise)[i] - subject.probe->nll[i]));
  if (largest > kTolerance)
    findings.fault("one token at a time gives another loss than all at once, by up to {:.2e} nats", largest);
  else
    findings.fine("one token at a time gives the same loss{}", largest == 0.0 ? "" : format(" to {:.1e} nats", largest));
}

}  // namespace

CheckStage logits_stage() { return {"logits", "finite, far better than chance on a text, prefill equal to decode", run}; }

}  // namespace vauban
