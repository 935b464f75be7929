/// LocalSession: a runtime with everything it borrows, for contract tests.
#pragma once

#include <cmath>
#include <cstring>
#include <filesystem>
#include <functional>
#include <gtest/gtest.h>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "backends/backends.h"
#include "runtime/local/local_runtime.h"
#include "support/place.h"
#include "support/test_context.h"
#include "trace/trace_json.h"

namespace vauban::test {

class LocalSession : TestContext {
 public:
  using MakeOps = std::function<Result<std::unique_ptr<Ops>>(const Context& context)>;

  /// `model` may be BASE+ADAPTER. On options.requested_device.
  static Result<std::unique_ptr<LocalSession>> open(const std::filesystem::path& model, std::string_view backend,
                                                    const LocalOptions& options = {}, int threads = 1) {
    const auto make = [&](const Context& context) {
      return make_backend(backend, context, {.device = options.requested_device});
    };
    return open_on(model, make, options, threads);
  }
  static Result<std::unique_ptr<LocalSession>> open(const std::filesystem::path& model, const Place& place,
                                                    LocalOptions options = {}, int threads = 1) {
    options.requested_device = place.device;
    return open(model, place.backend, options, threads);
  }
  /// The same on operations that the caller makes.
  static Result<std::unique_ptr<LocalSession>> open_on(const std::filesystem::path& model, const MakeOps& make,
                                                       const LocalOptions& options = {}, int threads = 1) {
    std::unique_ptr<LocalSession> session(new LocalSession(threads));
    VB_TRY(std::unique_ptr<Ops> ops, make(session->context_));
    VB_TRY(const ModelSource source, ModelSource::open_with_adapters(model.string()));
    VB_TRY(std::unique_ptr<Model> loaded, Model::load(source, *ops, session->context_));
    VB_TRY(session->runtime_, LocalRuntime::make(std::move(loaded), std::move(ops), session->context_, options));
    return session;
  }

  LocalRuntime& runtime() { return *runtime_; }
  LocalRuntime* operator->() { return runtime_.get(); }
  CancelToken& cancel() { return cancel_; }
  std::int32_t used_pages() const { return runtime_->kv().pool.used_pages(); }

 private:
  explicit LocalSession(int threads) : TestContext(threads) {}
  std::unique_ptr<LocalRuntime> runtime_;
};

/// Keeps payload bytes in memory, by tensor name.
class MemorySink final : public PayloadSink {
 public:
  struct Payload {
    std::string name;
    std::vector<std::int64_t> shape;
    std::vector<float> values;
  };
  Result<StoredPayload> put(std::string_view name, std::string_view /*dtype*/, std::span<const std::int64_t> shape,
                            std::span<const std::byte> bytes) override {
    Payload& payload = payloads.emplace_back();
    payload.name = name;
    payload.shape.assign(shape.begin(), shape.end());
    payload.values.resize(bytes.size() / sizeof(float));
    std::memcpy(payload.values.data(), bytes.data(), bytes.size());
    return StoredPayload{format("memory/{}", payloads.size()), std::string(64, 'a')};
  }
  std::vector<Payload> payloads;
};

/// Everything that one request streamed.
inline Result<std::vector<Generation>> generate_all(Runtime& runtime, std::span<const TraceRequest> requests) {
  std::vector<Generation> out(requests.size());
  VB_TRY(std::unique_ptr<StepStream> stream, runtime.generate(requests));
  while (true) {
    VB_TRY(std::optional<StepEvent> event, stream->next());
    if (!event) return out;
    Generation& generation = out[event->request];
    if (event->token) generation.ids.push_back(*event->token);
    if (event->logprob) generation.logprobs.push_back(event->logprob->logprob);
    generation.text += event->text;
    if (!event->finish.empty()) generation.finish_reason = event->finish;
  }
}

inline Result<Generation> generate_one(Runtime& runtime, const TraceRequest& request) {
  VB_TRY(std::vector<Generation> all, generate_all(runtime, std::span(&request, 1)));
  return std::move(all.front());
}

/// The artifacts of a trace as text, without what may differ between equal runs (pages, spans, costs).
inline std::string values_of(const Trace& trace) {
  std::string out;
  for (TraceArtifact artifact : trace.artifacts()) {
    artifact.producer_span_id.reset();
    artifact.fire_count = 0;  // how rows were cut into passes
    if (artifact.kind == ArtifactKind::intervention_result || artifact.site == Site::kv_pages) continue;
    if (artifact.artifact_id == "sampler") continue;
    out += *to_json(artifact).dump() + "\n";
  }
  return out;
}

/// Whether the backend promised bits that do not depend on batch, threads and steps.
inline bool promises_bits(const Trace& trace) { return trace.parts().metadata.find("invariant_bits")->as_bool(); }

inline void expect_same_floats(std::span<const float> a, std::span<const float> b, bool bits) {
  ASSERT_EQ(a.size(), b.size());
  for (std::size_t i = 0; i < a.size(); ++i)
    ASSERT_TRUE(bits ? std::memcmp(&a[i], &b[i], sizeof(float)) == 0 : std::abs(a[i] - b[i]) <= 1e-4F)
        << "element " << i << ": " << a[i] << " and " << b[i];
}

/// Equal values: bit for bit where that is promised; elsewhere the same artifacts with summaries to within rounding.
inline void expect_same_values(const Trace& a, const Trace& b) {
  if (promises_bits(a)) {
    EXPECT_EQ(values_of(a), values_of(b));
    return;
  }
  ASSERT_EQ(a.artifacts().size(), b.artifacts().size());
  for (std::size_t i = 0; i < a.artifacts().size(); ++i) {
    const TraceArtifact &x = a.artifacts()[i], &y = b.artifacts()[i];
    EXPECT_EQ(x.artifact_id, y.artifact_id);
    EXPECT_EQ(x.kind, y.kind);
    EXPECT_EQ(x.shape, y.shape);
    for (const char* key : {"mean", "std", "min", "max", "rms"}) {
      const Json *left = x.summary.find(key), *right = y.summary.find(key);
      ASSERT_EQ(left == nullptr, right == nullptr) << x.artifact_id;
      if (!left || !left->is_number()) continue;
      EXPECT_NEAR(left->as_double(), right->as_double(), 1e-4) << x.artifact_id << " " << key;
    }
  }
}

}  // namespace vauban::test
