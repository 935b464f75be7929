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
  VB_CHECK(make_cpu_backend(context, device));
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
  if (!device.empty() && device != "cpu" && device != "cpu:0")
    return with_hint(unsupported("backend 'torch' trains in host memory, found device '{}'", device),
                     "leave --device out, or say cpu");
  return make_torch_ops(context, {.device = device, .numerics = numerics, .training = true});
}

const std::array kBackends{
    BackendEntry{.id = "reference",
                 .summary = "plain loops in f64: the specification",
                 .devices = {"cpu"},
                 .numerics = {"exact"},
                 .primitives = {},
                 .make = make_reference,
                 .make_training = make_reference_training,
                 .make_rehearsal = nullptr},
    BackendEntry{.id = "cpu",
                 .summary = "f32 vector kernels on packed weights, bits independent of batch and threads",
                 .devices = {"cpu"},
                 .numerics = {"exact"},
                 .primitives = {"scalar", "simd"},
                 .make = make_cpu,
                 .make_training = make_cpu_training,
                 .make_rehearsal = make_cpu_rehearsal},
    BackendEntry{.id = "torch",
                 .summary = "LibTorch's kernels on any of its devices: the portable surface",
                 .devices = {"cpu", "cuda", "mps"},
                 .numerics = {"exact", "native"},
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

/// The first of the named devices that is there.
Result<std::unique_ptr<Ops>> make_on_first(const BackendEntry& entry, const Context& context,
                                           const BackendOptions& options) {
  std::string answers;
  for (const std::string_view name : split(options.device, ',')) {
    BackendOptions one = options;
    one.device = trim(name);
    auto made = entry.make(context, one);
    if (made || made.error().code != ErrorCode::unsupported) return made;
    answers += format("{}{}", answers.empty() ? "" : "; ", made.error().message);
  }
  return unsupported("backend '{}': none of the devices '{}' is there: {}", entry.id, options.device, answers);
}

}  // namespace

Result<std::unique_ptr<Ops>> make_backend(std::string_view id, const Context& context, const BackendOptions& options) {
  VB_TRY(const BackendEntry* entry, find_backend(id));
  VB_CHECK(check_numerics(*entry, options.numerics));
  VB_CHECK(check_primitive(*entry, options.primitive));
  if (options.device.find(',') != std::string::npos) return make_on_first(*entry, context, options);
  return entry->make(context, options);
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
  return entry->make_training(context, device, numerics);
}

}  // namespace vauban
