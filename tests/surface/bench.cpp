#include "surface/bench.h"

#include <algorithm>
#include <limits>

namespace vauban::test {

Result<std::unique_ptr<SurfaceBench>> SurfaceBench::open(std::string_view backend, std::string_view device,
                                                         const Disguise& disguise, OpsDisguise ops_disguise) {
  std::unique_ptr<SurfaceBench> bench(new SurfaceBench());
  bench->model_ = bench->folder_ / "model";
  bench->device_ = device;
  bench->ops_disguise_ = std::move(ops_disguise);
  VB_CHECK(write_tiny_model(bench->model_));
  VB_TRY(bench->declaration_, declare(backend, device, bench->model_));
  VB_TRY(bench->session_, bench->open_here(bench->model_));
  if (disguise) bench->disguised_ = disguise(bench->session_->runtime());
  return bench;
}

Result<LocalSession*> SurfaceBench::reference() {
  if (!reference_) {
    VB_TRY(reference_, LocalSession::open(model_, "reference"));
  }
  return reference_.get();
}

Result<std::unique_ptr<LocalSession>> SurfaceBench::open_here(const std::filesystem::path& model) const {
  const auto make = [&](const Context& context) -> Result<std::unique_ptr<Ops>> {
    VB_TRY(std::unique_ptr<Ops> own, make_backend(backend(), context, {.device = device_}));
    return disguised(std::move(own));
  };
  return LocalSession::open_on(model, make, {.requested_device = device_});
}

std::vector<std::int32_t> surface_prompt() { return {1, 72, 104, 260, 270, 280}; }

TraceRequest surface_request(std::string id, int max_tokens, std::vector<Want> want) {
  TraceRequest request;
  request.trace_id = std::move(id);
  request.prompt_ids = surface_prompt();
  request.sampling.max_tokens = max_tokens;
  request.sampling.ignore_eos = true;
  request.want = std::move(want);
  return request;
}

Want want_payload(Site site) {
  Want want;
  want.site = site;
  want.form = Form::payload;
  if (site == Site::logits) want.kind = ArtifactKind::logits;
  if (site == Site::logprobs) want.kind = ArtifactKind::logprobs;
  return want;
}

std::vector<double> surface_direction() {
  std::vector<double> out;
  for (int i = 0; i < kTinyWidth; ++i) out.push_back(std::sin(1.7 * i) + 0.3);
  return out;
}

double dot(std::span<const float> row, std::span<const double> direction) {
  double sum = 0;
  for (std::size_t i = 0; i < direction.size(); ++i) sum += static_cast<double>(row[i]) * direction[i];
  return sum;
}

std::vector<double> unit(std::vector<double> direction) {
  double squares = 0;
  for (const double value : direction) squares += value * value;
  for (double& value : direction) value /= std::sqrt(squares);
  return direction;
}

double largest_difference(std::span<const float> a, std::span<const float> b) {
  if (a.size() != b.size() || a.empty()) return std::numeric_limits<double>::infinity();
  double largest = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (a[i] == b[i]) continue;
    const double difference = std::abs(static_cast<double>(a[i]) - b[i]);
    if (!std::isfinite(difference)) return std::numeric_limits<double>::infinity();
    largest = std::max(largest, difference);
  }
  return largest;
}

Result<Watched> watch(Runtime& runtime, const TraceRequest& request) {
  MemorySink sink;
  VB_TRY(Trace trace, runtime.trace(request, &sink));
  return Watched{std::move(trace), std::move(sink.payloads)};
}

Result<std::vector<float>> logits_of(Runtime& runtime, int max_tokens) {
  VB_TRY(const Watched seen, watch(runtime, surface_request("logits", max_tokens, {want_payload(Site::logits)})));
  if (seen.payloads.empty() || !seen.trace.find("logits"))
    return not_found("expected an artifact 'logits' with a payload, found none");
  return seen.payloads.front().values;
}

bool has_kind(const Trace& trace, ArtifactKind kind) { return !trace.artifacts_by_kind(kind).empty(); }

}  // namespace vauban::test
