// One audit file, unchanged, on every backend and every device at hand: the same report but for rounding.
#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "base/result.h"
#include "base/strings.h"
#include "cli/workspace.h"
#include "support/backends_here.h"

namespace vauban::test {
namespace {

/// A backend on a kind of device, as the flags name them.
struct Place {
  std::string backend, device;
};
void PrintTo(const Place& place, std::ostream* out) { *out << place.backend << " on " << place.device; }

std::vector<Place> places() {
  const std::vector<std::string> built = backends_here();
  std::vector<Place> all;
  for (const BackendEntry& entry : all_backends())
    for (const std::string_view device : entry.devices)
      if (std::ranges::find(built, entry.id) != built.end())
        all.push_back({std::string(entry.id), std::string(device)});
  return all;
}

/// Whether `doctor` finds such a device: "cpu", "cuda:0", "mps".
bool is_here(const Place& place) {
  static const Json doctor = vauban({"doctor", "--json"}).json();
  for (const Json& row : at(doctor, {"backends"}).items())
    if (at(row, {"id"}).as_string() == place.backend)
      for (const Json& label : at(row, {"devices"}).items())
        if (label.as_string() == place.device || label.as_string().starts_with(place.device + ":")) return true;
  return false;
}

const char* const kAudit = R"([common]
numerics = "exact"
threads = 1

[audit]
base = "base"
candidate = "changed"
suite = "suite.toml"
out = "run"
max_tokens = 12
baseline_floor = 4
observe = ["resid_post:all:summary@last", "attn_pattern:0:payload@last", "logprobs:top5"]
)";

struct AuditRun {
  Workspace work;
  Outcome done;
  Json report;
};

std::unique_ptr<AuditRun> audit_on(const std::vector<std::string>& flags) {
  auto run = std::make_unique<AuditRun>();
  run->work.write("suite.toml", small_suite(gate("kld-small", "mean_kld", "max", 0.001, "interval") +
                                            gate("same-top", "same_top", "min", 0.99, "interval")));
  run->work.write("audit.toml", kAudit);
  std::vector<std::string> args{"audit.toml", "--json"};
  args.insert(args.end(), flags.begin(), flags.end());
  run->done = run->work.run(args);
  run->report = run->done.json();
  return run;
}

/// The same file on the specification, run once.
const AuditRun& reference() {
  static const std::unique_ptr<AuditRun> run = audit_on({"--backend", "reference"});
  return *run;
}

/// Paths of all keys; the items of a list share one.
void add_keys(const Json& json, const std::string& path, std::set<std::string>& keys) {
  if (json.is_array())
    for (const Json& item : json.items()) add_keys(item, path + "[]", keys);
  if (!json.is_object()) return;
  for (const auto& [key, value] : json.entries()) {
    keys.insert(path + "." + key);
    add_keys(value, path + "." + key, keys);
  }
}
std::set<std::string> all_keys(const Json& json) {
  std::set<std::string> keys;
  add_keys(json, "", keys);
  return keys;
}

/// Of each trace: how often each kind of artifact, at which site, layer and shape, in which form; and what is missing.
std::map<std::string, std::multiset<std::string>> coverage(const std::filesystem::path& run) {
  std::map<std::string, std::multiset<std::string>> found;
  edit_lines(run / "traces.jsonl", [&](Json& trace) {
    std::multiset<std::string>& artifacts = found[at(trace, {"id"}).as_string()];
    for (const Json& a : at(trace, {"artifacts"}).items())
      artifacts.insert(format("{} {} {} {} payload {}", at(a, {"kind"}).dump().value(), at(a, {"site"}).dump().value(),
                              at(a, {"layer"}).dump().value(), at(a, {"shape"}).dump().value(),
                              !at(a, {"payload_path"}).is_null() && at(a, {"payload_path"}) != Json("")));
    for (const Json& m : at(trace, {"missing"}).items()) artifacts.insert("missing " + m.dump().value());
    return true;
  });
  return found;
}

int sign(double value) { return (value > 0) - (value < 0); }

/// Both sides compute in f32 or better, so a divergence of order one agrees to about 1e-5; answers of twelve greedy
/// tokens only part where two logits tie to that.
constexpr double kRelative = 1e-3;

class OneToml : public testing::TestWithParam<Place> {
 protected:
  void SetUp() override {
    if (GetParam().device != "cpu" && !is_here(GetParam()))
      GTEST_SKIP() << "this machine has no " << GetParam().device << " for backend " << GetParam().backend;
    static std::map<std::string, std::unique_ptr<AuditRun>> ran;  // each place once, however many tests look at it
    auto& run = ran[GetParam().backend + GetParam().device];
    if (!run) run = audit_on({"--backend", GetParam().backend, "--device", GetParam().device});
    run_ = run.get();
  }
  const Json& report() const { return run_->report; }
  const AuditRun* run_ = nullptr;
};

TEST_P(OneToml, HasTheKeysRungVerdictAndGatesOfTheReference) {
  EXPECT_EQ(run_->done.exit_code, reference().done.exit_code) << run_->done.err;
  EXPECT_EQ(all_keys(report()), all_keys(reference().report));
  for (const auto path : {"level", "missing", "unpaired", "outcomes", "presence", "access"})
    EXPECT_EQ(at(report(), {path}), at(reference().report, {path})) << path;
  EXPECT_EQ(at(report(), {"level"}).as_string(), "distributional_diff");
  EXPECT_EQ(at(report(), {"verdict"}), at(reference().report, {"verdict"}));
  EXPECT_EQ(at(report(), {"verdict", "answer"}).as_string(), "hold") << "the change must be one that a gate sees";
  const auto &ours = at(report(), {"gates"}).items(), &theirs = at(reference().report, {"gates"}).items();
  ASSERT_EQ(ours.size(), theirs.size());
  for (std::size_t i = 0; i < ours.size(); ++i)
    for (const char* key : {"id", "passed", "decided"}) EXPECT_EQ(at(ours[i], {key}), at(theirs[i], {key})) << key;
}

TEST_P(OneToml, EveryDeltaHasTheSignTheVerdictAndNearlyTheValueOfTheReference) {
  const auto &ours = at(report(), {"metric_deltas"}).items(),
             &theirs = at(reference().report, {"metric_deltas"}).items();
  ASSERT_EQ(ours.size(), theirs.size());
  int moved = 0;
  for (std::size_t i = 0; i < ours.size(); ++i) {
    const std::string name = at(ours[i], {"name"}).as_string() + " " + at(ours[i], {"category"}).as_string();
    for (const char* key : {"name", "category", "unit", "verdict"})
      EXPECT_EQ(at(ours[i], {key}), at(theirs[i], {key})) << name;
    ASSERT_EQ(at(ours[i], {"delta"}).is_number(), at(theirs[i], {"delta"}).is_number()) << name;
    if (!at(ours[i], {"delta"}).is_number()) continue;
    const double a = at(ours[i], {"delta"}).as_double(), b = at(theirs[i], {"delta"}).as_double();
    EXPECT_EQ(sign(a), sign(b)) << name << ": " << a << " and " << b;
    EXPECT_NEAR(a, b, kRelative * std::abs(b)) << name;
    moved += b != 0;
  }
  EXPECT_GE(moved, 10) << "the models must differ in many ways for this test";
}

TEST_P(OneToml, EveryTraceHoldsTheSameArtifactsAndTheRunVerifies) {
  EXPECT_EQ(coverage(run_->work / "run"), coverage(reference().work / "run"));
  EXPECT_EQ(coverage(run_->work / "run").size(), 24u);
  const Outcome verified = run_->work.run({"verify", "run", "--json"});
  EXPECT_EQ(verified.exit_code, 0) << verified.out;
  EXPECT_TRUE(at(verified.json(), {"ok"}).as_bool());
}

TEST_P(OneToml, TheReportSaysWhatComputedItAndWhetherBitsRepeat) {
  const bool repeats = GetParam().backend != "torch";
  const auto& rows = at(report(), {"execution"}).items();
  ASSERT_EQ(rows.size(), 2u);
  for (const Json& row : rows) {
    EXPECT_EQ(at(row, {"backend"}).as_string(), GetParam().backend);
    EXPECT_TRUE(at(row, {"device"}).as_string().starts_with(GetParam().device)) << at(row, {"device"}).as_string();
    EXPECT_EQ(at(row, {"requested_device"}).as_string(), GetParam().device);
    EXPECT_EQ(at(row, {"numerics"}).as_string(), "exact");
    EXPECT_EQ(at(row, {"invariant_bits"}).as_bool(), repeats);
    EXPECT_EQ(at(row, {"answers"}).as_int(), 12);
  }
  EXPECT_EQ(at(report(), {"inputs", "device"}).as_string(), GetParam().device);
  const std::string markdown = read_text(run_->work / "run/report.md");
  EXPECT_NE(markdown.find(format("- {} on {}", GetParam().backend, GetParam().device)), std::string::npos);
  EXPECT_EQ(markdown.find("bits depend on batch and threads") == std::string::npos, repeats);
}

/// Where bits are the same under every batch and thread count the floor is zero; elsewhere it is small, and measured.
TEST_P(OneToml, TheNoiseFloorIsMeasuredAndFarBelowTheChange) {
  const Json& row = delta_row(report(), "mean_kld");
  const double floor = at(row, {"noise_floor"}).as_double(), value = at(row, {"value_candidate"}).as_double();
  EXPECT_TRUE(at(row, {"noise_floor"}).is_number());
  if (GetParam().backend != "torch") {
    EXPECT_EQ(floor, 0.0);
  }
  EXPECT_LT(floor, 1e-6);
  EXPECT_GT(value, 1e-2);
}

INSTANTIATE_TEST_SUITE_P(Everywhere, OneToml, testing::ValuesIn(places()),
                         [](const auto& tested) { return tested.param.backend + "_" + tested.param.device; });

bool limits_hold(const Json& report, std::string_view part) {
  for (const Json& limit : at(report, {"limitations"}).items())
    if (limit.as_string().find(part) != std::string::npos) return true;
  return false;
}

bool promises_bits(const std::string& backend) {
  ThreadPool pool(1);
  SystemClock clock;
  SilentProgress progress;
  CancelToken cancel;
  const Context context{.pool = pool, .clock = clock, .progress = progress, .cancel = cancel};
  const auto ops = make_backend(backend, context);
  VB_EXPECT_OK(ops);
  return ops && (*ops)->invariant_bits();
}

class WithoutFloor : public testing::TestWithParam<std::string> {};

/// Greedy answers of one model may part where bits depend on the batch: then a flip alone is no change.
TEST_P(WithoutFloor, ChangedAnswersCountOnlyWhereBitsRepeat) {
  const Workspace work;
  const Outcome done = work.audit("base", "changed", "run", {"--backend", GetParam(), "--baseline-floor", "0"});
  const Json report = done.json();
  const Json& same = delta_row(report, "identical_output_rate");
  EXPECT_LT(at(same, {"value_candidate"}).as_double(), 0.5) << "the models must answer differently for this test";
  const bool repeats = promises_bits(GetParam());
  EXPECT_EQ(at(same, {"verdict"}).as_string(), repeats ? "changed" : "inconclusive");
  EXPECT_EQ(limits_hold(report, "does not promise the same bits"), !repeats);
  EXPECT_EQ(limits_hold(report, "need a measured noise floor (--baseline-floor N)"), !repeats);
  EXPECT_TRUE(limits_hold(report, "no noise floor was measured"));
  EXPECT_EQ(at(delta_row(report, "mean_kld"), {"verdict"}).as_string(), "changed") << "a large divergence stays one";
}

INSTANTIATE_TEST_SUITE_P(Everywhere, WithoutFloor, testing::ValuesIn(backends_here()),
                         [](const auto& tested) { return tested.param; });

TEST(OneTomlRuns, ARunIsNotCarriedOnOnAnotherKindOfDevice) {
  const Workspace work;
  ASSERT_EQ(work.audit("base", "changed", "run", {"--backend", "cpu"}).exit_code, 4);
  edit_json(work / "run/inputs.json", [](Json& inputs) { inputs["device"] = "cuda"; });
  const Outcome again = work.audit("base", "changed", "run", {"--backend", "cpu"});
  EXPECT_EQ(again.exit_code, 2);
  EXPECT_NE(again.err.find("'device' was \"cuda\" and is \"cpu\" now"), std::string::npos) << again.err;
}

TEST(OneTomlRuns, AFallbackIsNamedInTheReport) {
  const std::vector<std::string> built = backends_here();
  if (std::ranges::find(built, "torch") == built.end()) GTEST_SKIP() << "the torch module is not built";
  const std::unique_ptr<AuditRun> run = audit_on({"--backend", "torch", "--device", "cuda,cpu"});
  const bool has_cuda = is_here({"torch", "cuda"});
  for (const Json& row : at(run->report, {"execution"}).items()) {
    EXPECT_EQ(at(row, {"requested_device"}).as_string(), "cuda,cpu");
    EXPECT_EQ(at(row, {"device"}).as_string(), has_cuda ? "cuda:0" : "cpu:0");
  }
  EXPECT_NE(read_text(run->work / "run/report.md").find("(asked for: cuda,cpu)"), std::string::npos);
}

}  // namespace
}  // namespace vauban::test
