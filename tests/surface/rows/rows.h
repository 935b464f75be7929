/// The checks of the surface, by what they are about; surface.cpp puts them into rows.
#pragma once

#include "surface/surface.h"

namespace vauban::test {

// model.cpp: loading, text, and what comes out at the end
Result<Measured> loads_with_capabilities(SurfaceBench& bench);
Result<Measured> tokens_cover_the_text(SurfaceBench& bench);
Result<Measured> logits_near_the_reference(SurfaceBench& bench);
Result<Measured> trace_is_read_back_and_replayed(SurfaceBench& bench);
Result<Measured> streamed_text_is_the_traced_text(SurfaceBench& bench);
Result<Measured> logits_are_whole_rows(SurfaceBench& bench);
Result<Measured> logprobs_are_the_log_softmax(SurfaceBench& bench);

// inside.cpp: what happens between the layers, and what is kept of it
Result<Measured> every_site_near_the_reference(SurfaceBench& bench);
Result<Measured> projections_are_those_of_the_activations(SurfaceBench& bench);
Result<Measured> removal_leaves_no_projection(SurfaceBench& bench);
Result<Measured> no_effect_is_recorded_as_none(SurfaceBench& bench);
Result<Measured> steps_equal_one_pass(SurfaceBench& bench);
Result<Measured> fork_leaves_the_other_alone(SurfaceBench& bench);

// weights.cpp: what the backend holds, and files
Result<Measured> snapshots_have_the_digests_of_the_file(SurfaceBench& bench);
Result<Measured> edit_is_recorded_and_undone(SurfaceBench& bench);
Result<Measured> held_weights_survive_a_file(SurfaceBench& bench);
Result<Measured> trained_adapter_survives_a_file(SurfaceBench& bench);

// profile.cpp: costs
Result<Measured> cuda_counters_reach_the_profile(SurfaceBench& bench);
Result<Measured> mps_counters_reach_the_profile(SurfaceBench& bench);
Result<Measured> device_profile_is_filled(SurfaceBench& bench);
Result<Measured> sweep_has_its_points(SurfaceBench& bench);

}  // namespace vauban::test
