/// Evidence: what the observed artifacts of two models show, as numbers with their uncertainty. A pure function of the
/// stored rows: no model, no clock, no path.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "suite/observation.h"
#include "suite/suite.h"
#include "vauban/trace.h"

namespace vauban {

/// The category that stands for every category.
inline constexpr std::string_view kOverall = "overall";

struct Interval {
  double low = 0, high = 0;
};

struct Stats {
  /// exact_mcnemar, paired_t, clustered_t, clustered_sign (rates where every family moved by the same mean), wilson,
  /// clustered_wilson, none
  std::string test;
  std::optional<double> estimate, p, p_adjusted, mde;
  /// 95 %: t, clustered by family where prompts have one. Where t has no width: adjusted Wald for rates, else empty.
  std::optional<Interval> ci;
  /// For equivalence (TOST at 5 %). For rates the hull of the t and the adjusted Wald interval, as in `gate_ci`.
  std::optional<Interval> ci90;
  /// What gates look at. For rates the hull of `ci` and the adjusted Wald interval of Agresti and Min 2005 (half a pair
  /// added to each cell), because a t interval has no width when no pair is discordant, however few pairs there are. For
  /// other metrics without any difference: a bound on differences that were not seen (paired_stats.cpp).
  std::optional<Interval> gate_ci;
  std::int64_t n = 0;         ///< pairs (token metrics: tokens)
  std::int64_t clusters = 0;  ///< independent observations: families, prompts of tokens; n where nothing is clustered
};

/// changed, equivalent, within_mde or inconclusive: cli.md.
enum class Verdict { changed, equivalent, within_mde, inconclusive };
std::string_view to_string(Verdict verdict);

struct MetricDelta {
  std::string name, category, unit, family, polarity;
  std::optional<double> value_baseline, value_candidate, delta, percent_change;
  std::string quality;  ///< improved regressed unchanged neutral (audit.md sections 5 and 12)
  Stats stats;
  std::optional<double> noise_floor;
  Verdict verdict = Verdict::inconclusive;
  bool paired_metric = false;  ///< a two-model metric such as mean_kld
  std::vector<ArtifactKind> needs;
  std::vector<std::string> evidence_ids;
};

struct FlipMatrix {
  std::string category;
  std::vector<std::string> classes;
  std::vector<std::vector<std::int64_t>> counts;  ///< [baseline class][candidate class]
};

struct GateResult {
  std::string id, metric, category, bound, on, severity, description, reason;
  double limit = 0;
  std::optional<double> value;
  std::optional<Interval> ci;
  bool passed = false;
  bool decided = true;  ///< false: the evidence is missing or too thin to decide
};

/// Which kinds of artifact were present and hashed, counted in rows, on each side.
struct Presence {
  std::int64_t baseline = 0, candidate = 0;
};

struct UnpairedRow {
  std::string model_label, prompt_id, category;
  std::int64_t sample_index = 0;
};

/// Per-token scalars of one prompt, both models on identical ids. Position t predicts token t + 1.
struct TokenScores {
  std::string prompt_id, category, family, ids_sha256;
  std::int64_t sample_index = 0;
  std::vector<float> kld, nll_baseline, nll_candidate;
  std::vector<std::uint8_t> same_top;
};

struct EvidenceInput {
  const Suite* suite = nullptr;  ///< null: two bare observation files; roles then come from the rows
  std::vector<Observation> baseline, candidate;
  std::vector<TokenScores> token_scores;
  /// Artifact kinds that were emitted with a digest, by side; counts of rows.
  std::map<ArtifactKind, Presence> presence;
  std::vector<Missing> missing;
  std::map<std::string, double> noise_floors;  ///< by metric name, measured baseline against itself
  double max_unpaired_share = 0.05;
  std::map<std::string, Role> roles;           ///< category roles given on the command line
  /// Answers were drawn, not greedy: two runs of one model differ too, so without a noise floor of the metric no flip is a change.
  bool sampled = false;
  /// False: answers were computed where bits depend on batch and threads. The same holds for them.
  bool invariant_bits = true;
};

struct Evidence {
  std::string baseline_label, candidate_label;
  std::int64_t pairs = 0, planned_pairs = 0;
  std::vector<UnpairedRow> unpaired;
  bool too_many_unpaired = false;
  std::vector<MetricDelta> deltas;  ///< sorted by (name, category)
  std::vector<FlipMatrix> flips;
  std::vector<GateResult> gates;
  std::map<std::string, std::map<std::string, std::int64_t>> outcomes;  ///< side -> outcome -> rows
  std::map<ArtifactKind, Presence> presence;
  std::vector<Missing> missing;
  std::map<std::string, Role> roles;  ///< by category
  std::string family_hash;            ///< SHA-256 of the declared family of tests
  std::vector<std::string> notes;
};

/// Nothing in common is not an error but a result: `pairs == 0`. Errors: invalid_input for values that are not finite,
/// for two rows of one side with the same prompt and sample, and for pairs of different prompts or categories.
Result<Evidence> gather_evidence(const EvidenceInput& input);

}  // namespace vauban
