#include "trace/recorder.h"

#include <map>

#include "trace/capability.h"
#include "trace/recorder_slot.h"
#include "trace/vocabulary.h"
#include "trace/wants.h"

namespace vauban {
namespace {

bool is_recorded(const Want& want) {
  const bool by_kind =
      want.kind == ArtifactKind::activation || want.kind == ArtifactKind::logits || want.kind == ArtifactKind::logprobs;
  return by_kind && site_of(want);
}

/// `activation.q.layer_3`, `activation.final_norm_out`, `logits`; taken before the intervention: with `.before`.
std::string base_id(const Want& want, std::optional<int> layer) {
  std::string id(to_string(want.site));
  if (want.kind == ArtifactKind::activation) id = "activation." + id;
  if (layer) id += format(".layer_{}", *layer);
  if (want.moment == Moment::before) id += ".before";
  return id;
}

}  // namespace

struct Recorder::State {
  struct Plan {  ///< one slot, or what kept it from being made; in the order of the wants
    std::unique_ptr<Slot> slot;
    Missing missing;
  };

  explicit State(std::span<const Want> asked, RecorderSetup given)
      : wants(asked.begin(), asked.end()),
        setup(std::move(given)),
        pool(setup.memory_limit_bytes, setup.spill_folder, *setup.file_ops) {}

  void plan(const Want& want, std::optional<int> layer);
  std::string unique_id(const Want& want, std::optional<int> layer);
  std::unique_ptr<Slot> make_slot(Slot::Place place);
  std::string why_empty(const Slot& slot) const;

  std::vector<Want> wants;
  RecorderSetup setup;
  SpillPool pool;
  std::vector<Plan> plans;
  std::map<std::size_t, std::vector<Slot*>> slots;  ///< by index_of
  std::map<std::string, int> ids;                   ///< how often each base id was given out
  std::map<std::pair<Site, int>, std::string> reasons;
  std::optional<Error> fault;
};

/// Two forms of one observation (a payload and a top-k, say) are two artifacts: the second is called ".2".
std::string Recorder::State::unique_id(const Want& want, std::optional<int> layer) {
  const std::string id = base_id(want, layer);
  const int uses = ++ids[id];
  return uses == 1 ? id : format("{}.{}", id, uses);
}

std::unique_ptr<Recorder::Slot> Recorder::State::make_slot(Slot::Place place) {
  if (is_attention_map(place.want->site)) return make_attention_slot(std::move(place), setup, pool);
  return make_row_slot(std::move(place), setup, pool);
}

void Recorder::State::plan(const Want& want, std::optional<int> layer) {
  Support support{SupportLevel::full, ""};
  if (setup.capability) support = support_for(*setup.capability, want.kind, want.site);
  Plan& plan = plans.emplace_back();
  plan.missing = {.kind = want.kind, .site = want.site, .layer = layer, .reason = "", .unsupported = false};
  if (support.level == SupportLevel::unsupported) {
    plan.missing.unsupported = true;
    plan.missing.reason = support.reason;
  } else if (layer && *layer >= setup.layers) {
    plan.missing.reason = format("the model has {} layers, counted from 0", setup.layers);
  } else {
    plan.slot = make_slot({&want, layer, unique_id(want, layer), std::move(support)});
    slots[index_of(want.site, layer.value_or(0), want.moment)].push_back(plan.slot.get());
  }
}

std::string Recorder::State::why_empty(const Slot& slot) const {
  const auto& place = slot.place();
  const auto given = reasons.find({place.want->site, place.layer.value_or(0)});
  if (given != reasons.end()) return given->second;
  if (slot.last_seen() < 0) return "the forward pass never reached this site";
  return format("no computed position is among '{}': the last one was {}", place.want->positions.to_string(),
                slot.last_seen());
}

Recorder::Recorder(std::unique_ptr<State> state, std::vector<bool> wanted)
    : wanted_(std::move(wanted)), state_(std::move(state)) {}
Recorder::~Recorder() = default;
Recorder::Recorder(Recorder&&) noexcept = default;
Recorder& Recorder::operator=(Recorder&&) noexcept = default;

Result<Recorder> Recorder::make(std::span<const Want> wants, RecorderSetup setup) {
  VB_CHECK(validate_wants(wants));
  auto state = std::make_unique<State>(wants, std::move(setup));
  for (const Want& want : state->wants) {
    if (!is_recorded(want)) continue;
    for (const std::optional<int> layer : layers_of(want, state->setup.layers)) state->plan(want, layer);
  }
  std::vector<bool> wanted;
  if (!state->slots.empty()) wanted.resize(state->slots.rbegin()->first + 1);
  for (const auto& [index, slots] : state->slots) wanted[index] = true;
  return Recorder(std::move(state), std::move(wanted));
}

template <class Block>
void Recorder::feed(Site site, int layer, Moment moment, const Block& block) {
  if (!wants(site, layer, moment) || state_->fault) return;
  for (Slot* slot : state_->slots.find(index_of(site, layer, moment))->second) {
    const Result<void> added = slot->add(block);
    if (added) continue;
    state_->fault = with_context(added.error(), format("while recording '{}'", slot->place().artifact_id));
    return;
  }
}

void Recorder::record(Site site, int layer, Moment moment, const RowBlock& block) { feed(site, layer, moment, block); }
void Recorder::record(Site site, int layer, Moment moment, const AttentionBlock& block) {
  feed(site, layer, moment, block);
}

void Recorder::cannot_see(Site site, int layer, std::string reason) {
  state_->reasons.insert_or_assign({site, layer}, std::move(reason));
}

Result<Recording> Recorder::finish(PayloadSink* sink) {
  if (state_->fault) return *state_->fault;
  Recording recording;
  for (State::Plan& plan : state_->plans) {
    if (plan.slot) {
      VB_TRY(std::optional<TraceArtifact> artifact, plan.slot->finish(sink));
      if (artifact) {
        recording.artifacts.push_back(*std::move(artifact));
        continue;
      }
      plan.missing.reason = state_->why_empty(*plan.slot);
    }
    recording.missing.push_back(std::move(plan.missing));
  }
  return recording;
}

}  // namespace vauban
