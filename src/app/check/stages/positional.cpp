/// Do the frequencies fall, does the slowest cover the context, and does another RoPE base or order do worse?
#include <algorithm>
#include <cmath>
#include <numbers>

#include "app/check/check.h"
#include "model/decoder/attention.h"

namespace vauban {
namespace {

/// With the base f times as large: pair i of n turns f^(-i/n) as fast.
void rebase(RopeTable& table, double factor) {
  const double n = static_cast<double>(table.inverse_frequency.size());
  for (std::size_t i = 0; i < table.inverse_frequency.size(); ++i)
    table.inverse_frequency[i] *= std::pow(factor, -static_cast<double>(i) / n);
}

/// Positions that a layer with this table can tell apart: its window where it has one.
std::int64_t reach_of(const ModelConfig& config, std::size_t index) {
  std::int64_t reach = 0;
  for (const LayerSpec& layer : config.decoder.layers)
    if (const AttentionSpec* attention = attention_of(layer); attention && attention->rope == static_cast<int>(index))
      reach = std::max(reach, attention->args.window > 0 ? attention->args.window : config.context_length);
  return reach;
}

void test_table(const ModelConfig& config, std::size_t index, Findings& findings) {
  const RopeSpec& rope = config.decoder.ropes[index];
  const std::vector<double>& f = rope.table.inverse_frequency;
  if (f.empty()) return findings.fault("rotary table {} is empty", index);
  if (std::ranges::any_of(f, [](double x) { return !std::isfinite(x) || x <= 0.0; })) return findings.fault("rotary table {} has frequencies that are not positive", index);
  if (!std::ranges::is_sorted(f, std::greater{})) findings.fault("the frequencies of rotary table {} do not fall", index);
  const double longest = 2.0 * std::numbers::pi / f.back();
  const std::int64_t reach = reach_of(config, index);
  // A pair of two or three alone says nothing: real heads have 8 pairs and more.
  if (f.size() >= 4 && !rope.by_length() && longest < static_cast<double>(reach))
    findings.fault("the slowest pair of rotary table {} turns once in {:.0f} positions, but the layers see {}: the base is too small", index, longest, reach);
  findings.fine("rotary table {}: {} pairs, wavelengths {:.2f} to {:.0f} positions, {} seen", index, f.size(), 2.0 * std::numbers::pi / f.front(), longest, reach);
}

void try_alternatives(CheckSubject& subject, Findings& findings) {
  struct Alternative {
    std::string name;
    std::function<void(RopeTable&)> change;
  };
  std::vector<Alternative> alternatives;
  for (const double factor : {1.0 / 64, 1.0 / 8, 1.0 / 2, 2.0, 8.0, 64.0})
    alternatives.push_back({format("a base {} times as large", factor), [=](RopeTable& table) { rebase(table, factor); }});
  alternatives.push_back({"the other order of pairs", [](RopeTable& table) {
                            table.layout = table.layout == RopeLayout::half ? RopeLayout::interleaved : RopeLayout::half;
                          }});
  Gain best;
  std::string what;
  for (std::size_t index = 0; index < subject.config.decoder.ropes.size(); ++index)
    for (const Alternative& alternative : alternatives) {
      const auto gain = subject.gain_of([&](ModelConfig& config) {
        RopeSpec& rope = config.decoder.ropes[index];
        rope.dynamic.reset();
        alternative.change(rope.table);
        if (rope.switch_length > 0) alternative.change(rope.beyond);
      });
      if (!gain) return findings.not_run("alternatives: {}", describe(gain.error()));
      if (!gain->convincing() || gain->mean <= best.mean) continue;
      best = *gain;
      what = format("{} in rotary table {}", alternative.name, index);
    }
  if (what.empty()) return findings.fine("no other base or order of pairs does better");
  findings.fault("with {} the text is predicted better, by {:.3f} +- {:.3f} nats per token", what, best.mean, best.standard_error);
}

void run(CheckSubject& subject, Findings& findings) {
  if (!subject.architecture) return findings.not_run("the architecture is not known: {}", subject.architecture_error);
  const DecoderSpec& decoder = subject.config.decoder;
  for (std::size_t i = 0; i < decoder.ropes.size(); ++i) test_table(subject.config, i, findings);
  if (decoder.learned_positions > 0) findings.fine("{} learned positions for a context of {}", decoder.learned_positions, subject.config.context_length);
  for (const LayerSpec& layer : decoder.layers)
    if (const AttentionSpec* attention = attention_of(layer); attention && !attention->args.alibi_slopes.empty()) {
      if (std::ranges::any_of(attention->args.alibi_slopes, [](double s) { return !(s > 0.0); })) findings.fault("a slope of ALiBi is not positive");
      findings.fine("ALiBi slopes of {} heads", attention->args.alibi_slopes.size());
      break;
    }
  if (decoder.ropes.empty()) return;
  if (const std::string why = subject.no_alternatives(); !why.empty()) return findings.not_run("{}", why);
  try_alternatives(subject, findings);
}

}  // namespace

CheckStage positional_stage() { return {"positional", "rotary frequencies: their range, and that another base does worse", run}; }

}  // namespace vauban
