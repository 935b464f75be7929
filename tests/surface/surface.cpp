#include "surface/surface.h"

#include <algorithm>
#include <array>

#include "surface/rows/rows.h"

namespace vauban::test {
namespace {

Support unsupported_kind(const Declaration& d, std::string_view kind) {
  std::string kinds;
  for (const std::string& known : d.device_kinds) kinds += (kinds.empty() ? "" : ", ") + known;
  return {SupportLevel::unsupported, format("backend '{}' runs on {}, not on {}", d.backend, kinds, kind)};
}

/// What the profile of a device needs: memory and synchronisations, as declared for that kind of device.
Support device_profile(const Declaration& d, const std::string& kind) {
  const auto there = d.on_kind.find(kind);
  if (there == d.on_kind.end()) return unsupported_kind(d, kind);
  return weaker(there->second.profile_device_memory, there->second.profile_sync_points);
}

Support load_model(const Declaration& d) { return d.forward; }
Support tokenize(const Declaration& d) { return d.capability.tokens; }
Support forward(const Declaration& d) { return weaker(d.forward, d.capability.logits); }
Support runtime_trace(const Declaration& d) {
  return weaker(weaker(d.capability.tokens, d.capability.text), weaker(d.capability.logits, d.capability.activations));
}
Support generation(const Declaration& d) { return weaker(d.capability.text, d.capability.kv_cache); }
Support logits(const Declaration& d) { return d.capability.logits; }
Support logprobs(const Declaration& d) { return d.capability.logprobs; }
Support activations(const Declaration& d) { return weaker(d.capability.activations, d.sites); }
Support interventions(const Declaration& d) { return d.capability.interventions; }
Support kv_cache(const Declaration& d) { return d.capability.kv_cache; }
Support weight_access(const Declaration& d) { return d.capability.weight_access; }
Support mutable_weights(const Declaration& d) { return d.capability.mutable_weights; }
Support safetensors_io(const Declaration& d) { return weaker(d.capability.weight_access, d.forward); }
Support peft_lora_export(const Declaration& d) { return weaker(d.backward, d.forward); }
Support device_profile_cuda(const Declaration& d) { return device_profile(d, "cuda"); }
Support device_profile_mps(const Declaration& d) { return device_profile(d, "mps"); }
/// Durations, tokens and synchronisations; where memory is not whole, the rows of the devices say so.
Support profile_sweep(const Declaration& d) { return weaker(d.capability.profile_sync_points, d.capability.tokens); }

constexpr std::string_view kFaults = "faults", kToReference = "max abs difference to the reference backend";

const std::array kRows{
    SurfaceRow{.id = "load_model",
               .evidence = "a model in a runtime, with its Capability and digest",
               .declared = load_model,
               .checks = {{"load_model.capabilities", "loaded_model", kFaults, 0, "", loads_with_capabilities}},
               .tests = {"ModelLoad.KnowsWhoItIs", "ModelLoad.EveryArchitectureHasItsEntryComplete",
                         "CapabilityOf.AModelIsRefusedOnABackendThatLacksWhatItNeeds"}},
    SurfaceRow{.id = "tokenize",
               .evidence = "token ids with offsets; the artifact `tokens`",
               .declared = tokenize,
               .checks = {{"tokenize.offsets", "tokens", kFaults, 0, "", tokens_cover_the_text}},
               .tests = {"TrainedJson.GivesTheIdsOffsetsAndTextsOfTheReference",
                         "RuntimeGeneration.WithoutATokenizerThereAreIdsAndTheTextIsMissing"}},
    SurfaceRow{
        .id = "forward",
        .evidence = "logits of a pass, against the reference backend",
        .declared = forward,
        .checks = {{"forward.reference", "logits", kToReference, 1e-4, "", logits_near_the_reference}},
        .tests = {"Forward.Stories260KMatchesRuncOnAllPrompts",
                  "TinyModels.LogitsResidualsAndGreedyIdsMatchTransformers", "BackendsAgree.LogitsAreWithinTheBound"}},
    SurfaceRow{
        .id = "runtime_trace",
        .evidence = "a Trace: spans with their cost and artifacts, read back and replayed as it was",
        .declared = runtime_trace,
        .checks = {{"runtime_trace.replay", "trace", kFaults, 0, "", trace_is_read_back_and_replayed}},
        .tests = {"RuntimeContract.SpansCarryTheirOwnCost", "RuntimeContract.AReplayAnswersWithTheIdenticalTrace",
                  "Trace.RefusesEachViolationOfTheGraph", "BackendsAgree.TracesHaveOneStructure"}},
    SurfaceRow{.id = "generation",
               .evidence = "generated text observations; the artifact `text`",
               .declared = generation,
               .checks = {{"generation.text", "text", kFaults, 0, "", streamed_text_is_the_traced_text}},
               .tests = {"RuntimeGolden.Stories260KWritesTheAuthorsTextByteForByte",
                         "RuntimeGeneration.SeedsAndSamplesDecideTheDraws",
                         "RuntimeGeneration.AStopStringIsCutOutWhereverTokensMeet"}},
    SurfaceRow{.id = "logits",
               .evidence = "the artifact `logits`: whole rows of the vocabulary, with their digest",
               .declared = logits,
               .checks = {{"logits.rows", "logits", kFaults, 0, "", logits_are_whole_rows}},
               .tests = {"RuntimeContract.ScoreRowsAreTheLogitsOfTheTraceInEveryChunking",
                         "RuntimeContract.EveryKindDeclaredFullIsEmitted"}},
    SurfaceRow{.id = "logprobs",
               .evidence = "the artifact `logprobs`: the log-softmax of the logits",
               .declared = logprobs,
               .checks = {{"logprobs.log_softmax", "logprobs", "max abs difference to the log-softmax of the logits",
                           1e-6, "", logprobs_are_the_log_softmax}},
               .tests = {"RuntimeContract.LogprobsAreTheLogSoftmaxOfTheLogits"}},
    SurfaceRow{.id = "activations",
               .evidence = "an `activation` artifact at every site and layer; projections as `metric` artifacts",
               .declared = activations,
               .checks = {{"activations.sites", "activation", kToReference, 1e-4, "", every_site_near_the_reference},
                          {"activations.projection", "metric", "max abs difference to the activations' own projections",
                           1e-5, "", projections_are_those_of_the_activations}},
               .tests = {"RuntimeContract.EverySiteIsEmittedOrMissingWithAReason",
                         "RuntimeContract.ObservationNeverChangesAnything",
                         "RuntimeProjection.TheCoefficientsAreThoseOfTheRecordedActivations"}},
    SurfaceRow{
        .id = "interventions",
        .evidence = "`intervention_result` records with primitive metadata and measured effect; no-ops said",
        .declared = interventions,
        .checks = {{"interventions.removal", "intervention_result", "max abs projection that is left", 1e-4, "",
                    removal_leaves_no_projection},
                   {"interventions.no_op", "intervention_result", kFaults, 0, "", no_effect_is_recorded_as_none}},
        .tests = {"RuntimeIntervention.BeforeAndAfterAreBothSeenAndTheComponentIsGone",
                  "RuntimeIntervention.AlphaZeroGivesTheSameBitsAndIsANoOp",
                  "InterventionEffect.RecordsEveryFieldOfTheContract",
                  "PrimitiveContract.MatchesTheFormulaOnRandomRows"}},
    SurfaceRow{
        .id = "kv_cache",
        .evidence = "single steps equal one pass; a fork copies the page that it writes; the artifact `kv_pages`",
        .declared = kv_cache,
        .checks = {{"kv_cache.steps", "kv_pages", "max abs difference of logits", 1e-4, "", steps_equal_one_pass},
                   {"kv_cache.fork", "copied_page", "max abs difference of logits", 1e-4, "",
                    fork_leaves_the_other_alone}},
        .tests = {"Invariants.PrefillEqualsSingleStepsInEveryBitThatIsPromised",
                  "Invariants.AForkContinuesLikeTheWholeTextAndLeavesItsParentAlone",
                  "OpContract.CopyPageCopiesEveryLayer"}},
    SurfaceRow{.id = "weight_access",
               .evidence = "`weight_snapshot` artifacts with the digests of the file's own values",
               .declared = weight_access,
               .checks = {{"weight_access.digests", "weight_snapshot", kFaults, 0, "",
                           snapshots_have_the_digests_of_the_file}},
               .tests = {"RuntimeWeights.EveryTensorOfAnF32FileIsShownWithTheDigestOfItsBytes",
                         "RuntimeWeightsOfAll.BackendsAgreeOnDigestsAndRecords"}},
    SurfaceRow{.id = "mutable_weights",
               .evidence = "records of edits with digests before and after, listed in traces, undone",
               .declared = mutable_weights,
               .checks = {{"mutable_weights.undo", "weight_edits", kFaults, 0, "", edit_is_recorded_and_undone}},
               .tests = {"RuntimeWeights.EveryOpIsAppliedMeasuredAndTakenBackBitForBit",
                         "RuntimeWeights.AnEditedModelIsTheModelOfAFileWithTheEditedTensor"}},
    SurfaceRow{.id = "safetensors_io",
               .evidence = "the weights that the backend holds, written as a model folder and loaded again",
               .declared = safetensors_io,
               .checks = {{"safetensors_io.round_trip", "safetensors", "max abs difference of logits", 1e-5, "",
                           held_weights_survive_a_file}},
               .tests = {"HfWriter.WritesAFolderThatOpensAsAModel", "Forward.SafetensorsAndGgufGiveTheSameBits"}},
    SurfaceRow{.id = "peft_lora_export",
               .evidence = "an adapter trained on the backend, written as PEFT files and attached again",
               .declared = peft_lora_export,
               .checks = {{"peft_lora_export.round_trip", "peft_adapter", "max abs difference of log-probabilities",
                           1e-4, "", trained_adapter_survives_a_file}},
               .tests = {"Adapters.GiveTheLogitsOfPeft", "AdapterFiles.WrittenBackHoldTheSameTensorsAndMeanTheSame",
                         "Trainer.ATrainedAdapterOpensAndEqualsItsMerge"}},
    SurfaceRow{.id = "device_profile_cuda",
               .evidence = "StageProfile with the device's synchronisations, copies and memory",
               .declared = device_profile_cuda,
               .checks = {{"device_profile_cuda.source_contract", "profile", kFaults, 0, "cpu",
                           cuda_counters_reach_the_profile},
                          {"device_profile_cuda.device", "profile", kFaults, 0, "cuda", device_profile_is_filled}},
               .tests = {"StageProfileTest.CopiesSyncsAndMemoryOfEachStageAreItsOwn",
                         "StageProfileTest.OnlyTheStagesAskedForPayForTheirProfiles"}},
    SurfaceRow{
        .id = "device_profile_mps",
        .evidence = "StageProfile with the device's synchronisations, copies and memory",
        .declared = device_profile_mps,
        .checks = {{"device_profile_mps.source_contract", "profile", kFaults, 0, "cpu", mps_counters_reach_the_profile},
                   {"device_profile_mps.device", "profile", kFaults, 0, "mps", device_profile_is_filled}},
        .tests = {"StageProfileTest.CopiesSyncsAndMemoryOfEachStageAreItsOwn",
                  "StageProfileTest.OnlyTheStagesAskedForPayForTheirProfiles"}},
    SurfaceRow{
        .id = "profile_sweep",
        .evidence = "a TraceProfileSweep over traces with the same artifacts, five samples a point",
        .declared = profile_sweep,
        .checks = {{"profile_sweep.points", "profile_sweep", kFaults, 0, "", sweep_has_its_points}},
        .tests = {"Sweep.SummarisesEveryPointAfterItsWarmUp", "Sweep.OtherArtifactsInOneTraceRefuseTheSweepByName",
                  "ProfileAxes.TheAxisVariesInTheRecordedTraces"}},
};

CheckResult result_of(const SurfaceRow& row, const SurfaceCheck& check, SurfaceBench& bench) {
  CheckResult out{.id = std::string(check.id), .row = std::string(row.id), .bound = check.bound};
  out.level = to_string(row.declared(bench.declaration()).level);
  const Result<Measured> found = check.run(bench);
  if (!found) {
    out.note = describe(found.error());
    return out;
  }
  if (found->emitted) out.evidence = check.evidence;
  out.measured = std::min(found->value, 1e300);  // JSON has no infinity
  out.passed = found->emitted && found->value <= check.bound;
  out.note = found->note;
  return out;
}

/// What is wrong with one check of a row of this level.
std::string fault_of(SupportLevel level, const SurfaceCheck& check, const CheckResult* result) {
  if (level == SupportLevel::unsupported) {
    if (result && !result->evidence.empty())
      return format("is declared unsupported, and '{}' emitted {}", check.id, result->evidence);
    return "";
  }
  if (!result) return format("is declared {}, and '{}' did not run", to_string(level), check.id);
  if (result->evidence.empty())
    return format("is declared {}, and '{}' emitted no {}: {}", to_string(level), check.id, check.evidence,
                  result->note);
  if (!result->passed)
    return format("is declared {}, and '{}' measured {} against {}: {}", to_string(level), check.id, result->measured,
                  check.bound, result->note);
  return "";
}

}  // namespace

std::span<const SurfaceRow> surface_rows() { return kRows; }

std::vector<CheckResult> run_surface(SurfaceBench& bench) {
  std::vector<CheckResult> out;
  for (const SurfaceRow& row : surface_rows())
    for (const SurfaceCheck& check : row.checks)
      if (check.runs_on(bench.declaration().device.kind)) out.push_back(result_of(row, check, bench));
  return out;
}

std::vector<std::string> contradictions(const Declaration& declaration, std::span<const CheckResult> results) {
  return contradictions(declaration, results, {});
}

std::vector<std::string> contradictions(const Declaration& declaration, std::span<const CheckResult> results,
                                        const std::map<std::string, Support>& instead) {
  std::vector<std::string> out;
  for (const SurfaceRow& row : surface_rows()) {
    const auto other = instead.find(std::string(row.id));
    const Support support = other == instead.end() ? row.declared(declaration) : other->second;
    const auto complain = [&](const std::string& fault) {
      if (!fault.empty()) out.push_back(format("{}: {} {}", declaration.backend, row.id, fault));
    };
    if (support.level != SupportLevel::full && support.reason.empty()) complain("is not full, without a reason");
    for (const SurfaceCheck& check : row.checks) {
      if (!check.runs_on(declaration.device.kind)) continue;
      const auto found = std::ranges::find(results, check.id, &CheckResult::id);
      complain(fault_of(support.level, check, found == results.end() ? nullptr : &*found));
    }
  }
  return out;
}

}  // namespace vauban::test
