#include "backends/backends.h"

#include <array>
#include <string>

#include "backends/cpu/cpu_ops.h"
#include "backends/reference/reference_ops.h"

namespace vauban {
namespace {

const std::array kBackends{
    BackendEntry{.id = "reference",
                 .summary = "plain loops in f64: the specification",
                 .devices = {"cpu:0"},
                 .make = make_reference_ops},
    BackendEntry{.id = "cpu",
                 .summary = "f32 vector kernels on packed weights, bits independent of batch and threads",
                 .devices = {"cpu:0"},
                 .make = make_cpu_backend},
};

}  // namespace

std::span<const BackendEntry> all_backends() { return kBackends; }

Result<std::unique_ptr<Ops>> make_backend(std::string_view id, const Context& context, std::string_view device) {
  std::string known;
  for (const BackendEntry& entry : kBackends) {
    if (entry.id == id) return entry.make(context, device.empty() ? entry.devices.front() : device);
    known += known.empty() ? "" : ", ";
    known += entry.id;
  }
  return with_hint(not_found("unknown backend '{}'; known: {}", id, known), "see 'vauban list backends'");
}

}  // namespace vauban
