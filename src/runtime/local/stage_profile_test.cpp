// What a device's counters become in the profiles of the spans, and what --profile adds.
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "backends/backends.h"
#include "base/process_memory.h"
#include "runtime/local/local_runtime.h"
#include "runtime/replay/replay_runtime.h"
#include "ops/forwarding_ops.h"
#include "support/test_data.h"
#include "support/tiny_model.h"
#include "trace/observe_spec.h"
#include "trace/profile_fields.h"
#include "trace/trace_json.h"

namespace vauban {
namespace {

constexpr std::int64_t kLoadCopies = 1;  // for each weight
constexpr std::int64_t kCopies = 2;      // in each step
constexpr std::int64_t kSyncs = 3;
constexpr std::int64_t kSyncsOfProfile = 2;  // more, where the device is profiled
constexpr double kDeviceSeconds = 0.25;

/// Stands for a device: every step costs the same, but a step's memory is 1000 bytes a row.
class FakeDeviceOps final : public ForwardingOps {
 public:
  using ForwardingOps::ForwardingOps;
  std::string_view device_kind() const override { return "cuda"; }
  std::string device_label() const override { return "cuda:0"; }
  Result<Weight> load_weight(std::string name, const TensorView& view, std::shared_ptr<const void> keep) override {
    counters_.host_device_copies += kLoadCopies;
    return ForwardingOps::load_weight(std::move(name), view, std::move(keep));
  }
  void begin_step() override {
    ForwardingOps::begin_step();
    counters_.host_device_copies += kCopies;
    counters_.sync_points += kSyncs + (profiled_ ? kSyncsOfProfile : 0);
    if (profiled_) counters_.device_s += kDeviceSeconds;
    profiled_steps += profiled_;
  }
  Tensor embed(const Weight& table, std::span<const std::int32_t> ids) override {
    counters_.memory_high_water_bytes = static_cast<std::int64_t>(1000 * ids.size());
    return ForwardingOps::embed(table, ids);
  }
  OpCounters take_counters() override {
    const OpCounters host = inner().take_counters();
    counters_.bytes_read += host.bytes_read;
    counters_.bytes_written += host.bytes_written;
    counters_.kernel_path = "fake/f64";
    return std::exchange(counters_, {});
  }
  void profile_device(bool on) override { profiled_ = on; }

  int profiled_steps = 0;

 private:
  OpCounters counters_;
  bool profiled_ = false;
};

class StageProfileTest : public testing::Test {
 protected:
  void SetUp() override {
    VB_ASSERT_OK(test::write_tiny_model(folder_.path()));
    auto inner = make_backend("reference", context_);
    VB_ASSERT_OK(inner);
    auto ops = std::make_unique<FakeDeviceOps>(*std::move(inner));
    device_ = ops.get();
    const auto source = ModelSource::open(folder_.path());
    VB_ASSERT_OK(source);
    auto model = Model::load(*source, *ops, context_);
    VB_ASSERT_OK(model);
    weights_ = static_cast<std::int64_t>((*model)->file->tensors().size());
    auto runtime = LocalRuntime::make(*std::move(model), std::move(ops), context_,
                                      {.engine = {.max_batch = 2, .prefill_chunk = 64}});
    VB_ASSERT_OK(runtime);
    runtime_ = *std::move(runtime);
  }

  static TraceRequest request(const std::string& id, std::vector<std::string> profile, int max_tokens = 4) {
    TraceRequest made;
    made.trace_id = id;
    made.prompt_ids = {1, 72, 104, 260, 261};
    made.sampling.max_tokens = max_tokens;
    made.sampling.ignore_eos = true;
    made.profile = std::move(profile);
    return made;
  }
  static const StageProfile& profile_of(const Trace& trace, std::string_view name) {
    for (const TraceSpan& span : trace.spans())
      if (span.name == name && span.profile) return *span.profile;
    ADD_FAILURE() << "no span " << name;
    static const StageProfile none;
    return none;
  }

  test::TempDir folder_;
  ThreadPool pool_{1};
  SystemClock clock_;
  SilentProgress progress_;
  CancelToken cancel_;
  Context context_{.pool = pool_, .clock = clock_, .progress = progress_, .cancel = cancel_};
  FakeDeviceOps* device_ = nullptr;
  std::int64_t weights_ = 0;
  std::unique_ptr<LocalRuntime> runtime_;
};

/// One pass over the prompt, and three over new tokens: the fourth is never fed back.
TEST_F(StageProfileTest, CopiesSyncsAndMemoryOfEachStageAreItsOwn) {
  const auto trace = runtime_->trace(request("plain", {}));
  VB_ASSERT_OK(trace);
  const StageProfile& load = profile_of(*trace, "load");
  const StageProfile& prefill = profile_of(*trace, "prefill");
  const StageProfile& decode = profile_of(*trace, "decode");
  EXPECT_EQ(load.host_device_copies, weights_ * kLoadCopies) << "the first pass does not pay for loading";
  EXPECT_EQ(prefill.host_device_copies, kCopies);
  EXPECT_EQ(prefill.sync_points, kSyncs);
  EXPECT_EQ(decode.host_device_copies, 3 * kCopies);
  EXPECT_EQ(decode.sync_points, 3 * kSyncs);
  EXPECT_EQ(prefill.memory_bytes, 5000);
  EXPECT_EQ(decode.memory_bytes, 1000) << "the mark of a stage, not of the process";
  EXPECT_EQ(prefill.device, (DeviceRef{"cuda", "cuda:0"}));
  EXPECT_EQ(prefill.kernel_path, "fake/f64");
  EXPECT_EQ(device_->profiled_steps, 0);
  for (const StageProfile* profile : {&prefill, &decode}) {
    EXPECT_FALSE(profile->device_s);
    EXPECT_FALSE(profile->host_peak_bytes);
    EXPECT_TRUE(profile->step_duration_s.empty());
  }
}

TEST_F(StageProfileTest, OnlyTheStagesAskedForPayForTheirProfiles) {
  const auto trace = runtime_->trace(request("prefill", {"prefill"}));
  VB_ASSERT_OK(trace);
  const StageProfile& prefill = profile_of(*trace, "prefill");
  const StageProfile& decode = profile_of(*trace, "decode");
  EXPECT_EQ(prefill.device_s, kDeviceSeconds);
  EXPECT_EQ(prefill.sync_points, kSyncs + kSyncsOfProfile);
  EXPECT_EQ(prefill.step_duration_s.size(), 1u);
  EXPECT_EQ(device_->profiled_steps, 1);
  EXPECT_FALSE(decode.device_s);
  EXPECT_EQ(decode.sync_points, 3 * kSyncs);
  EXPECT_TRUE(decode.step_duration_s.empty());

  const auto decoded = runtime_->trace(request("decode", {"decode"}));
  VB_ASSERT_OK(decoded);
  EXPECT_EQ(profile_of(*decoded, "decode").device_s, 3 * kDeviceSeconds);
  EXPECT_FALSE(profile_of(*decoded, "prefill").device_s);
  EXPECT_EQ(device_->profiled_steps, 4);
}

TEST_F(StageProfileTest, SamplesOfTheStepsAddUpToTheStage) {
  const auto trace = runtime_->trace(request("samples", profile_stages()));
  VB_ASSERT_OK(trace);
  for (const auto& [stage, steps] : std::map<std::string, std::size_t>{{"prefill", 1}, {"decode", 4}, {"batch", 4}}) {
    const StageProfile& profile = profile_of(*trace, stage);
    // decode: the first token is drawn in the step of the prompt
    EXPECT_EQ(profile.step_duration_s.size(), steps) << stage;
    double sum = 0;
    for (const double seconds : profile.step_duration_s) sum += seconds;
    EXPECT_NEAR(sum, profile.duration_s, 1e-12) << stage;
  }
  if (peak_resident_bytes() && reset_peak_resident()) {
    EXPECT_GT(profile_of(*trace, "prefill").host_peak_bytes.value_or(0), 1 << 20);
    EXPECT_LE(profile_of(*trace, "decode").host_peak_bytes.value_or(0), std::int64_t{1} << 36);
  }
}

/// Two requests in flight: a step's device time, copies and syncs are divided by rows.
TEST_F(StageProfileTest, ASharedStepDividesDeviceTimeAndBatchAndQueueAreCounted) {
  std::vector<TraceRequest> requests;
  for (int i = 0; i < 5; ++i) requests.push_back(request(format("r{}", i), {"prefill", "decode"}));
  const auto traces = runtime_->trace_batch(requests);
  std::vector<std::int64_t> waited;
  std::int64_t copies = 0, syncs = 0;
  for (const auto& trace : traces) {
    VB_ASSERT_OK(trace);
    const TraceProfileSummary summary = summarise(*trace);
    waited.push_back(summary.max_queue_depth.value());
    const bool alone = trace->id() == "r4";
    EXPECT_EQ(summary.batch_size, alone ? 1 : 2);
    EXPECT_DOUBLE_EQ(profile_of(*trace, "prefill").device_s.value(), alone ? kDeviceSeconds : kDeviceSeconds / 2);
    EXPECT_DOUBLE_EQ(profile_of(*trace, "decode").device_s.value(), alone ? 3 * kDeviceSeconds : 1.5 * kDeviceSeconds);
    EXPECT_DOUBLE_EQ(summary.total_device_s.value(), alone ? 4 * kDeviceSeconds : 2 * kDeviceSeconds);
    EXPECT_EQ(profile_of(*trace, "prefill").host_device_copies, alone ? kCopies : kCopies / 2);
    for (const TraceSpan& span : trace->spans())
      if (span.profile && span.name != "load") copies += span.profile->host_device_copies;
    syncs += summary.sync_points;
    const std::vector<std::string>& notes = profile_of(*trace, "prefill").notes;
    EXPECT_EQ(std::ranges::any_of(notes, [](const std::string& note) { return note.find("shared") != std::string::npos; }),
              !alone);
  }
  // Two pairs and one alone, four steps each: what a sweep adds up over its requests is what the device did.
  EXPECT_EQ(copies, 3 * 4 * kCopies);
  EXPECT_EQ(syncs, 3 * 4 * (kSyncs + kSyncsOfProfile)) << "an odd number of waits is not rounded away";
  EXPECT_EQ(waited, (std::vector<std::int64_t>{3, 3, 1, 1, 0}));
}

/// Keys of a profile that hold something.
std::set<std::string> recorded(const StageProfile& profile) {
  std::set<std::string> keys;
  const Json json = to_json(profile);
  for (const auto& [key, value] : json.entries())
    if (!value.is_null() && !(key == "step_duration_s" && value.size() == 0)) keys.insert(key);
  return keys;
}

std::set<std::string> expected(std::string_view stage, bool with_costs) {
  std::set<std::string> keys;
  for (const ProfileField& field : profile_fields())
    if (field.of(stage) && (with_costs || !field.costs)) keys.emplace(field.name);
  return keys;
}

/// The table is what docs and the manual print: every stage carries the fields that it names, and no others.
TEST_F(StageProfileTest, TheTableOfFieldsIsWhatTracesCarry) {
  const bool tells_peak = reset_peak_resident() && peak_resident_bytes();
  for (const bool with_costs : {false, true}) {
    TraceRequest asked = request("table", with_costs ? profile_stages() : std::vector<std::string>());
    asked.prompt_ids.clear();
    asked.input_text = "Once upon a time";
    asked.want = *parse_observe("resid_post:all:summary,logprobs:top5");
    Intervention edit;
    edit.name = "remove";
    edit.layers = {1};
    edit.primitive.mode = PrimitiveMode::subtract;
    edit.primitive.direction.assign(64, 0.125);
    asked.interventions = {edit};
    const auto trace = runtime_->trace(asked);
    VB_ASSERT_OK(trace);
    std::set<std::string> stages;
    for (const TraceSpan& span : trace->spans()) {
      stages.insert(span.name);
      std::set<std::string> fields = expected(span.name, with_costs);
      if (!tells_peak) fields.erase("host_peak_bytes");
      EXPECT_EQ(recorded(*span.profile), fields) << span.name << (with_costs ? " with" : " without") << " --profile";
    }
    EXPECT_TRUE(with_costs || stages.contains("load"));  // the first trace only
    for (const char* stage : {"tokenize", "batch", "prefill", "observe", "intervene", "decode", "score", "emit"})
      EXPECT_TRUE(stages.contains(stage)) << stage;
  }
}

TEST_F(StageProfileTest, AnUnknownStageIsRefusedWithTheKnownOnes) {
  const auto trace = runtime_->trace(request("typo", {"prefil"}));
  ASSERT_FALSE(trace);
  EXPECT_EQ(trace.error().code, ErrorCode::invalid_input);
  EXPECT_NE(trace.error().message.find("batch, prefill, observe, intervene, decode, score"), std::string::npos)
      << trace.error().message;
  EXPECT_NE(trace.error().hint.find("'prefill'"), std::string::npos);
}

/// A trace that was recorded without profiles does not answer a request for them; a request without them is the same
/// question as before there were any.
TEST_F(StageProfileTest, AReplayAnswersARequestForProfilesOnlyWithProfiles) {
  const auto plain = runtime_->trace(request("r", {})), profiled = runtime_->trace(request("r", {"decode"}), nullptr);
  VB_ASSERT_OK(plain);
  VB_ASSERT_OK(profiled);
  const auto replay = ReplayRuntime::make({*profiled});
  VB_ASSERT_OK(replay);
  const auto again = (*replay)->trace(request("r", {"decode"}), nullptr);
  VB_ASSERT_OK(again);
  EXPECT_EQ(to_json(*again), to_json(*profiled));
  EXPECT_FALSE((*ReplayRuntime::make({*plain}))->trace(request("r", {"decode"}), nullptr));
  EXPECT_EQ(to_json(request("r", {})).find("profile"), nullptr);
}

}  // namespace
}  // namespace vauban
