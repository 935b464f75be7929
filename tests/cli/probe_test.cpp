// `probe` and `scan`: projections on a measured direction, per layer and per token, as traces with values that can be
// recomputed from the activations of another run.
#include <algorithm>
#include <cmath>
#include <csignal>
#include <limits>
#include <sstream>
#include <unistd.h>

#include "base/result.h"
#include "cli/workspace.h"
#include "format/direction.h"
#include "format/safetensors.h"
#include "format/safetensors_writer.h"
#include "runtime/replay/replay_runtime.h"
#include "trace/trace_json.h"

namespace vauban::test {
namespace {

std::string lines(const std::string& ending, int count, int first = 0) {
  static const char* const kWords[] = {"stone", "river", "lamp", "bread", "winter", "garden", "letter", "engine"};
  std::string out;
  for (int i = first; i < first + count; ++i)
    out += format("the {} and the {} {}{}\n", kWords[i % 8], kWords[(i / 8 + i + 3) % 8],
                  std::string(static_cast<std::size_t>(i % 5), 'o'), ending);
  return out;
}

/// A direction measured on one half of the sentences; the other half is for scoring.
void measure(const Workspace& work) {
  work.write("positive.txt", lines(" zzz", 24));
  work.write("negative.txt", lines(" a", 24));
  work.write("other_positive.txt", lines(" zzz", 12, 24));
  work.write("other_negative.txt", lines(" a", 13, 24));
  const Outcome done = work.run({"measure", "base", "--positive", "positive.txt", "--negative", "negative.txt", "--out",
                                 "d.safetensors", "--json"});
  ASSERT_EQ(done.exit_code, 0) << done.err << done.out;
}

Outcome run(const Workspace& work, const std::string& command, std::vector<std::string> more) {
  std::vector<std::string> args{command, "base", "--direction", "d.safetensors", "--out", "out", "--json"};
  args.insert(args.end(), more.begin(), more.end());
  return work.run(args);
}

std::vector<Trace> stored_traces(const Workspace& work) {
  std::vector<Trace> traces;
  std::istringstream in(read_text(work / "out/traces.jsonl"));
  for (std::string line; std::getline(in, line);) {
    const auto json = Json::parse(line);
    const auto trace = json ? trace_from_json(*json) : Result<Trace>(json.error());
    EXPECT_TRUE(trace) << line.substr(0, 200);
    if (trace) traces.push_back(*trace);
  }
  return traces;
}

/// The rows of resid_post of a layer, as `vauban trace` records them.
std::vector<std::vector<double>> residuals(const Workspace& work, const std::string& text, int layer) {
  const Json answer = work.run({"trace", "base", "--prompt", text, "--observe", format("resid_post:{}:payload", layer),
                                "--out", "look", "--json"})
                          .json();
  std::vector<std::vector<double>> rows;
  for (const Json& artifact : at(answer, {"artifacts"}).items()) {
    if (at(artifact, {"kind"}).as_string() != "activation") continue;
    const auto file = open_safetensors(work / "look" / at(artifact, {"path"}).as_string());
    EXPECT_TRUE(file);
    const auto values = decode_f64((*file)->tensors().front().view);
    EXPECT_TRUE(values);
    for (std::size_t i = 0; i < values->size(); i += 64)
      rows.emplace_back(values->begin() + i, values->begin() + i + 64);
  }
  return rows;
}

double dot(const std::vector<double>& h, const std::vector<float>& d) {
  double sum = 0;
  for (std::size_t i = 0; i < h.size(); ++i) sum += h[i] * static_cast<double>(d[i]);
  return sum;
}
double norm(const std::vector<double>& h) {
  double sum = 0;
  for (const double value : h) sum += value * value;
  return std::sqrt(sum);
}

TEST(Probe, ReportsTheProjectionsThatTheRecordedActivationsHave) {
  const Workspace work;
  measure(work);
  const Outcome done = run(work, "probe", {"--prompt", "Once upon a time", "--positions", "all"});
  ASSERT_EQ(done.exit_code, 0) << done.err << done.out;
  const Json answer = done.json();
  const auto file = read_directions(work / "d.safetensors");
  VB_ASSERT_OK(file);
  ASSERT_EQ(at(answer, {"prompts"}).size(), 1u);
  const Json& prompt = at(answer, {"prompts"}).items().front();
  ASSERT_EQ(at(prompt, {"layers"}).size(), 2u);
  for (const Json& layer : at(prompt, {"layers"}).items()) {
    const int index = static_cast<int>(at(layer, {"layer"}).as_int());
    const auto rows = residuals(work, "Once upon a time", index);
    double projection = 0, cosine = 0;
    for (const auto& h : rows) {
      projection += dot(h, file->find(index)->direction) / static_cast<double>(rows.size());
      cosine += dot(h, file->find(index)->direction) / norm(h) / static_cast<double>(rows.size());
    }
    EXPECT_NEAR(at(layer, {"projection"}).as_double(), projection, 1e-5 * std::abs(projection) + 1e-6);
    EXPECT_NEAR(at(layer, {"cosine"}).as_double(), cosine, 1e-6);
    EXPECT_EQ(at(layer, {"rows"}).as_int(), static_cast<std::int64_t>(rows.size()));
  }
  EXPECT_TRUE(at(answer, {"best"}).is_null()) << "nothing was labelled";
  EXPECT_EQ(read_json(work / "out/probe.json"), answer);
}

TEST(Probe, LeavesOneTracePerPromptThatTheReplayRuntimeOpens) {
  const Workspace work;
  measure(work);
  work.write("texts.jsonl", "{\"text\":\"a river\"}\n{\"prompt\":\"a lamp\\nand bread\"}\n");
  const Outcome done = run(work, "probe", {"--file", "texts.jsonl", "--layers", "1"});
  ASSERT_EQ(done.exit_code, 0) << done.err << done.out;
  const Json answer = done.json();
  VB_EXPECT_OK(ReplayRuntime::open(work / "out/traces.jsonl"));
  const std::vector<Trace> traces = stored_traces(work);
  ASSERT_EQ(traces.size(), 2u);
  for (std::size_t i = 0; i < traces.size(); ++i) {
    EXPECT_EQ(traces[i].id(), at(at(answer, {"prompts"}).items()[i], {"trace_id"}).as_string());
    const auto metrics = traces[i].artifacts_by_kind(ArtifactKind::metric);
    ASSERT_EQ(metrics.size(), 2u) << "projection and norm of the one layer";
    EXPECT_EQ(metrics[0]->artifact_id, "activation_projection.layer_1");
    EXPECT_EQ(metrics[0]->metadata.find("prompt_id")->as_string(), traces[i].id());
    const auto payload = open_safetensors(work / "out" / metrics[0]->payload_path);
    VB_ASSERT_OK(payload);
    const auto values = decode_f32((*payload)->tensors().front().view);
    VB_ASSERT_OK(values);
    const Json& layer = at(at(answer, {"prompts"}).items()[i], {"layers"}).items().front();
    EXPECT_EQ(static_cast<double>(values->front()), at(layer, {"projection"}).as_double()) << "the last row alone";
    EXPECT_TRUE(traces[i].missing().empty());
  }
}

TEST(Probe, ScoresADirectionOnPromptsItWasNotFittedToAndSaysWhenItWas) {
  const Workspace work;
  measure(work);
  const Outcome done = run(
      work, "probe", {"--positive", "other_positive.txt", "--negative", "other_negative.txt", "--bootstraps", "200"});
  ASSERT_EQ(done.exit_code, 0) << done.err << done.out;
  const Json answer = done.json();
  for (const Json& layer : at(answer, {"layers"}).items()) {
    EXPECT_GT(at(layer, {"auroc"}).as_double(), 0.9);
    EXPECT_GT(at(layer, {"cohens_d"}).as_double(), 1.0);
    ASSERT_TRUE(at(layer, {"cohens_d_ci"}).is_array());
    EXPECT_LT(at(layer, {"cohens_d_ci"}).items()[0].as_double(), at(layer, {"cohens_d"}).as_double());
    EXPECT_EQ(at(layer, {"n_positive"}).as_int(), 12);
    EXPECT_EQ(at(layer, {"n_negative"}).as_int(), 13);
  }
  const auto rank = [](const Json& layer) {
    return std::pair(at(layer, {"auroc"}).as_double(), std::abs(at(layer, {"cohens_d"}).as_double()));
  };
  const Json &first = at(answer, {"layers"}).items()[0], &second = at(answer, {"layers"}).items()[1];
  EXPECT_EQ(at(answer, {"best"}).as_int(), rank(first) >= rank(second) ? 0 : 1);
  EXPECT_EQ(at(answer, {"notes"}).size(), 0u);
  const Outcome turned = run(
      work, "probe", {"--positive", "other_negative.txt", "--negative", "other_positive.txt", "--bootstraps", "200"});
  EXPECT_LT(at(at(turned.json(), {"layers"}).items()[0], {"auroc"}).as_double(), 0.1) << "the labels turned around";
  const Outcome fitted = run(work, "probe", {"--positive", "positive.txt", "--negative", "other_negative.txt"});
  EXPECT_NE(fitted.out.find("not held out"), std::string::npos) << fitted.out;
}

TEST(Probe, TheSeedChoosesTheResamplesOfTheIntervals) {
  const Workspace work;
  measure(work);
  const auto interval = [&](const std::string& seed) {
    const Json answer = run(work, "probe", {"--positive", "other_positive.txt", "--negative", "other_negative.txt",
                                            "--bootstraps", "200", "--seed", seed})
                            .json();
    return at(at(answer, {"layers"}).items()[0], {"cohens_d_ci"});
  };
  EXPECT_EQ(interval("1"), interval("1"));
  EXPECT_NE(interval("1"), interval("2"));
}

TEST(Probe, TheSameCommandGivesTheSameAnswerOnEveryThreadCountAndNearlyTheSameOnTheReference) {
  const Workspace work;
  measure(work);
  const Json one = run(work, "probe", {"--file", "other_positive.txt", "--threads", "1"}).json(),
             two = run(work, "probe", {"--file", "other_positive.txt", "--threads", "2"}).json();
  EXPECT_EQ(one, two);
  const Json reference = run(work, "probe", {"--file", "other_positive.txt", "--backend", "reference"}).json();
  for (std::size_t i = 0; i < 2; ++i) {
    const double ours = at(at(one, {"layers"}).items()[i], {"projection", "mean"}).as_double(),
                 exact = at(at(reference, {"layers"}).items()[i], {"projection", "mean"}).as_double();
    EXPECT_NEAR(ours, exact, 1e-4 * std::abs(exact) + 1e-5) << "f32 against f64";
  }
}

TEST(Probe, RefusesWhatItCannotProject) {
  const Workspace work;
  measure(work);
  const auto refused = [&](const std::string& command, std::vector<std::string> more, int code, const char* what) {
    std::vector<std::string> args{command, "base", "--out", "out", "--json"};
    if (std::ranges::find(more, "--direction") == more.end())
      more.insert(more.begin(), {"--direction", "d.safetensors"});
    args.insert(args.end(), more.begin(), more.end());
    const Outcome done = work.run(args);
    EXPECT_EQ(done.exit_code, code) << what << done.out;
    EXPECT_NE(done.out.find(what), std::string::npos) << what << "\n" << done.out;
    EXPECT_FALSE(std::filesystem::exists(work / "out/traces.jsonl")) << what;
  };
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const std::vector<float> bad(64, nan);
  VB_ASSERT_OK(write_safetensors(
      work / "nan.safetensors",
      std::vector<NamedTensorView>{{"direction.0", {DType::f32, {64}, std::as_bytes(std::span(bad))}}}, {}));
  DirectionFile wide;
  wide.layers = {{.layer = 0, .direction = std::vector<float>(32, 1.0F)}};
  VB_ASSERT_OK(write_directions(work / "wide.safetensors", wide));
  wide.layers = {{.layer = 9, .direction = std::vector<float>(64, 1.0F)}};
  VB_ASSERT_OK(write_directions(work / "deep.safetensors", wide));
  work.write("empty.txt", "\n\n");
  for (const char* command : {"probe", "scan"}) {
    refused(command, {"--direction", "nan.safetensors", "--prompt", "x"}, 3, "NaN");
    refused(command, {"--direction", "wide.safetensors", "--prompt", "x"}, 2, "32 values per layer");
    refused(command, {"--direction", "deep.safetensors", "--prompt", "x"}, 2, "layer 9 does not exist");
    refused(command, {"--direction", "absent.safetensors", "--prompt", "x"}, 2, "absent.safetensors");
    refused(command, {"--direction-sha256", std::string(64, '0'), "--prompt", "x"}, 3, "expected SHA-256");
    refused(command, {"--file", "empty.txt"}, 2, "holds no prompt");
    refused(command, {}, 2, "exactly one of --prompt, --ids, --file");
    refused(command, {"--prompt", "x", "--file", "positive.txt"}, 2, "exactly one of --prompt, --ids, --file");
    refused(command, {"--prompt", "x", "--positions", "400-500"}, 2, "no token stands");
    refused(command, {"--prompt", "x", "--site", "attn_pattern"}, 3, "not edited");
    refused(command, {"--prompt", "x", command == std::string("probe") ? "--layers" : "--layer", "7"}, 2,
            "layers 0, 1");
  }
  for (const char* command : {"probe", "scan"}) {
    refused(command, {"--out", "", "--prompt", "x"}, 2, "--out");
  }
  refused("probe", {"--positive", "positive.txt"}, 2, "go together");
  refused("probe", {"--positive", "positive.txt", "--negative", "negative.txt", "--prompt", "x"}, 2, "expected exactly one of");
  refused("probe", {"--prompt", "x", "--site", "embed_out"}, 2, "is there once");
  refused("scan", {"--prompt", "x", "--layer", "some"}, 2, "--layer: expected chosen or a number");
  work.write("one.txt", "a\n");
  refused("probe", {"--positive", "one.txt", "--negative", "negative.txt"}, 2, "at least 2");
  refused("scan", {"--prompt", "x", "--layer", "all"}, 2, "one layer");
  refused("scan", {"--prompt", "x", "--z", "2"}, 2, "--calibrate");
  refused("scan", {"--prompt", "x", "--z", "2", "--threshold", "1", "--calibrate", "positive.txt"}, 2, "both given");
}

TEST(Probe, ASiteThatIsThereOnceTakesOneDirectionAndTheOtherSiteIsNoted) {
  const Workspace work;
  measure(work);
  const Outcome probed = run(work, "probe", {"--prompt", "x", "--site", "embed_out", "--layers", "1"});
  ASSERT_EQ(probed.exit_code, 0) << probed.out;
  EXPECT_NE(probed.out.find("measured at site 'resid_post' and is used at 'embed_out'"), std::string::npos) << probed.out;
  const Outcome scanned = work.run({"scan", "base", "--direction", "d.safetensors", "--prompt", "a lamp", "--site", "embed_out",
                                    "--layer", "1", "--out", "scanned", "--json"});
  ASSERT_EQ(scanned.exit_code, 0) << scanned.out;
  EXPECT_GT(at(at(scanned.json(), {"prompts"}).items().front(), {"tokens"}).size(), 0u);
}

TEST(Probe, EachCommandKeepsOutOfTheFoldersOfTheOthers) {
  const Workspace work;
  measure(work);
  const auto said = [](const Outcome& done) { return format("{} {}{}", done.exit_code, done.out, done.err); };
  EXPECT_EQ(run(work, "probe", {"--prompt", "x"}).exit_code, 0);
  EXPECT_EQ(run(work, "probe", {"--prompt", "y"}).exit_code, 0) << "its own folder is replaced";
  const std::string before = read_text(work / "out/traces.jsonl");
  const Outcome scanned = run(work, "scan", {"--prompt", "x"}),
                traced = work.run({"trace", "base", "--prompt", "x", "--out", "out", "--json"});
  for (const Outcome& refused : {scanned, traced}) {
    EXPECT_EQ(refused.exit_code, 2) << said(refused);
    EXPECT_NE(refused.out.find("would be overwritten or mixed in"), std::string::npos) << said(refused);
  }
  EXPECT_EQ(read_text(work / "out/traces.jsonl"), before);
  std::filesystem::create_directory(work / "mine");
  work.write("mine/notes.txt", "kept");
  EXPECT_EQ(work.run({"trace", "base", "--prompt", "x", "--out", "mine", "--json"}).exit_code, 2);
}

TEST(Probe, StopsOnCtrlCWithoutALoggedTrace) {
  const Workspace work;
  measure(work);
  work.write("many.txt", lines(" zzz", 20000));
  Program program({"probe", "base", "--direction", "d.safetensors", "--file", "many.txt", "--out", "out"}, work.path());
  const auto started = [&] { return std::filesystem::exists(work / "out/artifacts"); };
  while (program.is_running() && !started()) ::usleep(1000);
  program.send(SIGINT);
  EXPECT_EQ(program.wait().exit_code, 130);
  EXPECT_FALSE(std::filesystem::exists(work / "out/traces.jsonl"));
}

/// Equal prompts in each group, so that the mean of a group is that of one prompt's rows.
TEST(Measure, AveragesTheRowsOfAPrompt) {
  const Workspace work;
  const std::string positive = "the lamp and the garden zzz", negative = "the lamp a";
  std::string positives, negatives;
  for (int i = 0; i < 8; ++i) positives += positive + "\n", negatives += negative + "\n";
  work.write("positive.txt", positives);
  work.write("negative.txt", negatives);
  const Outcome done = work.run({"measure", "base", "--positive", "positive.txt", "--negative", "negative.txt",
                                 "--positions", "all", "--out", "d.safetensors", "--json"});
  ASSERT_EQ(done.exit_code, 0) << done.err << done.out;
  const auto file = read_directions(work / "d.safetensors");
  VB_ASSERT_OK(file);
  const LayerDirection& layer = file->layers.back();
  const auto rows = residuals(work, positive, layer.layer);
  ASSERT_GT(rows.size(), 1u);
  for (std::size_t i = 0; i < layer.mean_positive.size(); ++i) {
    double sum = 0;
    for (const std::vector<double>& row : rows) sum += row[i];
    EXPECT_NEAR(layer.mean_positive[i], sum / static_cast<double>(rows.size()), 1e-5 * norm(rows.front()));
  }
}

TEST(Scan, GivesEveryTokenItsPlaceInTheTextAndItsProjection) {
  const Workspace work;
  measure(work);
  const std::string text = "Once upon a time zzz, a café";
  const Outcome done = run(work, "scan", {"--prompt", text, "--threshold", "0"});
  ASSERT_EQ(done.exit_code, 0) << done.err << done.out;
  const Json answer = done.json();
  const Json encoded = work.run({"tokenize", "base", "--text", text, "--json"}).json();
  const auto file = read_directions(work / "d.safetensors");
  VB_ASSERT_OK(file);
  const int layer = static_cast<int>(at(answer, {"layer"}).as_int());
  EXPECT_EQ(layer, *file->chosen);
  const auto rows = residuals(work, text, layer);
  const Json& prompt = at(answer, {"prompts"}).items().front();
  ASSERT_EQ(at(prompt, {"tokens"}).size(), rows.size());
  std::int64_t flagged = 0, in_runs = 0;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const Json& token = at(prompt, {"tokens"}).items()[i];
    EXPECT_EQ(at(token, {"id"}), at(encoded, {"ids"}).items()[i]);
    EXPECT_EQ(at(token, {"piece"}), at(encoded, {"pieces"}).items()[i]);
    EXPECT_EQ(at(token, {"offset"}), at(encoded, {"offsets"}).items()[i]);
    const double projection = dot(rows[i], file->find(layer)->direction);
    EXPECT_NEAR(at(token, {"projection"}).as_double(), projection, 1e-5 * norm(rows[i]));
    EXPECT_NEAR(at(token, {"cosine"}).as_double(), projection / norm(rows[i]), 1e-5);
    EXPECT_TRUE(at(token, {"z"}).is_null());
    EXPECT_EQ(at(token, {"flagged"}).as_bool(), at(token, {"projection"}).as_double() > 0);
    flagged += at(token, {"flagged"}).as_bool();
  }
  EXPECT_EQ(at(prompt, {"flagged_tokens"}).as_int(), flagged);
  for (const Json& found : at(prompt, {"runs"}).items()) {
    in_runs += at(found, {"last"}).as_int() - at(found, {"first"}).as_int() + 1;
    const auto begin = static_cast<std::size_t>(at(found, {"offset"}).items()[0].as_int()),
               end = static_cast<std::size_t>(at(found, {"offset"}).items()[1].as_int());
    if (at(found, {"text"}).is_string()) {
      EXPECT_EQ(at(found, {"text"}).as_string(), text.substr(begin, end - begin));
    }
  }
  EXPECT_EQ(in_runs, flagged);
  EXPECT_EQ(read_json(work / "out/scan.json"), answer);
}

TEST(Scan, WithoutAThresholdNothingIsFlaggedAndItSaysSo) {
  const Workspace work;
  measure(work);
  const Json answer = run(work, "scan", {"--prompt", "Once upon a time"}).json();
  EXPECT_TRUE(at(answer, {"threshold"}).is_null());
  EXPECT_NE(at(answer, {"notes"}).items().at(0).as_string().find("nothing is flagged"), std::string::npos);
  const Json& prompt = at(answer, {"prompts"}).items().front();
  EXPECT_TRUE(at(prompt, {"runs"}).is_null());
  EXPECT_TRUE(at(prompt, {"flagged_tokens"}).is_null());
  for (const Json& token : at(prompt, {"tokens"}).items()) EXPECT_TRUE(at(token, {"flagged"}).is_null());
}

TEST(Scan, CalibrationGivesZScoresOfTheOrdinaryTextsAndFlagsWhatTheyDoNotHave) {
  const Workspace work;
  measure(work);
  work.write("both.jsonl", "{\"text\":\"the bread and the garden zzz\"}\n{\"text\":\"the bread and the garden a\"}\n");
  const Outcome done =
      run(work, "scan", {"--file", "both.jsonl", "--calibrate", "other_negative.txt", "--positions", "1-9999"});
  ASSERT_EQ(done.exit_code, 0) << done.err << done.out;
  const Json answer = done.json();
  EXPECT_EQ(at(answer, {"threshold"}).as_double(), 3);
  EXPECT_EQ(at(answer, {"threshold_of"}).as_string(), "z");
  EXPECT_EQ(at(answer, {"calibration", "prompts"}).as_int(), 13);
  const double mean = at(answer, {"calibration", "mean"}).as_double(),
               std = at(answer, {"calibration", "std"}).as_double();
  for (const Json& prompt : at(answer, {"prompts"}).items())
    for (const Json& token : at(prompt, {"tokens"}).items())
      EXPECT_NEAR(at(token, {"z"}).as_double(), (at(token, {"projection"}).as_double() - mean) / std, 1e-6);  // f32
  const auto last = [&](std::size_t index) {
    return at(at(at(answer, {"prompts"}).items()[index], {"tokens"}).items().back(), {"z"}).as_double();
  };
  EXPECT_GT(last(0), last(1)) << "the direction points to 'zzz'";
  EXPECT_EQ(stored_traces(work).size(), 15u) << "the calibration's traces are kept too";
  // A threshold where z-scores and projections disagree: that of a token, in the middle of the z-scores that there are.
  std::vector<double> scores;
  for (const Json& prompt : at(answer, {"prompts"}).items())
    for (const Json& token : at(prompt, {"tokens"}).items()) scores.push_back(at(token, {"z"}).as_double());
  std::ranges::sort(scores);
  const double threshold = scores[scores.size() * 3 / 4];
  const Json lower = run(work, "scan", {"--file", "both.jsonl", "--calibrate", "other_negative.txt", "--positions",
                                        "1-9999", format("--z={}", threshold)})
                         .json();
  std::size_t flagged = 0;
  for (const Json& prompt : at(lower, {"prompts"}).items()) {
    std::int64_t above = 0;
    for (const Json& token : at(prompt, {"tokens"}).items()) {
      const bool high = at(token, {"z"}).as_double() > threshold;
      EXPECT_EQ(at(token, {"flagged"}).as_bool(), high) << at(token, {"position"}).as_int();
      above += high;
    }
    EXPECT_EQ(at(prompt, {"flagged_tokens"}).as_int(), above);
    flagged += static_cast<std::size_t>(above);
  }
  EXPECT_EQ(flagged, static_cast<std::size_t>(std::ranges::count_if(scores, [&](double z) { return z > threshold; })));
  work.write("flat.txt", "a\n");
  const Outcome flat = run(work, "scan", {"--prompt", "x", "--calibrate", "flat.txt", "--positions", "last"});
  EXPECT_EQ(flat.exit_code, 2) << flat.out;
  EXPECT_NE(flat.out.find("do not vary"), std::string::npos) << flat.out;
}

TEST(Scan, WorksOnIdsAndOnChatMessages) {
  const Workspace work;
  measure(work);
  const Json ids = run(work, "scan", {"--ids", "1,72,104,260", "--threshold", "0"}).json();
  const Json& tokens = at(at(ids, {"prompts"}).items().front(), {"tokens"});
  ASSERT_EQ(tokens.size(), 4u);
  EXPECT_TRUE(at(tokens.items()[0], {"offset"}).is_null());
  EXPECT_TRUE(at(tokens.items()[0], {"piece"}).is_string());
  work.write("base/chat_template.jinja",
             "{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}{% if add_generation_prompt "
             "%}<assistant>{% endif %}");
  const Json chat = run(work, "scan", {"--prompt", "a lamp", "--chat"}).json();
  EXPECT_EQ(at(at(chat, {"prompts"}).items().front(), {"text"}).as_string(), "<user>a lamp<assistant>");
  const Json generated =
      work.run({"generate", "base", "--prompt", "a lamp", "--chat", "--max-tokens", "1", "--json"}).json();
  std::vector<Json> scanned;
  for (const Json& token : at(at(chat, {"prompts"}).items().front(), {"tokens"}).items())
    scanned.push_back(at(token, {"id"}));
  EXPECT_EQ(scanned, at(generated, {"prompt_ids"}).items()) << "the ids that the model answers to";
}

TEST(Scan, TheReadableFormNamesFlaggedTextAndTheTraces) {
  const Workspace work;
  measure(work);
  const Outcome done = work.run({"scan", "base", "--direction", "d.safetensors", "--prompt", "a lamp zzz",
                                 "--threshold", "-1e9", "--out", "out"});
  ASSERT_EQ(done.exit_code, 0) << done.err;
  EXPECT_NE(done.out.find("flagged 0-"), std::string::npos) << done.out;
  EXPECT_NE(done.out.find("a lamp zzz"), std::string::npos) << done.out;
  EXPECT_NE(done.out.find("out/traces.jsonl"), std::string::npos) << done.out;
}

/// The same four commands from a configuration file give what the flags give.
TEST(DirectionToml, MeasureSteerProbeAndScanRunFromAConfigurationFile) {
  const Workspace work;
  measure(work);
  std::filesystem::create_directory(work / "configs");
  const auto same = [&](const std::string& toml, std::vector<std::string> flags) {
    work.write("configs/c.toml", toml);
    const Outcome from_file = work.run({"run", "configs/c.toml", "--json"});
    flags.emplace_back("--json");
    const Outcome from_flags = work.run(flags);
    EXPECT_EQ(from_file.exit_code, 0) << from_file.err << from_file.out;
    EXPECT_EQ(from_flags.exit_code, 0) << from_flags.err << from_flags.out;
    Json a = from_file.json(), b = from_flags.json();
    for (const char* path : {"out", "direction", "traces"}) a[path] = b[path] = Json();
    EXPECT_EQ(a, b);
  };
  same(
      "[common]\nseed = 7\n[measure]\nmodel = \"../base\"\npositive = \"../positive.txt\"\nnegative = "
      "\"../negative.txt\"\nout = \"../e.safetensors\"\nmethod = \"pca\"\ncomponents = 2\n",
      {"measure", "base", "--positive", "positive.txt", "--negative", "negative.txt", "--out", "f.safetensors",
       "--method", "pca", "--components", "2", "--seed", "7"});
  EXPECT_EQ(read_text(work / "e.safetensors"), read_text(work / "f.safetensors"));
  same(
      "[steer]\nmodel = \"../base\"\ndirection = \"../d.safetensors\"\nmode = \"subtract\"\nprompt = \"Once upon\"\n"
      "max_tokens = 4\n",
      {"steer", "base", "--direction", "d.safetensors", "--mode", "subtract", "--prompt", "Once upon", "--max-tokens",
       "4"});
  same(
      "[probe]\nmodel = \"../base\"\ndirection = \"../d.safetensors\"\nfile = \"../other_positive.txt\"\nout = \"p\"\n",
      {"probe", "base", "--direction", "d.safetensors", "--file", "other_positive.txt", "--out", "q"});
  same(
      "[scan]\nmodel = \"../base\"\ndirection = \"../d.safetensors\"\nprompt = \"a lamp\"\nthreshold = 0.5\nout = "
      "\"r\"\n",
      {"scan", "base", "--direction", "d.safetensors", "--prompt", "a lamp", "--threshold", "0.5", "--out", "s"});
  work.write("configs/c.toml", "[scan]\nmodel = \"../base\"\n[probe]\nmodel = \"../base\"\n");
  EXPECT_EQ(work.run({"run", "configs/c.toml", "--json"}).exit_code, 2);
}

}  // namespace
}  // namespace vauban::test
