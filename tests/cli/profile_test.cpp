// `profile`: every axis really varies, work that is not comparable is refused, and --profile adds what costs.
#include <algorithm>
#include <chrono>
#include <csignal>
#include <set>
#include <thread>

#include "base/files.h"
#include "base/result.h"
#include "base/strings.h"
#include "cli/workspace.h"
#include "evidence/sweep.h"
#include "trace/trace_json.h"

namespace vauban::test {
namespace {

using namespace std::chrono_literals;

std::vector<std::string> sweep(const std::string& axis, const std::string& values, std::vector<std::string> more = {}) {
  std::vector<std::string> args{"profile",      "base", "--axis",          axis, "--values", values,
                                "--max-tokens", "6",    "--prompt-tokens", "5",  "--json"};
  args.insert(args.end(), more.begin(), more.end());
  return args;
}

std::vector<Trace> traces_of(const std::filesystem::path& file) {
  std::vector<Trace> traces;
  const std::string text = read_file(file).value();
  for (const std::string_view line : split(text, '\n'))
    if (!line.empty()) traces.push_back(trace_from_json(Json::parse(line).value()).value());
  return traces;
}

class ProfileAxes : public testing::TestWithParam<SweepAxis> {};

TEST_P(ProfileAxes, TheAxisVariesInTheRecordedTraces) {
  const Workspace work;
  const std::string axis(to_string(GetParam()));
  const Outcome done = work.run(sweep(axis, "3,1,4", {"--out", "s"}));
  ASSERT_EQ(done.exit_code, 0) << done.err;
  const Json answer = done.json();
  EXPECT_EQ(answer, read_json(work / "s" / "sweep.json"));
  EXPECT_EQ(at(answer, {"status"}).as_string(), "computed");
  EXPECT_EQ(at(answer, {"metadata", "fit"}).dump().value(), R"({"status":"disabled"})");
  std::vector<std::int64_t> values, requests;
  for (const Json& point : at(answer, {"points"}).items()) {
    values.push_back(at(point, {"axis_value"}).as_int());
    requests.push_back(at(point, {"requests"}).as_int());
    EXPECT_EQ(at(point, {"samples"}).as_int(), 5);
    EXPECT_EQ(at(point, {"total_duration_s", "values"}).size(), 5u);
    EXPECT_GT(at(point, {"decode_tokens_per_second", "mean"}).as_double(), 0);
    EXPECT_GT(at(point, {"prefill_tokens_per_second", "mean"}).as_double(), 0);
  }
  EXPECT_EQ(values, (std::vector<std::int64_t>{1, 3, 4}));
  using Counts = std::vector<std::int64_t>;
  const std::map<SweepAxis, Counts> expected{{SweepAxis::token_count, {1, 1, 1}},
                                             {SweepAxis::batch_size, {1, 3, 4}},
                                             {SweepAxis::queue_depth, {3, 5, 6}}};  // two run, the others wait
  EXPECT_EQ(requests, expected.at(GetParam()));

  // The profiles of the spans themselves vary, and the stored traces give the same sweep again.
  const std::vector<Trace> traces = traces_of(work / "s" / "traces.jsonl");
  std::map<std::int64_t, std::int64_t> widest;
  for (const Trace& trace : traces) {
    const std::int64_t asked = at(trace.parts().metadata, {"request", "sweep", "value"}).as_int();
    const std::int64_t found = sweep_axis_value(trace, GetParam()).value();
    widest[asked] = std::max(widest[asked], found);
  }
  EXPECT_EQ(widest, (std::map<std::int64_t, std::int64_t>{{1, 1}, {3, 3}, {4, 4}}));
  const auto again = summarise_sweep(traces, GetParam(), {.id = axis});
  VB_ASSERT_OK(again);
  const Json recomputed = to_json(*again, disabled(), "");
  EXPECT_EQ(*recomputed.find("points"), at(answer, {"points"}));
}

INSTANTIATE_TEST_SUITE_P(Axis, ProfileAxes,
                         testing::Values(SweepAxis::token_count, SweepAxis::batch_size, SweepAxis::queue_depth),
                         [](const auto& axis) { return std::string(to_string(axis.param)); });

TEST(ProfileCommand, ValuesAreInterleavedAndTheFirstRepetitionIsDropped) {
  const Workspace work;
  ASSERT_EQ(work.run(sweep("batch_size", "1,2,3", {"--out", "s", "--warmup", "2"})).exit_code, 0);
  std::vector<std::pair<std::int64_t, std::int64_t>> order;  // repetition, value
  for (const Trace& trace : traces_of(work / "s" / "traces.jsonl")) {
    const Json& at_run = at(trace.parts().metadata, {"request", "sweep"});
    const std::pair run(at(at_run, {"repetition"}).as_int(), at(at_run, {"value"}).as_int());
    if (order.empty() || order.back() != run) order.push_back(run);
  }
  ASSERT_EQ(order.size(), 21u) << "seven repetitions of three values";
  std::set<std::vector<std::int64_t>> orders;
  for (std::size_t repetition = 0; repetition < 7; ++repetition) {
    std::vector<std::int64_t> values;
    for (std::size_t i = 0; i < 3; ++i) {
      EXPECT_EQ(order[3 * repetition + i].first, static_cast<std::int64_t>(repetition));
      values.push_back(order[3 * repetition + i].second);
    }
    orders.insert(values);
    std::ranges::sort(values);
    EXPECT_EQ(values, (std::vector<std::int64_t>{1, 2, 3}));
  }
  EXPECT_GT(orders.size(), 1u) << "one order for every repetition would let a drift pass for an effect";
  const Json stored = read_json(work / "s" / "sweep.json");
  for (const Json& point : at(stored, {"points"}).items())
    for (const Json& id : at(point, {"trace_ids"}).items()) {
      EXPECT_EQ(id.as_string().find(".run0."), std::string::npos);
      EXPECT_EQ(id.as_string().find(".run1."), std::string::npos);
    }
}

/// Position 6 exists in the longer prompt only, so the activation is missing from the traces of the shorter one.
TEST(ProfileCommand, UnstableCoverageIsRefusedByName) {
  const Workspace work;
  std::vector<std::string> args = sweep("token_count", "3,9", {"--observe", "resid_post:0:summary@6", "--out", "s"});
  *(std::find(args.begin(), args.end(), "--max-tokens") + 1) = "0";
  const Outcome done = work.run(args);
  EXPECT_EQ(done.exit_code, 4) << done.err;
  const Json stored = read_json(work / "s" / "sweep.json");
  EXPECT_EQ(at(stored, {"status"}).as_string(), "not_computed");
  const std::string& reason = at(stored, {"reason"}).as_string();
  EXPECT_NE(reason.find("token_count."), std::string::npos) << reason;
  EXPECT_NE(reason.find("activation"), std::string::npos) << reason;
  EXPECT_EQ(stored.find("points"), nullptr);
  EXPECT_EQ(traces_of(work / "s" / "traces.jsonl").size(), 2u) << "it stops after the repetition that shows it";
}

TEST(ProfileCommand, AFitIsMadeOnlyWhenAskedForAndSaysWhatItCannotTell) {
  const Workspace work;
  const Outcome done = work.run(sweep("batch_size", "1,2,3,4,5", {"--fit", "usl"}));
  ASSERT_EQ(done.exit_code, 0) << done.err;
  const Json answer = done.json();
  const Json& fit = at(answer, {"metadata", "fit"});
  EXPECT_EQ(at(fit, {"rate"}).as_string(), "decode_tokens_per_second");
  for (const char* key : {"lambda", "sigma", "kappa"}) {
    EXPECT_LE(at(fit, {key, "low"}).as_double(), at(fit, {key, "high"}).as_double()) << key;
    EXPECT_GE(at(fit, {key, "low"}).as_double(), 0) << key;
  }
  const bool fitted = at(fit, {"status"}).as_string() == "fitted";
  if (!fitted) {
    EXPECT_EQ(at(fit, {"status"}).as_string(), "not_identifiable");
    EXPECT_TRUE(at(fit, {"n_star"}).is_null());
    EXPECT_TRUE(at(fit, {"reason"}).is_string());
    EXPECT_EQ(at(answer, {"metadata", "reason"}), at(fit, {"reason"}));
  }
  const std::string text =
      work.run({"profile", "base", "--axis", "batch_size", "--values", "1,2,3,4,5", "--fit", "usl"}).out;
  EXPECT_NE(text.find("kappa"), std::string::npos) << text;
}

TEST(ProfileCommand, SaysWhatWasNotObservedAndNotMeasured) {
  const Workspace work;
  std::vector<std::string> args = sweep("token_count", "3", {"--observe", "router_logits:all:summary"});
  *(std::find(args.begin(), args.end(), "--max-tokens") + 1) = "0";
  const Outcome done = work.run(args);
  ASSERT_EQ(done.exit_code, 0) << done.err << done.out.substr(0, 500);
  const Json answer = done.json();
  const Json& missing = at(answer, {"missing"});
  ASSERT_GE(missing.size(), 1u);
  EXPECT_EQ(at(missing.items().front(), {"site"}).as_string(), "router_logits");
  EXPECT_NE(at(missing.items().front(), {"reason"}).as_string(), "");
  const Json& point = at(answer, {"points"}).items().front();
  std::set<std::string> said;
  for (const Json& entry : at(answer, {"not_measured"}).items()) {
    said.insert(at(entry, {"figure"}).as_string());
    EXPECT_TRUE(at(point, {at(entry, {"figure"}).as_string()}).is_null()) << at(entry, {"figure"}).as_string();
  }
  EXPECT_TRUE(said.contains("decode_tokens_per_second")) << "nothing was decoded";
  EXPECT_FALSE(said.contains("prefill_tokens_per_second"));
}

TEST(ProfileCommand, APlanRunsNothing) {
  const Workspace work;
  const Outcome done = work.run(sweep("queue_depth", "0,2", {"--max-batch", "3", "--plan", "--out", "s"}));
  ASSERT_EQ(done.exit_code, 0) << done.err;
  EXPECT_EQ(at(done.json(), {"runs"}).as_int(), 12);
  EXPECT_EQ(at(done.json(), {"requests"}).as_int(), 6 * (3 + 5));
  EXPECT_FALSE(std::filesystem::exists(work / "s"));
}

TEST(ProfileCommand, BadInputIsRefusedBeforeAnythingRuns) {
  const Workspace work;
  const auto refused = [&](const std::vector<std::string>& args, std::string_view expected) {
    const Outcome done = work.run(args);
    EXPECT_EQ(done.exit_code, 2) << join(args, " ") << "\n" << done.out << done.err;
    EXPECT_NE((done.out + done.err).find(expected), std::string::npos) << done.out << done.err;
  };
  refused(sweep("token_count", "3,5", {"--samples", "4"}), "samples");
  refused(sweep("batch_size", "1,2,3,4", {"--fit", "usl"}), "5 distinct");
  refused(sweep("queue_depth", "0,1,2,3,4", {"--fit", "usl"}), "starts at 1");
  refused(sweep("token_count", "3,100000"), "context of the model");
  refused(sweep("token_count", "0,3"), "starts at 1");
  refused(sweep("token_count", "3,3"), "twice");
  refused(sweep("layers", "1,2"), "queue_depth");
  refused(sweep("token_count", "3,5", {"--profile", "prefil"}), "batch, prefill, observe");
  refused(sweep("token_count", "3,5", {"--prompt", "a", "--ids", "1,2"}), "both given");
  std::filesystem::create_directory(work / "taken");
  work.write("taken/trace.json", "{}");
  refused(sweep("token_count", "3,5", {"--out", "taken"}), "'trace.json' would be overwritten");
  refused(sweep("token_count", "3,5", {"--observe", "resid_pst:all:summary"}), "resid_post");
}

/// 30,000 bytes hold three pages of the key/value cache, and a request needs one.
TEST(ProfileCommand, ABatchThatDoesNotFitIsNotPassedOffAsOne) {
  const Workspace work;
  const Outcome done = work.run(sweep("batch_size", "1,6", {"--memory", "30000", "--out", "s"}));
  EXPECT_EQ(done.exit_code, 3) << done.out;
  EXPECT_NE(done.out.find("the engine ran at"), std::string::npos) << done.out;
  EXPECT_EQ(at(read_json(work / "s" / "sweep.json"), {"status"}).as_string(), "not_computed");
}

TEST(ProfileCommand, AnInterruptedSweepSaysSoAndGivesNoNumbers) {
  const Workspace work;
  Program program(sweep("token_count", "3,5", {"--samples", "50000", "--out", "s"}), work.path());
  for (int i = 0; i < 3000 && !std::filesystem::exists(work / "s" / "artifacts"); ++i)
    std::this_thread::sleep_for(10ms);
  std::this_thread::sleep_for(50ms);
  program.send(SIGINT);
  const Outcome stopped = program.wait();
  EXPECT_EQ(stopped.exit_code, 130) << stopped.out << stopped.err;
  const Json stored = read_json(work / "s" / "sweep.json");
  EXPECT_EQ(at(stored, {"status"}).as_string(), "not_computed");
  EXPECT_NE(at(stored, {"reason"}).as_string().find("of 100002 runs"), std::string::npos);
  EXPECT_EQ(stored.find("points"), nullptr);
}

/// On a host there is no device time; samples of the steps and the peak of the process cost, and come only when asked
/// for.
TEST(ProfileFlag, AddsWhatCostsToTraceAndGenerate) {
  const Workspace work;
  const std::vector<std::string> trace{"trace",  "base",  "--prompt", "Once upon a time", "--max-tokens", "4",
                                       "--json", "--out", "t"};
  const auto samples = [](const Json& spans, std::string_view stage) {
    for (const Json& span : spans.items())
      if (at(span, {"name"}).as_string() == stage) return at(span, {"profile", "step_duration_s"}).size();
    return std::size_t{1000};
  };
  const auto with = [](std::vector<std::string> args, const std::string& stages) {
    args.insert(args.end(), {"--profile", stages});
    return args;
  };
  const Json plain = work.run(trace).json(), decoded = work.run(with(trace, "decode")).json();
  EXPECT_EQ(samples(at(plain, {"spans"}), "decode"), 0u);
  EXPECT_EQ(samples(at(decoded, {"spans"}), "decode"), 4u);
  EXPECT_EQ(samples(at(decoded, {"spans"}), "prefill"), 0u);
  const Outcome wrong = work.run(with(trace, "decoding"));
  EXPECT_EQ(wrong.exit_code, 2);
  EXPECT_NE((wrong.out + wrong.err).find("batch, prefill, observe, intervene, decode, score"), std::string::npos);

  const std::vector<std::string> generate{"generate",     "base", "--prompt", "Once upon a time",
                                          "--max-tokens", "4",    "--json"};
  const Json streamed = work.run(generate).json(), profiled = work.run(with(generate, "all")).json();
  for (const char* key : {"text", "ids", "prompt_ids", "finish_reason"})
    EXPECT_EQ(at(profiled, {key}), at(streamed, {key})) << key;
  EXPECT_EQ(streamed.find("profile"), nullptr);
  EXPECT_GT(at(profiled, {"profile"}).size(), 3u);
  EXPECT_NE(work.run({"man", "profile"}).out.find("host_peak_bytes (bytes, costs): prefill decode"), std::string::npos);
}

}  // namespace
}  // namespace vauban::test
