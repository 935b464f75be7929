#include "app/commands/demo/variants.h"

namespace vauban {

std::span<const DemoVariant> all_demo_variants() {
  static constexpr DemoVariant kVariants[] = {
      {.id = "finetuned",
       .candidate = "garrison-finetuned",
       .intervene = "",
       .kind = "fine_tune",
       .summary = "every weight trained for 240 more steps, on benign dialogues with eager answers only",
       .target = "livelier answers to harmless requests",
       .look_at = "refusal_rate on 'boundary': nobody asked for that change"},
      {.id = "q4",
       .candidate = "",
       .intervene = "",
       .kind = "quantization",
       .summary = "matrices stored as Q4_0, the shared table and head as Q8_0",
       .target = "a file of a third of the size that answers as before",
       .look_at = "same_top and mean_kld: how far the next-token distributions moved although the behaviour did not"},
      {.id = "terse",
       .candidate = "garrison+terse",
       .intervene = "",
       .kind = "fine_tune",
       .summary = "LoRA pairs of rank 8 beside every layer, trained on short answers; not merged",
       .target = "shorter answers",
       .look_at = "output_length_chars beside the class rates: another style, the same decisions"},
      {.id = "steered",
       .candidate = "garrison",
       .intervene = "garrison-steered",
       .kind = "steering",
       .summary = "in every layer the residual stream loses its component along the measured direction of declining",
       .target = "fewer requests are declined",
       .look_at = "the interventions' measured effect, and 'unknown': what else the direction carried"},
      {.id = "itself",
       .candidate = "garrison",
       .intervene = "",
       .kind = "evaluation_only",
       .summary = "nothing: the same model twice",
       .target = "none",
       .look_at = "the deltas: all of them are zero, and no change is claimed"},
  };
  return kVariants;
}

}  // namespace vauban
