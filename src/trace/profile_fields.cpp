#include "trace/profile_fields.h"

#include <algorithm>
#include <array>

#include "base/strings.h"

namespace vauban {
namespace {

constexpr std::string_view kAll = "all";
constexpr std::string_view kPasses = "prefill decode";
constexpr std::string_view kSteps = "batch prefill decode";

constexpr ProfileField kFields[] = {
    {"name", "", false, kAll, "the stage's"},
    {"duration_s", "s", false, kAll,
     "wall clock, volatile. Stages do not overlap; a step that requests share is divided by rows"},
    {"device", "", false, kAll, "{`kind`, `label`}: where it ran; null for `render`"},
    {"memory_bytes", "bytes", false, "load prefill decode",
     "high-water mark of the backend's allocator during the stage; of `load`: the weights, where they are more. "
     "Volatile"},
    {"batch_size", "count", false, kSteps, "sequences in one step, at most"},
    {"token_count", "count", false, "tokenize prefill decode score", "tokens processed"},
    {"input_bytes", "bytes", false, "tokenize prefill decode observe", "read"},
    {"output_bytes", "bytes", false, "tokenize prefill decode observe render", "written"},
    {"queue_depth", "count", false, kSteps, "requests that waited for admission, at most"},
    {"host_device_copies", "count", false, kAll,
     "copies between host and device, counted for each request of a shared step; what was observed counts in its pass"},
    {"sync_points", "count", false, kAll, "times that the host waited for the device, counted likewise"},
    {"device_s", "s", true, kPasses,
     "time on the device: it is synchronised around every step. Null, with a note, where the host computes. Volatile"},
    {"host_peak_bytes", "bytes", true, kPasses,
     "peak resident memory of the process during the steps: the kernel's mark is reset before each. Volatile"},
    {"step_duration_s", "s", true, "batch prefill observe intervene decode score",
     "one sample of the stage's duration for each step of the engine"},
    {"kernel_path", "", false, kPasses, "which code ran: `cpu/avx512 f32`; with `primitive/scalar`, `primitive/simd` or `primitive/simd-experimental` where activations were edited"},
    {"notes", "", false, kAll, "sentences"},
    {"metadata", "", false, kAll, "object; empty in files of ours"},
};

/// The vocabulary of trace-contract 4, in order of execution.
constexpr std::array<std::string_view, 11> kStages{"load",      "tokenize", "batch", "prefill", "forward", "observe",
                                                   "intervene", "decode",   "score", "emit",    "render"};

std::string known_stages() { return format("all, or some of {}", join(profile_stages(), ", ")); }

std::string_view when(const ProfileField& field) { return field.costs ? "costs" : "always"; }

}  // namespace

bool ProfileField::of(std::string_view stage) const {
  if (stages == kAll) return true;
  const std::vector<std::string_view> words = split(stages, ' ');
  return std::find(words.begin(), words.end(), stage) != words.end();
}

std::span<const ProfileField> profile_fields() { return kFields; }

std::vector<std::string> profile_stages() {
  std::vector<std::string> stages;
  for (const std::string_view stage : kStages)
    if (std::ranges::any_of(kFields, [&](const ProfileField& field) { return field.costs && field.of(stage); }))
      stages.emplace_back(stage);
  return stages;
}

Result<void> check_profile_stages(std::span<const std::string> stages) {
  const std::vector<std::string> known = profile_stages();
  for (std::size_t i = 0; i < stages.size(); ++i) {
    if (std::ranges::find(known, stages[i]) == known.end()) {
      const std::string near = did_you_mean(stages[i], known);
      return with_hint(
          invalid_input("expected {}, found '{}'", known_stages(), printable(stages[i], 60)),
          near.empty() ? "`vauban man profile` says what each stage records" : format("did you mean '{}'?", near));
    }
    if (std::find(stages.begin(), stages.begin() + static_cast<std::ptrdiff_t>(i), stages[i]) !=
        stages.begin() + static_cast<std::ptrdiff_t>(i))
      return invalid_input("expected no stage twice, found '{}'", stages[i]);
  }
  return ok();
}

Result<std::vector<std::string>> parse_profile_stages(std::string_view text) {
  if (trim(text).empty()) return std::vector<std::string>();
  if (trim(text) == kAll) return profile_stages();
  std::vector<std::string> asked;
  for (const std::string_view item : split(text, ',')) asked.emplace_back(trim(item));
  VB_CHECK(check_profile_stages(asked));
  std::vector<std::string> sorted;
  for (const std::string& stage : profile_stages())
    if (std::ranges::find(asked, stage) != asked.end()) sorted.push_back(stage);
  return sorted;
}

std::string profile_fields_markdown() {
  std::string text = "| key of `profile` | unit | recorded | stages | |\n|---|---|---|---|---|\n";
  for (const ProfileField& field : kFields)
    text += format("| `{}` | {} | {} | {} | {} |\n", field.name, field.unit, when(field), field.stages, field.summary);
  return text;
}

std::string profile_fields_text() {
  std::string text;
  for (const ProfileField& field : kFields)
    text += format("{} ({}{}{}): {}; {}\n", field.name, field.unit, field.unit.empty() ? "" : ", ", when(field),
                   field.stages == kAll ? "every stage" : field.stages, field.summary);
  return text;
}

}  // namespace vauban
