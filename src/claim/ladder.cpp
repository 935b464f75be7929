#include "claim/ladder.h"

#include <algorithm>
#include <array>

#include "base/result.h"

namespace vauban {
namespace {

using K = ArtifactKind;

// strength, access, needs, lifted_from_below_by, can say, cannot say
const std::array kLadder{
    Rung{Strength::behavioral_profile, "single_snapshot", {}, "",
         {"how this one snapshot behaved on the named suite", "aggregate metrics of it, and examples whose text is safe to show"},
         {"that anything changed", "why it behaves so", "that it is safe to deploy"}},
    Rung{Strength::black_box_behavioral_diff, "paired_outputs", {K::text},
         "texts of both models for the same prompts",
         {"differences, regressions and improvements of the outputs on this suite",
          "drift of a prompt, an endpoint or a checkpoint, where it shows in outputs"},
         {"what happens inside the model, or which weights cause it", "which training data did it", "anything outside the suite",
          "readiness to ship, beyond the gates that were declared"}},
    Rung{Strength::distributional_diff, "logprobs", {K::logits},
         "logits of both models on identical token ids (one tokenizer, both models at hand)",
         {"everything of a black-box difference on this suite", "shifts of token probabilities, confidence and uncertainty on identical ids"},
         {"causes in activations or weights", "which training data did it", "safety beyond the suite"}},
    Rung{Strength::weight_diff, "weights", {K::weight_snapshot},
         "a computed difference of the weights of both models",
         {"everything of a black-box difference on this suite", "which parameters differ, and by how much"},
         {"what activations do", "a causal mechanism without an intervention", "which training data did it"}},
    Rung{Strength::activation_diagnostic, "activations", {K::activation},
         "a computed difference of activations of both models on identical ids",
         {"everything of a black-box difference on this suite", "correlates seen in the layers and directions that were measured"},
         {"weight causes, unless weights were read", "safety from correlates", "which training data did it"}},
    Rung{Strength::model_change_audit, "base_and_modified", {K::text, K::logits, K::weight_snapshot, K::activation},
         "behaviour, and computed differences of logits, weights and activations, of both models",
         {"a model-change audit, limited to this suite and these artifacts"},
         {"which training data did it, without data or optimiser records", "global guarantees",
          "mechanisms stronger than the interventions that were run"}},
};

struct StrengthName {
  Strength strength;
  std::string_view name;
};
constexpr std::array kNames{
    StrengthName{Strength::behavioral_profile, "behavioral_profile"},
    StrengthName{Strength::black_box_behavioral_diff, "black_box_behavioral_diff"},
    StrengthName{Strength::distributional_diff, "distributional_diff"},
    StrengthName{Strength::weight_diff, "weight_diff"},
    StrengthName{Strength::activation_diagnostic, "activation_diagnostic"},
    StrengthName{Strength::model_change_audit, "model_change_audit"},
};

}  // namespace

std::span<const Rung> ladder() { return kLadder; }
const Rung& rung(Strength strength) { return kLadder[static_cast<std::size_t>(strength)]; }

std::string_view to_string(Strength strength) { return kNames[static_cast<std::size_t>(strength)].name; }

Result<Strength> strength_from(std::string_view name) {
  for (const StrengthName& entry : kNames)
    if (entry.name == name) return entry.strength;
  return with_hint(invalid_input("unknown claim strength '{}'", name), "see `vauban man claims`");
}

}  // namespace vauban
