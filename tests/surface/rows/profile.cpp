#include <algorithm>
#include <utility>

#include "backends/backends.h"
#include "evidence/sweep.h"
#include "ops/forwarding_ops.h"
#include "surface/rows/rows.h"

namespace vauban::test {
namespace {

constexpr std::int64_t kCopies = 2, kSyncs = 3, kMemory = 4096;  // of each step of the stand-in

/// Stands for a device: the operations are the backend's own, and every step costs the same.
class StandInDevice final : public ForwardingOps {
 public:
  StandInDevice(std::unique_ptr<Ops> inner, std::string kind)
      : ForwardingOps(std::move(inner)), kind_(std::move(kind)) {}
  std::string_view device_kind() const override { return kind_; }
  std::string device_label() const override { return kind_ + ":0"; }
  void begin_step() override {
    ForwardingOps::begin_step();
    counters_.host_device_copies += kCopies;
    counters_.sync_points += kSyncs;
    counters_.memory_high_water_bytes = kMemory;
  }
  OpCounters take_counters() override {
    const OpCounters host = inner().take_counters();
    counters_.bytes_read += host.bytes_read;
    counters_.bytes_written += host.bytes_written;
    counters_.kernel_path = host.kernel_path;
    return std::exchange(counters_, {});
  }

 private:
  std::string kind_;
  OpCounters counters_;
};

const StageProfile* prefill_of(const Trace& trace) {
  for (const TraceSpan& span : trace.spans())
    if (span.name == "prefill" && span.profile) return &*span.profile;
  return nullptr;
}

/// The backend declares a device kind that is not here: what its counters would say must arrive in the profile.
Result<Measured> counters_reach_the_profile(SurfaceBench& bench, const std::string& kind) {
  if (!bench.declaration().has_device(kind)) return Measured{.note = "the backend has no such device"};
  const auto make = [&](const Context& context) -> Result<std::unique_ptr<Ops>> {
    VB_TRY(std::unique_ptr<Ops> inner, make_backend(bench.backend(), context, {.device = bench.device_name()}));
    return bench.disguised(std::make_unique<StandInDevice>(std::move(inner), kind));
  };
  VB_TRY(const auto session, LocalSession::open_on(bench.model(), make));
  VB_TRY(const Trace trace, session->runtime().trace(surface_request("device", 0), nullptr));
  const StageProfile* prefill = prefill_of(trace);
  if (!prefill) return Measured{};
  const Capability& capability = session->runtime().capabilities();
  Faults faults;
  faults.expect(prefill->device == DeviceRef{kind, kind + ":0"}, "the profile names another device");
  faults.expect(prefill->memory_bytes == kMemory, "the device's memory is not in it");
  faults.expect(prefill->sync_points == kSyncs, "the synchronisations are not in it");
  faults.expect(prefill->host_device_copies == kCopies, "the copies are not in it");
  const Capability& declared = bench.declaration().on_kind.at(kind);
  faults.expect(capability.profile_device_memory == declared.profile_device_memory, "device memory is declared otherwise");
  faults.expect(capability.profile_sync_points == declared.profile_sync_points, "synchronisations are declared otherwise");
  return Measured{true, faults.count(), faults.note()};
}

/// Three lengths of prompt, one run each to warm up and five that count.
Result<std::vector<Trace>> sweep_traces(Runtime& runtime) {
  std::vector<Trace> traces;
  for (int run = 0; run < 6; ++run)
    for (const int length : {4, 8, 16}) {
      TraceRequest request = surface_request(format("sweep-{}-{}", length, run), 2);
      request.prompt_ids.assign(static_cast<std::size_t>(length), 261);
      request.metadata = Json::object({{std::string(kSweepMetadata), Json::object({{"run", request.trace_id}})}});
      VB_TRY(Trace trace, runtime.trace(request, nullptr));
      traces.push_back(std::move(trace));
    }
  return traces;
}

}  // namespace

Result<Measured> cuda_counters_reach_the_profile(SurfaceBench& bench) {
  return counters_reach_the_profile(bench, "cuda");
}
Result<Measured> mps_counters_reach_the_profile(SurfaceBench& bench) {
  return counters_reach_the_profile(bench, "mps");
}

Result<Measured> device_profile_is_filled(SurfaceBench& bench) {
  TraceRequest request = surface_request("device", 2, {want_payload(Site::logits)});
  request.profile = {"prefill", "decode"};
  VB_TRY(const Watched seen, watch(bench.runtime(), request));
  const StageProfile* prefill = prefill_of(seen.trace);
  if (!prefill) return Measured{};
  Faults faults;
  faults.expect(prefill->device && prefill->device->kind == bench.declaration().device.kind, "another device");
  faults.expect(prefill->memory_bytes.value_or(0) > 0, "no memory");
  faults.expect(prefill->sync_points > 0, "no synchronisation");
  faults.expect(prefill->host_device_copies > 0, "no copies, though the logits came to the host");
  faults.expect(prefill->device_s.value_or(0) > 0, "no time on the device");
  return Measured{true, faults.count(), faults.note()};
}

Result<Measured> sweep_has_its_points(SurfaceBench& bench) {
  VB_TRY(std::vector<Trace> traces, sweep_traces(bench.runtime()));
  VB_TRY(const TraceProfileSweep sweep, summarise_sweep(traces, SweepAxis::token_count));
  Faults faults;
  faults.expect(sweep.points.size() == 3, "not a point for each length");
  for (const TraceProfileSweepPoint& point : sweep.points) {
    faults.expect(point.samples == kMinimumSamples, "not five samples");
    faults.expect(point.total_duration_s.values.size() == 5 && point.total_duration_s.min() > 0,
                  "runs without a duration");
    faults.expect(point.prefill_tokens_per_second.values.size() == 5, "runs without a rate");
  }
  Want logits = want_payload(Site::logits);
  VB_TRY(Trace other, bench.runtime().trace(surface_request("other", 2, {logits}), nullptr));
  traces.push_back(std::move(other));
  faults.expect(!summarise_sweep(traces, SweepAxis::token_count).has_value(),
                "other artifacts are taken for the same work");
  return Measured{!sweep.points.empty(), faults.count(), faults.note()};
}

}  // namespace vauban::test
