#include "backends/backends.h"

#include <algorithm>
#include <array>
#include <string>

#include "backends/cpu/cpu_ops.h"
#include "backends/cpu/training/training_ops.h"
#include "backends/reference/reference_ops.h"
#include "backends/torch_loader.h"
#include "base/strings.h"

namespace vauban {
namespace {

Result<std::unique_ptr<Ops>> make_reference_training(const Context& context, std::string_view device,
                                                     std::string_view numerics) {
  if (numerics != "f32")
    return with_hint(unsupported("backend 'reference' computes in f64, found training numerics '{}'", numerics),
                     "say numerics = \"f32\"");
  return make_reference_ops(context, device);
}

Result<std::unique_ptr<Ops>> make_reference(const Context& context, const BackendOptions& options) {
  return make_reference_ops(context, options.device);
}

Result<std::unique_ptr<Ops>> make_cpu(const Context& context, const BackendOptions& options) {
  if (options.primitive == "auto") return make_cpu_backend(context, options.device);
  const bool simd = options.primitive == to_string(PrimitivePath::simd);
  return make_cpu_backend(context, options.device, simd ? PrimitivePath::simd : PrimitivePath::scalar);
}

Result<std::unique_ptr<Ops>> make_cpu_training(const Context& context, std::string_view device,
                                               std::string_view numerics) {
  VB_CHECK(check_cpu_device(device));
  VB_TRY(const TrainingNumerics parsed, training_numerics_from(numerics));
  return make_cpu_training_ops(context, parsed);
}

Result<std::unique_ptr<Ops>> make_cpu_rehearsal(const Context& context, std::string_view numerics) {
  VB_TRY(const TrainingNumerics parsed, training_numerics_from(numerics));
  return make_cpu_training_rehearsal(context, parsed);
}

Result<std::unique_ptr<Ops>> make_torch(const Context& context, const BackendOptions& options) {
  return make_torch_ops(context, {.device = options.device, .numerics = options.numerics});
}

Result<std::unique_ptr<Ops>> make_torch_training(const Context& context, std::string_view device,
                                                 std::string_view numerics) {
  // Optimisers, clipping and checkpoints write parameters through host pointers.
  if (!device.empty() && device != "cpu" && device != "cpu:0")
    return with_hint(unsupported("backend 'torch' trains in host memory only, found device '{}'", device),
                     "leave --device out, or say cpu; a GPU can trace and audit what was trained");
  return make_torch_ops(context, {.device = device, .numerics = numerics, .training = true});
}

Result<std::vector<std::string>> host_only() { return std::vector<std::string>{"cpu"}; }
Result<std::map<std::string, std::string>> nothing_else() { return std::map<std::string, std::string>(); }

Result<std::vector<std::string>> torch_devices() {
  VB_TRY(TorchInfo info, torch_info());
  return std::move(info.devices);
}
Result<std::map<std::string, std::string>> torch_versions() {
  VB_TRY(TorchInfo info, torch_info());
  return std::map<std::string, std::string>{{"libtorch", std::move(info.libtorch)}};
}

const std::array kBackends{
    BackendEntry{.id = "reference",
                 .summary = "plain loops in f64: the specification",
                 .devices = {"cpu"},
                 .numerics = {"exact"},
                 .primitives = {},
                 .devices_here = host_only,
                 .versions = nothing_else,
                 .make = make_reference,
                 .make_training = make_reference_training,
                 .make_rehearsal = nullptr},
    BackendEntry{.id = "cpu",
                 .summary = "f32 vector kernels on packed weights, bits independent of batch and threads",
                 .devices = {"cpu"},
                 .numerics = {"exact"},
                 .primitives = {"scalar", "simd"},
                 .devices_here = host_only,
                 .versions = nothing_else,
                 .make = make_cpu,
                 .make_training = make_cpu_training,
                 .make_rehearsal = make_cpu_rehearsal},
    BackendEntry{.id = "torch",
                 .summary = "LibTorch's kernels on any of its devices: the portable surface",
                 .devices = {"cpu", "cuda", "mps"},
                 .numerics = {"exact", "native"},
                 .primitives = {},
                 .devices_here = torch_devices,
                 .versions = torch_versions,
                 .make = make_torch,
                 .make_training = make_torch_training,
                 .make_rehearsal = nullptr},
};

}  // namespace

std::span<const BackendEntry> all_backends() { return kBackends; }

namespace {

Result<const BackendEntry*> find_backend(std::string_view id) {
  std::string known;
  for (const BackendEntry& entry : kBackends) {
    if (entry.id == id) return &entry;
    known += known.empty() ? "" : ", ";
    known += entry.id;
  }
  return with_hint(not_found("unknown backend '{}'; known: {}", id, known), "see 'vauban list backends'");
}

Result<void> check_numerics(const BackendEntry& entry, std::string_view numerics) {
  if (std::ranges::find(entry.numerics, numerics) != entry.numerics.end()) return ok();
  const std::vector<std::string> known(entry.numerics.begin(), entry.numerics.end());
  return with_hint(unsupported("backend '{}' does not compute in '{}' numerics", entry.id, numerics),
                   format("it has: {}; see `vauban man numerics`", join(known, ", ")));
}

Result<void> check_primitive(const BackendEntry& entry, std::string_view path) {
  if (path == "auto" || std::ranges::find(entry.primitives, path) != entry.primitives.end()) return ok();
  if (entry.primitives.empty())
    return with_hint(unsupported("backend '{}' has one path for the activation primitive, found '{}'", entry.id, path),
                     "leave --primitive out");
  const std::vector<std::string> known(entry.primitives.begin(), entry.primitives.end());
  return unsupported("backend '{}' has no path '{}' for the activation primitive; it has: auto, {}", entry.id, path,
                     join(known, ", "));
}

/// "cuda" is "cuda:0".
bool is_same_device(std::string_view a, std::string_view b) {
  return a == b || a == format("{}:0", b) || b == format("{}:0", a);
}

/// "cpu" or "cuda:1", of a kind that some backend has: a list passes over absent devices, and a misspelt one would be absent
/// for ever.
Result<void> check_device_name(std::string_view name) {
  const std::size_t colon = name.find(':');
  const std::string_view index = colon == std::string_view::npos ? "0" : name.substr(colon + 1);
  std::vector<std::string> known;
  for (const BackendEntry& entry : kBackends)
    for (const std::string_view kind : entry.devices)
      if (std::ranges::find(known, kind) == known.end()) known.emplace_back(kind);
  const bool is_index = !index.empty() && index.find_first_not_of("0123456789") == std::string_view::npos;
  if (is_index && std::ranges::find(known, name.substr(0, colon)) != known.end()) return ok();
  return with_hint(invalid_input("device: '{}' in the list is no device; known kinds: {}", printable(name, 40), join(known, ", ")),
                   "a kind alone or with an index, as in cuda:1");
}

/// The one name that `asked` is, or of a list the first that this machine has.
Result<std::string> choose_device(const BackendEntry& entry, std::string_view asked) {
  if (asked.find(',') == std::string_view::npos) return std::string(asked);
  std::vector<std::string> names;
  for (const std::string_view part : split(asked, ',')) names.emplace_back(trim(part));
  if (std::ranges::find(names, "") != names.end())
    return with_hint(invalid_input("device: expected names between the commas, found '{}'", printable(asked, 60)),
                     "say --device cuda,cpu to fall back from one to the other");
  for (const std::string& name : names) VB_CHECK(check_device_name(name));
  VB_TRY(const std::vector<std::string> present, entry.devices_here());
  for (const std::string& name : names)
    if (std::ranges::any_of(present, [&](const std::string& here) { return is_same_device(name, here); })) return name;
  return unsupported("backend '{}': none of the devices '{}' is there; present: {}", entry.id,
                     printable(join(names, "', '"), 80), join(present, ", "));
}

}  // namespace

Result<std::unique_ptr<Ops>> make_backend(std::string_view id, const Context& context, const BackendOptions& options) {
  VB_TRY(const BackendEntry* entry, find_backend(id));
  VB_CHECK(check_numerics(*entry, options.numerics));
  VB_CHECK(check_primitive(*entry, options.primitive));
  BackendOptions chosen = options;
  VB_TRY(chosen.device, choose_device(*entry, options.device));
  return entry->make(context, chosen);
}

Result<std::unique_ptr<Ops>> make_training_rehearsal(std::string_view id, const Context& context,
                                                     std::string_view numerics) {
  VB_TRY(const BackendEntry* entry, find_backend(id));
  if (!entry->make_rehearsal)
    return with_hint(unsupported("backend '{}' cannot tell its memory beforehand", id), "plan with '--backend cpu'");
  return entry->make_rehearsal(context, numerics);
}

Result<std::unique_ptr<Ops>> make_training_backend(std::string_view id, const Context& context, std::string_view device,
                                                   std::string_view numerics) {
  VB_TRY(const BackendEntry* entry, find_backend(id));
  VB_TRY(const std::string chosen, choose_device(*entry, device));
  return entry->make_training(context, chosen, numerics);
}

}  // namespace vauban
