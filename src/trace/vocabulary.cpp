#include "trace/vocabulary.h"

#include <array>
#include <vector>

#include "base/strings.h"

namespace vauban {
namespace {

template <class E>
struct Word {
  E value;
  std::string_view name;
};

constexpr std::array<Word<ArtifactKind>, kArtifactKindCount> kKinds{{
    {ArtifactKind::text, "text"},
    {ArtifactKind::tokens, "tokens"},
    {ArtifactKind::logits, "logits"},
    {ArtifactKind::logprobs, "logprobs"},
    {ArtifactKind::activation, "activation"},
    {ArtifactKind::intervention_result, "intervention_result"},
    {ArtifactKind::weight_snapshot, "weight_snapshot"},
    {ArtifactKind::metric, "metric"},
    {ArtifactKind::report_evidence, "report_evidence"},
    {ArtifactKind::profile, "profile"},
    {ArtifactKind::other, "other"},
}};

constexpr std::array<Word<SupportLevel>, 3> kLevels{{
    {SupportLevel::unsupported, "unsupported"},
    {SupportLevel::partial, "partial"},
    {SupportLevel::full, "full"},
}};

constexpr std::array<Word<Numerics>, 3> kNumerics{{
    {Numerics::exact, "exact"},
    {Numerics::native, "native"},
    {Numerics::fast, "fast"},
}};

constexpr std::array<Word<Form>, 3> kForms{{
    {Form::summary, "summary"},
    {Form::payload, "payload"},
    {Form::top_k, "top_k"},
}};

constexpr std::array<Word<Moment>, 2> kMoments{{
    {Moment::before, "before"},
    {Moment::after, "after"},
}};

constexpr std::array<Word<PrimitiveMode>, 9> kModes{{
    {PrimitiveMode::project, "project"},
    {PrimitiveMode::subtract, "subtract"},
    {PrimitiveMode::add, "add"},
    {PrimitiveMode::subspace_project, "subspace_project"},
    {PrimitiveMode::subspace_remove, "subspace_remove"},
    {PrimitiveMode::subspace_add, "subspace_add"},
    {PrimitiveMode::clamp, "clamp"},
    {PrimitiveMode::conditional, "conditional"},
    {PrimitiveMode::offset, "offset"},
}};

template <class E>
std::string_view name_of(std::span<const Word<E>> words, E value) {
  for (const Word<E>& word : words)
    if (word.value == value) return word.name;
  return "?";
}

template <class E>
Result<E> word_from(std::span<const Word<E>> words, std::string_view name, std::string_view what) {
  std::vector<std::string> names;
  for (const Word<E>& word : words) {
    if (word.name == name) return word.value;
    names.emplace_back(word.name);
  }
  const std::string nearest = did_you_mean(name, names);
  return with_hint(invalid_input("expected {} ({}), found '{}'", what, join(names, ", "), printable(name, 60)),
                   nearest.empty() ? "" : format("did you mean '{}'?", nearest));
}

}  // namespace

std::span<const ArtifactKind> all_artifact_kinds() {
  static constexpr auto kValues = [] {
    std::array<ArtifactKind, kArtifactKindCount> values{};
    for (std::size_t i = 0; i < kKinds.size(); ++i) values[i] = kKinds[i].value;
    return values;
  }();
  return kValues;
}

std::string_view to_string(ArtifactKind kind) { return name_of<ArtifactKind>(kKinds, kind); }
Result<ArtifactKind> artifact_kind_from(std::string_view name) {
  return word_from<ArtifactKind>(kKinds, name, "an artifact kind");
}

std::string_view to_string(SupportLevel level) { return name_of<SupportLevel>(kLevels, level); }
Result<SupportLevel> support_level_from(std::string_view name) {
  return word_from<SupportLevel>(kLevels, name, "a support level");
}

std::string_view to_string(Numerics numerics) { return name_of<Numerics>(kNumerics, numerics); }
Result<Numerics> numerics_from(std::string_view name) {
  return word_from<Numerics>(kNumerics, name, "a numerics mode");
}

std::string_view to_string(Form form) { return name_of<Form>(kForms, form); }
Result<Form> form_from(std::string_view name) { return word_from<Form>(kForms, name, "a form"); }

std::string_view to_string(Moment moment) { return name_of<Moment>(kMoments, moment); }
Result<Moment> moment_from(std::string_view name) { return word_from<Moment>(kMoments, name, "a moment"); }

std::string_view mode_word(PrimitiveMode mode) { return name_of<PrimitiveMode>(kModes, mode); }
Result<PrimitiveMode> mode_from_word(std::string_view name) {
  return word_from<PrimitiveMode>(kModes, name, "a mode of the activation primitive");
}

ArtifactKind artifact_kind_of(Site site) {
  switch (site) {
    case Site::tokens:
    case Site::sampled_id:
      return ArtifactKind::tokens;
    case Site::logits:
      return ArtifactKind::logits;
    case Site::logprobs:
      return ArtifactKind::logprobs;
    case Site::kv_pages:
      return ArtifactKind::other;
    default:
      return ArtifactKind::activation;
  }
}

}  // namespace vauban
