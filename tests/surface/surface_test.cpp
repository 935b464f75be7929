// Every row on every backend of this build: what the code declares is what its checks emit, and a lie is caught.

#include "surface/surface.h"

#include <algorithm>
#include <functional>
#include <gtest/gtest.h>
#include <set>

#include "base/result.h"
#include "support/backends_here.h"
#include "ops/forwarding_ops.h"
#include "surface/page.h"
#include "surface/result_file.h"
#include "trace/capability.h"

namespace vauban::test {
namespace {

const std::vector<std::string> kNote{"load_model",         "tokenize",         "forward",
                                     "runtime_trace",      "generation",       "logits",
                                     "logprobs",           "activations",      "interventions",
                                     "kv_cache",           "weight_access",    "mutable_weights",
                                     "safetensors_io",     "peft_lora_export", "device_profile_cuda",
                                     "device_profile_mps", "profile_sweep"};

class Surface : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    auto bench = SurfaceBench::open(GetParam());
    VB_ASSERT_OK(bench);
    bench_ = *std::move(bench);
  }
  const SurfaceRow& row(std::string_view id) const { return *std::ranges::find(surface_rows(), id, &SurfaceRow::id); }
  std::unique_ptr<SurfaceBench> bench_;
};
INSTANTIATE_TEST_SUITE_P(Backends, Surface, testing::ValuesIn(backends_here()),
                         [](const auto& tested) { return tested.param; });

TEST(SurfaceRows, AreThoseOfTheNote) {
  std::vector<std::string> ids;
  for (const SurfaceRow& row : surface_rows()) ids.emplace_back(row.id);
  EXPECT_EQ(ids, kNote);
}

TEST(SurfaceRows, EveryRowHasAnEvidenceAndAChecksOnTheHost) {
  std::set<std::string_view> ids;
  for (const SurfaceRow& row : surface_rows()) {
    EXPECT_FALSE(row.evidence.empty()) << row.id;
    EXPECT_TRUE(std::ranges::any_of(row.checks, [](const SurfaceCheck& check) { return check.runs_on("cpu"); }))
        << row.id;
    for (const SurfaceCheck& check : row.checks) {
      EXPECT_TRUE(ids.insert(check.id).second) << check.id;
      EXPECT_TRUE(check.id.starts_with(std::string(row.id) + ".")) << check.id;
      EXPECT_FALSE(check.evidence.empty()) << check.id;
    }
  }
}

TEST_P(Surface, ShowsWhatItDeclares) {
  const std::vector<CheckResult> results = run_surface(*bench_);
  for (const std::string& fault : contradictions(bench_->declaration(), results)) ADD_FAILURE() << fault;
  for (const CheckResult& result : results)
    std::printf("%-10s %-38s %-11s %-20s %-10.3g <= %-8.3g %s\n", GetParam().c_str(), result.id.c_str(),
                result.level.c_str(), result.evidence.c_str(), result.measured, result.bound,
                result.passed ? "passed" : "-");
}

TEST_P(Surface, KeptResultsSayWhatTheChecksSayNow) {
  const auto kept = read_results();
  VB_ASSERT_OK(kept);
  const std::string name = GetParam() + "-" + bench_->declaration().device.kind + ".json";
  const auto file = std::ranges::find(*kept, name, &ResultFile::file_name);
  ASSERT_NE(file, kept->end()) << "run scripts/generate-docs: there is no " << name;
  const std::vector<CheckResult> now = run_surface(*bench_);
  ASSERT_EQ(file->checks.size(), now.size()) << "run scripts/generate-docs";
  for (std::size_t i = 0; i < now.size(); ++i) {
    EXPECT_EQ(file->checks[i].id, now[i].id);
    EXPECT_EQ(file->checks[i].level, now[i].level) << now[i].id;
    EXPECT_EQ(file->checks[i].evidence, now[i].evidence) << now[i].id;
    EXPECT_EQ(file->checks[i].passed, now[i].passed) << now[i].id;
  }
}

/// The note: the runtime's capabilities that reports use are full, and its devices are three. What keeps a row from it is
/// the LibTorch of this build, and the reason says from which one on it is full.
TEST(TorchSurface, IsFullInEveryRowOnThreeKindsOfDevices) {
  if (const auto here = backends_here(); std::ranges::find(here, "torch") == here.end())
    GTEST_SKIP() << "this build has no torch module";
  const auto bench = SurfaceBench::open("torch");
  VB_ASSERT_OK(bench);
  const Declaration& declaration = (*bench)->declaration();
  EXPECT_EQ(declaration.device_kinds, (std::vector<std::string>{"cpu", "cuda", "mps"}));
  for (const SurfaceRow& row : surface_rows()) {
    const Support support = row.declared(declaration);
    if (row.id == "device_profile_mps" && support.level == SupportLevel::partial) {
      EXPECT_NE(support.reason.find("LibTorch 2.0 and later tell"), std::string::npos) << support.reason;
      continue;
    }
    EXPECT_EQ(support.level, SupportLevel::full) << row.id << ": " << support.reason;
  }
  for (const CapabilityField& field : capability_fields())
    EXPECT_EQ((declaration.capability.*field.support).level, SupportLevel::full) << field.name;
}

// ---- planted faults

/// A runtime that declares what the one behind it declares, and spoils its traces.
class Spoiling final : public Runtime {
 public:
  using Spoil = std::function<void(TraceParts& parts)>;
  Spoiling(Runtime& inner, Spoil spoil, bool keeps_payloads)
      : inner_(inner), spoil_(std::move(spoil)), keeps_payloads_(keeps_payloads) {}
  const Capability& capabilities() const override { return inner_.capabilities(); }
  const ModelIdentity& model() const override { return inner_.model(); }
  Numerics numerics() const override { return inner_.numerics(); }
  Result<std::vector<std::int32_t>> tokenize(const TraceRequest& request) override { return inner_.tokenize(request); }
  Result<Trace> trace(const TraceRequest& request, PayloadSink* sink) override {
    VB_TRY(const Trace whole, inner_.trace(request, keeps_payloads_ ? sink : nullptr));
    TraceParts parts = whole.parts();
    spoil_(parts);
    return Trace::make(std::move(parts));
  }
  std::vector<Result<Trace>> trace_batch(std::span<const TraceRequest> requests, PayloadSink* sink) override {
    std::vector<Result<Trace>> out;
    for (const TraceRequest& request : requests) out.push_back(trace(request, sink));
    return out;
  }
  Result<std::unique_ptr<StepStream>> generate(std::span<const TraceRequest> requests) override {
    return inner_.generate(requests);
  }
  Result<std::unique_ptr<ScoreStream>> score(std::span<const std::int32_t> ids, const ScoreOptions& options) override {
    return inner_.score(ids, options);
  }
  Result<std::vector<WeightEditRecord>> edit_weights(std::span<const WeightEdit> edits) override {
    return inner_.edit_weights(edits);
  }
  Result<std::vector<WeightEditRecord>> undo_weight_edits(std::int64_t count) override {
    return inner_.undo_weight_edits(count);
  }
  Result<std::vector<WeightEditRecord>> undo_weight_edits() override { return inner_.undo_weight_edits(); }
  std::span<const WeightEditRecord> weight_edits() const override { return inner_.weight_edits(); }

 private:
  Runtime& inner_;
  Spoil spoil_;
  bool keeps_payloads_;
};

/// Takes the artifacts of one kind out of a trace.
void lose(ArtifactKind kind, TraceParts& parts) {
  std::set<std::string> lost;
  for (const TraceArtifact& artifact : parts.artifacts)
    if (artifact.kind == kind) lost.insert(artifact.artifact_id);
  std::erase_if(parts.artifacts, [&](const TraceArtifact& artifact) { return artifact.kind == kind; });
  for (TraceSpan& span : parts.spans)
    for (auto* ids : {&span.input_artifacts, &span.output_artifacts})
      std::erase_if(*ids, [&](const std::string& id) { return lost.contains(id); });
}

/// Operations under another backend's name.
class Renamed final : public ForwardingOps {
 public:
  using ForwardingOps::ForwardingOps;
  std::string_view backend() const override { return "other"; }
};
/// Without gradients.
class Untrainable final : public ForwardingOps {
 public:
  using ForwardingOps::ForwardingOps;
  Gradients* gradients() override { return nullptr; }
};
/// A device whose counters are lost.
class Uncounted final : public ForwardingOps {
 public:
  using ForwardingOps::ForwardingOps;
  OpCounters take_counters() override { return inner().take_counters(), OpCounters{}; }
};

template <class Other>
std::unique_ptr<Ops> behind(std::unique_ptr<Ops> own) {
  return std::make_unique<Other>(std::move(own));
}

/// Whether what is found on this bench says that this row claims too much.
void expect_found(Result<std::unique_ptr<SurfaceBench>> bench, const std::string& row) {
  VB_ASSERT_OK(bench);
  const auto faults = contradictions((*bench)->declaration(), run_surface(**bench));
  const std::string claim = (*bench)->backend() + ": " + row + " is declared";
  const auto names_the_row = [&](const std::string& fault) { return fault.find(claim) != std::string::npos; };
  EXPECT_TRUE(std::ranges::any_of(faults, names_the_row)) << row << ": " << faults.size();
}

TEST(LostEvidence, OfRowsThatNeedMoreThanAnArtifactIsFound) {
  const auto without_profiles = [](TraceParts& parts) {
    for (TraceSpan& span : parts.spans) span.profile.reset();
  };
  expect_found(SurfaceBench::open("cpu", "", [&](Runtime& inner) {
    return std::make_unique<Spoiling>(inner, without_profiles, true);
  }), "profile_sweep");
  expect_found(SurfaceBench::open("cpu", "", [](Runtime& inner) {
    return std::make_unique<Spoiling>(inner, [](TraceParts&) {}, false);
  }), "safetensors_io");
  expect_found(SurfaceBench::open("cpu", "", {}, behind<Renamed>), "load_model");
  expect_found(SurfaceBench::open("cpu", "", {}, behind<Untrainable>), "peft_lora_export");
  if (const auto here = backends_here(); std::ranges::find(here, "torch") != here.end())
    for (const char* row : {"device_profile_cuda", "device_profile_mps"})
      expect_found(SurfaceBench::open("torch", "", {}, behind<Uncounted>), row);
}

struct Loss {
  ArtifactKind kind;
  std::string row;  ///< that must be found to claim too much
};

class LostArtifacts : public testing::TestWithParam<Loss> {};
INSTANTIATE_TEST_SUITE_P(
    Kinds, LostArtifacts,
    testing::Values(Loss{ArtifactKind::tokens, "tokenize"}, Loss{ArtifactKind::text, "generation"},
                    Loss{ArtifactKind::logits, "logits"}, Loss{ArtifactKind::logits, "forward"},
                    Loss{ArtifactKind::logprobs, "logprobs"}, Loss{ArtifactKind::activation, "activations"},
                    Loss{ArtifactKind::metric, "activations"}, Loss{ArtifactKind::activation, "runtime_trace"},
                    Loss{ArtifactKind::intervention_result, "interventions"}, Loss{ArtifactKind::other, "kv_cache"},
                    Loss{ArtifactKind::weight_snapshot, "weight_access"},
                    Loss{ArtifactKind::weight_snapshot, "mutable_weights"}),
    [](const auto& tested) { return tested.param.row + "_without_" + std::string(to_string(tested.param.kind)); });

TEST_P(LostArtifacts, AreFoundWhereTheCapabilityStillSaysFull) {
  const auto losing = [](Runtime& inner) {
    return std::make_unique<Spoiling>(inner, [](TraceParts& parts) { lose(GetParam().kind, parts); }, true);
  };
  expect_found(SurfaceBench::open("cpu", "", losing), GetParam().row);
}

class Claims : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    auto bench = SurfaceBench::open("cpu");
    VB_ASSERT_OK(bench);
    declaration_ = new Declaration((*bench)->declaration());
    results_ = new std::vector<CheckResult>(run_surface(**bench));
  }
  static void TearDownTestSuite() {
    delete declaration_;
    delete results_;
  }
  static Declaration* declaration_;
  static std::vector<CheckResult>* results_;
};
Declaration* Claims::declaration_ = nullptr;
std::vector<CheckResult>* Claims::results_ = nullptr;

TEST_F(Claims, AnUnsupportedRowThatCallsItselfFullIsFound) {
  const auto faults = contradictions(*declaration_, *results_, {{"device_profile_cuda", {SupportLevel::full, ""}}});
  ASSERT_EQ(faults.size(), 1u);
  EXPECT_NE(faults[0].find("emitted no profile"), std::string::npos) << faults[0];
}

TEST_F(Claims, ARowThatEmitsAndCallsItselfUnsupportedIsFound) {
  const auto faults = contradictions(*declaration_, *results_, {{"logits", {SupportLevel::unsupported, "modesty"}}});
  ASSERT_EQ(faults.size(), 1u);
  EXPECT_NE(faults[0].find("declared unsupported, and 'logits.rows' emitted logits"), std::string::npos) << faults[0];
}

TEST_F(Claims, ALevelWithoutAReasonIsFound) {
  EXPECT_EQ(contradictions(*declaration_, *results_, {{"logits", {SupportLevel::partial, ""}}}).size(), 1u);
}

TEST_F(Claims, ACheckThatDidNotRunOrPassIsFound) {
  std::vector<CheckResult> fewer(results_->begin() + 1, results_->end());
  EXPECT_EQ(contradictions(*declaration_, fewer).size(), 1u);
  std::vector<CheckResult> failing = *results_;
  failing.front().passed = false;
  EXPECT_EQ(contradictions(*declaration_, failing).size(), 1u);
}

}  // namespace
}  // namespace vauban::test
