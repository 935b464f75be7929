// `measure` and `steer`: a direction is measured on real activations, saved with where it came from, and what it does
// to an answer is measured too.
#include <algorithm>
#include <cmath>

#include "base/result.h"
#include "base/rng.h"
#include "cli/workspace.h"
#include "format/direction.h"
#include "format/safetensors.h"
#include "format/safetensors_writer.h"

namespace vauban::test {
namespace {

std::string lines(const std::string& ending, int count = 24) {
  static const char* const kWords[] = {"stone", "river", "lamp", "bread", "winter", "garden", "letter", "engine"};
  std::string out;
  for (int i = 0; i < count; ++i)
    out += format("the {} and the {} {}{}\n", kWords[i % 8], kWords[(i / 8 + i + 3) % 8],
                  std::string(static_cast<std::size_t>(i % 5), 'o'), ending);
  return out;
}

void write_prompts(const Workspace& work) {
  work.write("positive.txt", lines(" zzz"));
  work.write("negative.txt", lines(" a"));
}

std::vector<std::string> measure(const std::string& out, std::vector<std::string> more = {}) {
  std::vector<std::string> args{"measure",      "base",  "--positive", "positive.txt", "--negative",
                                "negative.txt", "--out", out,          "--json"};
  args.insert(args.end(), more.begin(), more.end());
  return args;
}

std::vector<std::string> steer(const std::string& direction, std::vector<std::string> more) {
  std::vector<std::string> args{"steer",        "base", "--direction", direction, "--prompt", "Once upon a time",
                                "--max-tokens", "6",    "--json"};
  args.insert(args.end(), more.begin(), more.end());
  return args;
}

const Json& first_effect(const Json& answer) { return at(answer, {"effect"}).items().front(); }

TEST(Measure, FindsWhatSeparatesTwoGroupsAndSaysWhereItCameFrom) {
  const Workspace work;
  write_prompts(work);
  const Outcome done = work.run(measure("d.safetensors"));
  ASSERT_EQ(done.exit_code, 0) << done.err << done.out;
  const Json answer = done.json();
  ASSERT_EQ(at(answer, {"layers"}).size(), 2u);
  for (const Json& layer : at(answer, {"layers"}).items()) {
    for (const char* key : {"auroc", "cohens_d", "stability", "norm", "n_train", "n_heldout"})
      EXPECT_TRUE(at(layer, {key}).is_number()) << key;
    for (const char* key : {"auroc_random", "auroc_shuffled", "cohens_d_random", "cohens_d_shuffled"})
      EXPECT_TRUE(at(layer, {key, "high"}).is_number()) << key;
    EXPECT_EQ(at(layer, {"n_train"}).as_int(), 24);
    EXPECT_GT(at(layer, {"auroc"}).as_double(), 0.95) << "the last tokens of the two groups differ";
  }
  const auto file = read_directions(work / "d.safetensors");
  VB_ASSERT_OK(file);
  EXPECT_EQ(file->digest, at(answer, {"digest"}).as_string());
  EXPECT_EQ(file->chosen, at(answer, {"chosen"}).as_int());
  EXPECT_EQ(file->width(), 64);
  EXPECT_EQ(file->provenance.at("model_digest"), at(answer, {"model_digest"}).as_string());
  for (const char* key :
       {"positive_sha256", "negative_sha256", "site", "positions", "method", "seed", "scores", "tool"})
    EXPECT_TRUE(file->provenance.contains(key)) << key;
  for (const LayerDirection& layer : file->layers) {
    double length = 0, along = 0;
    for (std::size_t i = 0; i < layer.direction.size(); ++i) {
      const double value = layer.direction[i];
      length += value * value;
      along += value * (static_cast<double>(layer.mean_positive[i]) - static_cast<double>(layer.mean_negative[i]));
    }
    EXPECT_NEAR(length, 1, 1e-5);
    EXPECT_NEAR(along, layer.norm, 1e-4 * layer.norm) << "the direction is that of the difference of the saved means";
  }
}

TEST(Measure, EqualInputsGiveEqualFiles) {
  const Workspace work;
  write_prompts(work);
  EXPECT_EQ(work.run(measure("a.safetensors")).exit_code, 0);
  EXPECT_EQ(work.run(measure("b.safetensors", {"--threads", "1"})).exit_code, 0);
  EXPECT_EQ(work.run(measure("c.safetensors", {"--seed", "9"})).exit_code, 0);
  const auto files = files_below(work.path());
  EXPECT_EQ(files.at("a.safetensors"), files.at("b.safetensors"));
  EXPECT_NE(files.at("a.safetensors"), files.at("c.safetensors")) << "another split";
}

TEST(Measure, SaysWhenTheDirectionIsNoBetterThanChance) {
  const Workspace work;
  work.write("positive.txt", lines(" a", 20));
  std::string other = lines(" a", 40);
  work.write("negative.txt", other.substr(lines(" a", 20).size()));
  const Outcome done = work.run(measure("d.safetensors"));
  ASSERT_EQ(done.exit_code, 0) << done.err;
  std::string notes;
  const Json answer = done.json();
  for (const Json& note : at(answer, {"notes"}).items()) notes += note.as_string() + "\n";
  EXPECT_NE(notes.find("no better than"), std::string::npos) << done.out;
}

/// A prompt on both sides of the split, or in both groups, makes held-out scores mean less.
TEST(Measure, SaysWhenPromptsRepeatOrStandInBothGroups) {
  const Workspace work;
  work.write("positive.txt", lines(" zzz") + "the same twice\nthe same twice\n");
  work.write("negative.txt", lines(" a") + "the same twice\n");
  const Outcome done = work.run(measure("d.safetensors"));
  ASSERT_EQ(done.exit_code, 0) << done.err << done.out;
  EXPECT_NE(done.out.find("prompts repeat an earlier one"), std::string::npos) << done.out;
  EXPECT_NE(done.out.find("1 prompts stand in both groups"), std::string::npos) << done.out;
}

TEST(Measure, ReadsJsonLinesAndOtherSitesAndMethods) {
  const Workspace work;
  std::string positive, negative;
  for (int i = 0; i < 8; ++i) {
    positive += format("{{\"text\":\"the {} zzz\",\"id\":{}}}\n", i * 7, i);
    negative += format("{{\"prompt\":\"the {} a\"}}\n", i * 7);
  }
  work.write("positive.txt", positive);
  work.write("negative.txt", negative);
  const Outcome done = work.run(
      measure("d.safetensors", {"--site", "mlp_out", "--method", "pca", "--components", "2", "--positions", "all"}));
  ASSERT_EQ(done.exit_code, 0) << done.err << done.out;
  const auto file = read_directions(work / "d.safetensors");
  VB_ASSERT_OK(file);
  EXPECT_EQ(file->site(), "mlp_out");
  EXPECT_EQ(file->layers.front().basis.size(), 128u);
  const Outcome removed = work.run(steer("d.safetensors", {"--mode", "subspace_remove", "--layers", "all"}));
  ASSERT_EQ(removed.exit_code, 0) << removed.err << removed.out;
  EXPECT_EQ(at(removed.json(), {"effect"}).size(), 2u);
  EXPECT_EQ(at(removed.json(), {"site"}).as_string(), "mlp_out") << "the site that was measured";
}

TEST(Measure, ChatLinesAndConversationsAreTheSamePrompts) {
  const Workspace work;
  work.write("base/chat_template.jinja",
             "{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}{% if add_generation_prompt "
             "%}<assistant>{% endif %}");
  const auto conversation = [](std::string_view text) {
    return format("{{\"messages\":[{{\"role\":\"user\",\"content\":\"{}\"}}]}}\n", text);
  };
  std::string plain[2], messages[2];
  for (int i = 0; i < 16; ++i) {
    const std::string text = format("the {} {}", i * 7, i % 2 ? "zzz" : "a");
    plain[i % 2] += text + "\n";
    messages[i % 2] += conversation(text);
  }
  const auto direction = [&](const std::string(&group)[2], std::vector<std::string> more) {
    work.write("positive.txt", group[1]);
    work.write("negative.txt", group[0]);
    more.insert(more.end(), {"--positions", "all"});
    const Outcome done = work.run(measure("d.safetensors", more));
    EXPECT_EQ(done.exit_code, 0) << done.err << done.out;
    const auto file = read_directions(work / "d.safetensors");
    EXPECT_TRUE(file);
    return file ? file->layers.back().direction : std::vector<float>();
  };
  const std::vector<float> chat = direction(plain, {"--chat"});
  EXPECT_EQ(chat, direction(messages, {}));
  EXPECT_NE(chat, direction(plain, {})) << "without the template";
}

TEST(Measure, RefusesWhatCannotBeMeasured) {
  const Workspace work;
  write_prompts(work);
  const auto refused = [&](const std::vector<std::string>& args, const char* what) {
    const Outcome done = work.run(args);
    EXPECT_EQ(done.exit_code, 2) << what << done.out;
    EXPECT_NE(done.out.find(what), std::string::npos) << done.out;
    EXPECT_FALSE(std::filesystem::exists(work / "d.safetensors"));
  };
  refused(measure("d.safetensors", {"--site", "attn_pattern"}), "one vector of activations per token");
  refused(measure("d.safetensors", {"--positions", "decode"}), "--max-tokens");
  refused(measure("d.safetensors", {"--components", "2"}), "--method pca");
  refused(measure("d.gguf", {"--site", "mlp_out"}), "resid_post");
  for (const char* out : {"d.bin", "d", "d.safetensors.txt"}) refused(measure(out), "to end in .safetensors or .gguf");
  std::filesystem::create_directory(work / "folder.safetensors");
  refused(measure("folder.safetensors"), "found a folder");
  refused(measure("nowhere/d.safetensors"), "nowhere");
  refused(measure("d.GGUF", {"--site", "mlp_out"}), "resid_post");
  work.write("positive.txt", "one\ntwo\n\nthree\n");
  refused(measure("d.safetensors"), "at least 4 prompts, found 3");
  work.write("positive.txt", lines(" a"));
  refused(measure("d.safetensors"), "same mean");
  work.write("positive.jsonl", "{\"text\":\"a\"}\n{\"words\":\"b\"}\n");
  const Outcome bad = work.run({"measure", "base", "--positive", "positive.jsonl", "--negative", "negative.txt",
                                "--out", "d.safetensors", "--json"});
  EXPECT_EQ(bad.exit_code, 3);
  EXPECT_NE(bad.out.find("positive.jsonl:2"), std::string::npos) << bad.out;
}

TEST(Steer, AlphaZeroLeavesEveryBit) {
  const Workspace work;
  write_prompts(work);
  ASSERT_EQ(work.run(measure("d.safetensors")).exit_code, 0);
  for (const char* mode : {"subtract", "add", "clamp", "offset"}) {
    const Outcome done = work.run(steer("d.safetensors", {"--mode", mode, "--alpha", "0", "--layers", "all"}));
    ASSERT_EQ(done.exit_code, 0) << mode << done.err << done.out;
    EXPECT_TRUE(at(done.json(), {"same_bits"}).as_bool()) << mode;
    EXPECT_EQ(at(done.json(), {"text"}).as_string(), at(done.json(), {"baseline_text"}).as_string());
    EXPECT_EQ(at(done.json(), {"notes"}).size(), 0u) << "no change was asked for";
  }
}

TEST(Steer, AnOffsetMovesTheProjectionByAlphaDifferencesInPrefillAndInDecoding) {
  const Workspace work;
  write_prompts(work);
  const Json measured = work.run(measure("d.safetensors")).json();
  const auto file = read_directions(work / "d.safetensors");
  VB_ASSERT_OK(file);
  const double norm = static_cast<double>(file->find(*file->chosen)->norm);
  for (const double alpha : {-2.0, 0.5, 3.0}) {
    const Outcome done = work.run(steer("d.safetensors", {"--mode", "offset", "--alpha", format("{}", alpha)}));
    ASSERT_EQ(done.exit_code, 0) << done.err << done.out;
    const Json answer = done.json();
    ASSERT_EQ(at(answer, {"effect"}).size(), 1u);
    const Json& effect = first_effect(answer);
    EXPECT_EQ(at(effect, {"layer"}).as_int(), at(measured, {"chosen"}).as_int());
    EXPECT_NEAR(at(effect, {"requested"}).as_double(), alpha * norm, 1e-5 * norm);
    EXPECT_NEAR(at(effect, {"measured"}).as_double(), alpha * norm, 1e-4 * norm) << "f32 activations";
    EXPECT_GT(at(effect, {"prompt_rows"}).as_int(), 0);
    EXPECT_GT(at(effect, {"decoded_rows"}).as_int(), 0);
    EXPECT_FALSE(at(answer, {"same_bits"}).as_bool());
    EXPECT_EQ(at(answer, {"direction_digest"}).as_string(), at(measured, {"digest"}).as_string());
  }
}

TEST(Steer, SubtractRemovesTheComponentAndAControlVectorActsAsItsOffset) {
  const Workspace work;
  write_prompts(work);
  ASSERT_EQ(work.run(measure("d.safetensors")).exit_code, 0);
  const Json removed = work.run(steer("d.safetensors", {"--mode", "subtract", "--layers", "0-1"})).json();
  ASSERT_EQ(at(removed, {"effect"}).size(), 2u);
  for (const Json& effect : at(removed, {"effect"}).items()) {
    EXPECT_NEAR(at(effect, {"projection_after"}).as_double(), 0, 1e-5);
    EXPECT_EQ(at(effect, {"requested"}).as_double(), -at(effect, {"projection_before"}).as_double());
    EXPECT_NEAR(at(effect, {"measured"}).as_double(), at(effect, {"requested"}).as_double(), 1e-5);
  }
  const Outcome vector = work.run(measure("d.gguf"));
  ASSERT_EQ(vector.exit_code, 0) << vector.err << vector.out;
  EXPECT_NE(vector.out.find("layer 0 has no place"), std::string::npos);
  const Json ours = work.run(steer("d.safetensors", {"--mode", "offset", "--layers", "1", "--alpha", "2"})).json();
  const Json theirs = work.run(steer("d.gguf", {"--mode", "offset", "--layers", "1", "--alpha", "2"})).json();
  EXPECT_EQ(at(ours, {"logits_sha256"}), at(theirs, {"logits_sha256"}));
  EXPECT_FALSE(at(ours, {"same_bits"}).as_bool());
}

TEST(Steer, ADirectionOfAnotherModelIsNoted) {
  const Workspace work;
  write_prompts(work);
  ASSERT_EQ(work.run(measure("d.safetensors")).exit_code, 0);
  std::vector<std::string> args = steer("d.safetensors", {"--mode", "offset"});
  const std::string note = "measured on another model";
  EXPECT_EQ(work.run(args).out.find(note), std::string::npos);
  args[1] = "changed";
  const Outcome other = work.run(args);
  EXPECT_NE(other.out.find(note), std::string::npos) << other.out << other.err;
}

TEST(Steer, AnotherSiteAndAnotherLengthThanMeasuredAreNoted) {
  const Workspace work;
  write_prompts(work);
  ASSERT_EQ(work.run(measure("d.safetensors")).exit_code, 0);
  const Outcome other = work.run(steer("d.safetensors", {"--mode", "offset", "--site", "embed_out", "--layers", "1"}));
  ASSERT_EQ(other.exit_code, 0) << other.out;
  EXPECT_NE(other.out.find("measured at site 'resid_post' and is used at 'embed_out'"), std::string::npos) << other.out;
  EXPECT_EQ(at(other.json(), {"effect"}).size(), 1u);
  DirectionFile twice;
  twice.layers = {{.layer = 0, .direction = std::vector<float>(64, 0.25F)}};
  VB_ASSERT_OK(write_directions(work / "twice.safetensors", twice));
  const std::string note = "direction.0 has length 2 in the file";
  EXPECT_NE(work.run(steer("twice.safetensors", {"--mode", "subtract"})).out.find(note), std::string::npos);
  EXPECT_EQ(work.run(steer("twice.safetensors", {"--mode", "offset"})).out.find(note), std::string::npos) << "it keeps its length";
}

/// Norms and attention cannot square it, so what came out would be no effect of the direction.
TEST(Steer, AnAlphaThatOverflowsIsRefusedByTheNameOfTheEditOnEveryBackend) {
  const Workspace work;
  write_prompts(work);
  ASSERT_EQ(work.run(measure("d.safetensors")).exit_code, 0);
  for (const char* backend : {"reference", "cpu"})
    for (const char* mode : {"add", "offset"}) {
      const Outcome done = work.run(steer("d.safetensors", {"--mode", mode, "--alpha", "1e25", "--backend", backend}));
      EXPECT_EQ(done.exit_code, 2) << backend << done.out;
      for (const char* word : {"'steer'", "alpha 1e+25", "resid_post", "smaller alpha"})
        EXPECT_NE(done.out.find(word), std::string::npos) << word << done.out;
    }
}

TEST(Steer, AFileThatEditsTwiceByMistakeIsRefused) {
  const Workspace work;
  write_prompts(work);
  ASSERT_EQ(work.run(measure("d.safetensors")).exit_code, 0);
  const std::string table = "[[interventions]]\nname = 'a'\ndirection_file = 'd.safetensors'\n";
  const auto refused = [&](const std::string& toml, const char* what) {
    work.write("edits.toml", toml);
    const Outcome done = work.run({"trace", "base", "--prompt", "x", "--intervene", "edits.toml", "--out", "t", "--json"});
    EXPECT_EQ(done.exit_code, 2) << done.out;
    EXPECT_NE(done.out.find(what), std::string::npos) << done.out;
  };
  refused(table + "layers = [1, 0, 1]\n", "1 is given twice");
  refused(table + "layers = [0]\n" + table + "layers = [1]\n", "two interventions are named 'a'");
  refused(table + "site = 'final_norm_out'\n", "'final_norm_out' is there once");
}

TEST(Steer, AnEditThatMeetsNothingIsReportedNotPassedOff) {
  const Workspace work;
  write_prompts(work);
  ASSERT_EQ(work.run(measure("d.safetensors")).exit_code, 0);
  const Outcome nowhere = work.run(steer("d.safetensors", {"--mode", "offset", "--positions", "500-600"}));
  EXPECT_EQ(nowhere.exit_code, 1) << nowhere.out;
  EXPECT_TRUE(at(nowhere.json(), {"no_op"}).as_bool());
  EXPECT_NE(nowhere.out.find("met no row"), std::string::npos) << nowhere.out;
  const Outcome inside = work.run(steer("d.safetensors", {"--mode", "clamp", "--lo", "-1e6", "--hi", "1e6"}));
  EXPECT_EQ(inside.exit_code, 1) << "nothing lies outside these bounds";
  EXPECT_TRUE(at(first_effect(inside.json()), {"no_op"}).as_bool());
  EXPECT_TRUE(at(inside.json(), {"same_bits"}).as_bool());
}

TEST(Steer, RefusesFilesAndLayersThatDoNotFit) {
  const Workspace work;
  write_prompts(work);
  ASSERT_EQ(work.run(measure("d.safetensors")).exit_code, 0);
  const auto refused = [&](const std::string& file, std::vector<std::string> more, int code, const char* what) {
    const Outcome done = work.run(steer(file, std::move(more)));
    EXPECT_EQ(done.exit_code, code) << what << done.out;
    EXPECT_NE(done.out.find(what), std::string::npos) << done.out;
  };
  refused("d.safetensors", {"--layers", "7"}, 2, "holds layers 0, 1");
  refused("d.safetensors", {"--layers", "some"}, 2, "expected all, chosen");
  refused("d.safetensors", {"--direction-sha256", std::string(64, '0')}, 3, "expected SHA-256");
  refused("absent.safetensors", {}, 2, "absent.safetensors");
  DirectionFile wide;
  wide.layers = {{.layer = 0, .direction = std::vector<float>(32, 1.0F)}};
  VB_ASSERT_OK(write_directions(work / "wide.safetensors", wide));
  refused("wide.safetensors", {}, 2, "64");
  refused("wide.safetensors", {}, 2, "'wide.safetensors' has 32 values per layer");
  refused("d.safetensors", {"--site", "embed_out", "--layers", "all"}, 2, "'embed_out' is there once");
  const auto raw = [&](const std::string& file, const std::string& name, const std::vector<float>& values,
                       Shape shape) {
    const std::vector<float> direction(64, 0.125F);
    VB_ASSERT_OK(write_safetensors(
        work / file,
        std::vector<NamedTensorView>{{"direction.0", {DType::f32, {64}, std::as_bytes(std::span(direction))}},
                                     {name, {DType::f32, shape, std::as_bytes(std::span(values))}}},
        {}));
  };
  std::vector<float> slanted(128, 0.0F);
  slanted[0] = slanted[64] = 1.0F;
  slanted[65] = 0.5F;
  raw("slanted.safetensors", "basis.0", slanted, {2, 64});
  refused("slanted.safetensors", {"--layers", "0", "--mode", "subspace_remove"}, 3, "orthonormal rows");
  raw("nan.safetensors", "direction.1", std::vector<float>(64, std::nanf("")), {64});
  refused("nan.safetensors", {"--layers", "0"}, 3, "NaN");
  wide.layers = {{.layer = 9, .direction = std::vector<float>(64, 1.0F)}};
  VB_ASSERT_OK(write_directions(work / "deep.safetensors", wide));
  refused("deep.safetensors", {}, 2, "layer 9 does not exist");
}

TEST(Steer, ARandomDirectionOfTheSameLengthIsAnotherEditOfTheSameSize) {
  const Workspace work;
  write_prompts(work);
  ASSERT_EQ(work.run(measure("d.safetensors")).exit_code, 0);
  const auto with = [&](std::vector<std::string> more) {
    std::vector<std::string> args{"--mode", "offset", "--alpha", "2"};
    args.insert(args.end(), more.begin(), more.end());
    const Outcome done = work.run(steer("d.safetensors", args));
    EXPECT_EQ(done.exit_code, 0) << done.err << done.out;
    return done.json();
  };
  const Json real = with({}), one = with({"--random-seed", "1"}), again = with({"--random-seed", "1"});
  const Json two = with({"--random-seed", "2"});
  EXPECT_EQ(at(one, {"logits_sha256"}), at(again, {"logits_sha256"}));
  EXPECT_NE(at(one, {"logits_sha256"}), at(two, {"logits_sha256"}));
  EXPECT_NE(at(one, {"logits_sha256"}), at(real, {"logits_sha256"}));
  const double size = at(first_effect(real), {"delta_norm"}).as_double();
  EXPECT_NEAR(at(first_effect(one), {"delta_norm"}).as_double(), size, 1e-4 * size);
}

/// The steered candidate of an audit: one intervention per layer, each with its own direction.
TEST(Steer, AnInterventionFileTakesEachLayersDirectionFromAMeasuredFile) {
  const Workspace work;
  write_prompts(work);
  const Json measured = work.run(measure("d.safetensors")).json();
  const std::string file =
      "[[interventions]]\nname = \"push\"\nmode = \"offset\"\nalpha = 2.0\ndirection_file = "
      "\"d.safetensors\"\ndirection_sha256 = \"";
  work.write("edit.toml", file + at(measured, {"digest"}).as_string() + "\"\n");
  const std::vector<std::string> trace{"trace",       "base",      "--prompt",  "Once upon a time",
                                       "--intervene", "edit.toml", "--observe", "logits:payload@last",
                                       "--out",       "t",         "--json"};
  const Outcome done = work.run(trace);
  ASSERT_EQ(done.exit_code, 0) << done.err << done.out;
  std::vector<std::string> names;
  const Json answer = done.json();
  for (const Json& artifact : at(answer, {"artifacts"}).items())
    if (at(artifact, {"kind"}).as_string() == "intervention_result") {
      names.push_back(at(artifact, {"metadata", "name"}).as_string());
      EXPECT_EQ(at(artifact, {"metadata", "direction_digest"}).as_string(), at(measured, {"digest"}).as_string());
      EXPECT_EQ(at(artifact, {"metadata", "effect"}).as_string(), "changed");
    }
  EXPECT_EQ(names, (std::vector<std::string>{"push.0", "push.1"}));
  work.write("edit.toml", file + std::string(64, 'a') + "\"\n");
  const Outcome other = work.run(trace);
  EXPECT_EQ(other.exit_code, 3) << other.out;
  EXPECT_NE(other.out.find("expected SHA-256"), std::string::npos);
  work.write("edit.toml", "[[interventions]]\nname = \"push\"\nlayers = [5]\ndirection_file = \"d.safetensors\"\n");
  const Outcome absent = work.run(trace);
  EXPECT_EQ(absent.exit_code, 2) << absent.out;
  EXPECT_NE(absent.out.find("it has layers 0, 1"), std::string::npos) << absent.out;
}

TEST(Steer, AnAuditOfASteeredCandidateSeesTheChange) {
  const Workspace work;
  write_prompts(work);
  ASSERT_EQ(work.run(measure("d.safetensors")).exit_code, 0);
  work.write("suite.toml", small_suite());
  work.write("edit.toml",
             "[[interventions]]\nname = \"push\"\nmode = \"offset\"\nalpha = 6.0\nlayers = [1]\ndirection_file = "
             "\"d.safetensors\"\n");
  const Outcome steered = work.audit("base", "base", "run", {"--intervene", "edit.toml"});
  ASSERT_LE(steered.exit_code, 4) << steered.err;
  const Json report = steered.json();
  EXPECT_LT(at(delta_row(report, "identical_output_rate"), {"value_candidate"}).as_double(), 1.0) << steered.err;
  ASSERT_EQ(at(report, {"intervention_results"}).size(), 1u);
  const Json& edit = at(report, {"intervention_results"}).items().front();
  EXPECT_EQ(at(edit, {"with_effect"}).as_int(), at(edit, {"answers"}).as_int());
}

/// The gate's direction is another file's; where it opens can be counted by scanning the text for it.
TEST(Steer, AConditionalOpensByTheDirectionOfItsOwnGateFile) {
  const Workspace work;
  write_prompts(work);
  ASSERT_EQ(work.run(measure("d.safetensors")).exit_code, 0);
  ASSERT_EQ(work.run(measure("g.safetensors", {"--seed", "5", "--method", "pca"})).exit_code, 0);
  const std::string text = "Once upon a time";
  const Json scanned = work.run({"scan", "base", "--direction", "g.safetensors", "--layer", "1", "--prompt", text,
                                 "--out", "s", "--json"})
                           .json();
  std::vector<double> on_gate;
  for (const Json& token : at(at(scanned, {"prompts"}).items().front(), {"tokens"}).items())
    on_gate.push_back(at(token, {"projection"}).as_double());
  std::vector<double> sorted = on_gate;
  std::ranges::sort(sorted);
  const double tau = (sorted[sorted.size() / 2 - 1] + sorted[sorted.size() / 2]) / 2;  // opens for half of the tokens
  const auto gated = [&](std::vector<std::string> more) {
    std::vector<std::string> args{"steer",  "base",        "--direction", "d.safetensors",   "--prompt",
                                  text,     "--layers",    "1",           "--max-tokens",    "0",
                                  "--mode", "conditional", "--tau",       format("{}", tau), "--json"};
    args.insert(args.end(), more.begin(), more.end());
    return work.run(args);
  };
  const Outcome done = gated({"--gate", "g.safetensors", "--inner-mode", "offset"});
  ASSERT_EQ(done.exit_code, 0) << done.err << done.out;
  EXPECT_EQ(at(first_effect(done.json()), {"gate_open_count"}).as_int(),
            std::ranges::count_if(on_gate, [&](double p) { return p > tau; }));
  EXPECT_EQ(at(first_effect(done.json()), {"rows"}).as_int(), std::ssize(on_gate));
  const auto refused = [&](const Outcome& outcome, int code, const char* what) {
    EXPECT_EQ(outcome.exit_code, code) << outcome.out;
    EXPECT_NE(outcome.out.find(what), std::string::npos) << outcome.out;
  };
  refused(gated({"--gate", "g.safetensors", "--gate-sha256", std::string(64, '0')}), 3, "expected SHA-256");
  refused(gated({"--gate", "absent.safetensors"}), 2, "absent.safetensors");
  refused(work.run(steer("d.safetensors", {"--mode", "subtract", "--gate", "g.safetensors"})), 2, "--mode conditional");
  DirectionFile early;
  early.layers = {{.layer = 0, .direction = std::vector<float>(64, 0.125F)}};
  VB_ASSERT_OK(write_directions(work / "early.safetensors", early));
  refused(gated({"--gate", "early.safetensors"}), 2, "for the gate");
}

/// A subspace goes as it was saved: the rows of basis.<layer>, all of them removed.
TEST(Steer, RemovingASubspaceUsesEveryRowOfTheFilesBasis) {
  const Workspace work;
  write_prompts(work);
  ASSERT_EQ(work.run(measure("d.safetensors", {"--method", "pca", "--components", "3"})).exit_code, 0);
  work.write("edit.toml",
             "[[interventions]]\nname = \"out\"\nmode = \"subspace_remove\"\nlayers = [1]\ndirection_file = "
             "\"d.safetensors\"\n");
  const Json answer = work.run({"trace", "base", "--prompt", "Once upon a time", "--intervene", "edit.toml",
                                "--observe", "projections:payload", "--out", "t", "--json"})
                          .json();
  int seen = 0;
  for (const Json& artifact : at(answer, {"artifacts"}).items()) {
    const std::string& id = at(artifact, {"id"}).as_string();
    if (!id.starts_with("activation_projection")) continue;
    const auto payload = open_safetensors(work / "t" / at(artifact, {"path"}).as_string());
    VB_ASSERT_OK(payload);
    EXPECT_EQ((*payload)->tensors().front().view.shape[1], 3);
    const double largest = at(artifact, {"summary", "abs_max"}).as_double();
    if (id.ends_with(".after")) {
      EXPECT_LT(largest, 1e-4);
    } else {
      EXPECT_GT(largest, 1e-2);
    }
    ++seen;
  }
  EXPECT_EQ(seen, 2);
}

/// A real, published model (TinyStories, 260 thousand parameters).
class RealModel : public testing::Test {
 protected:
  std::string model() const { return (shared_data() / "models/stories260K/hf").string(); }
  Outcome run(std::vector<std::string> args, std::vector<std::string> more = {}) const {
    args.insert(args.begin() + 1, model());
    args.insert(args.end(), more.begin(), more.end());
    args.emplace_back("--json");
    return work_.run(args);
  }
  Outcome steer(const std::string& direction, std::vector<std::string> more) const {
    return run({"steer", "--direction", direction, "--prompt", "Once upon a time"}, std::move(more));
  }
  /// Every row of the residual of a layer that the greedy answer meets.
  std::vector<std::vector<double>> residuals(int layer, int max_tokens) const {
    const Json answer = run({"trace", "--prompt", "Once upon a time", "--max-tokens", format("{}", max_tokens),
                             "--observe", format("resid_post:{}:payload", layer), "--out", "look"})
                            .json();
    std::vector<std::vector<double>> rows;
    for (const Json& artifact : at(answer, {"artifacts"}).items()) {
      if (at(artifact, {"kind"}).as_string() != "activation") continue;
      const auto file = open_safetensors(work_ / "look" / at(artifact, {"path"}).as_string());
      const auto values = decode_f64((*file)->tensors().front().view);
      const auto width = static_cast<std::ptrdiff_t>((*file)->tensors().front().view.shape[1]);
      for (auto at = values->begin(); at != values->end(); at += width) rows.emplace_back(at, at + width);
    }
    return rows;
  }
  Workspace work_;
};

TEST_F(RealModel, SteeringChangesPrefillAndDecodingByTheMeasuredAmount) {
  VB_NEED_SHARED("models/stories260K/hf");
  work_.write("positive.txt", lines(" was happy", 24));
  work_.write("negative.txt", lines(" was sad", 24));
  const Outcome measured =
      run({"measure", "--positive", "positive.txt", "--negative", "negative.txt", "--out", "d.safetensors"});
  ASSERT_EQ(measured.exit_code, 0) << measured.err << measured.out;
  const auto with = [&](std::vector<std::string> more, const std::string& alpha = "8") {
    const std::vector<std::string> push{"--mode", "offset", "--alpha", alpha, "--layers", "2"};
    more.insert(more.begin(), push.begin(), push.end());
    const Outcome done = steer("d.safetensors", more);
    EXPECT_EQ(done.exit_code, 0) << done.err << done.out;
    return done.json();
  };
  const Json all = with({"--max-tokens", "16"});
  EXPECT_NE(at(all, {"ids"}), at(all, {"baseline_ids"}));
  const Json& effect = first_effect(all);
  EXPECT_NEAR(at(effect, {"measured"}).as_double(), at(effect, {"requested"}).as_double(),
              1e-4 * std::abs(at(effect, {"requested"}).as_double()));
  EXPECT_GT(at(effect, {"prompt_rows"}).as_int(), 0);
  EXPECT_EQ(at(effect, {"decoded_rows"}).as_int(), 15);
  const Json prefill = with({"--max-tokens", "1"});
  EXPECT_FALSE(at(prefill, {"same_bits"}).as_bool()) << "the logits behind the prompt";
  EXPECT_EQ(at(first_effect(prefill), {"decoded_rows"}).as_int(), 0);
  const Json decode = with({"--max-tokens", "16", "--positions", "decode"});
  EXPECT_EQ(at(first_effect(decode), {"prompt_rows"}).as_int(), 0);
  EXPECT_EQ(at(decode, {"ids"}).items().front(), at(decode, {"baseline_ids"}).items().front());
  EXPECT_NE(at(decode, {"ids"}), at(decode, {"baseline_ids"})) << "new tokens are edited too";
  const Json none = with({"--max-tokens", "16"}, "0");
  EXPECT_TRUE(at(none, {"same_bits"}).as_bool());
}

TEST_F(RealModel, ADirectionOrthogonalToEverythingItTouchesIsANoOpAndOneThatIsNotIsNone) {
  VB_NEED_SHARED("models/stories260K/hf");
  constexpr int kLayer = 2, kNew = 6;
  const auto rows = residuals(kLayer, kNew);
  ASSERT_GT(rows.size(), 6u);
  const std::size_t width = rows.front().size();
  ASSERT_LT(rows.size(), width) << "there is a direction outside their span";
  std::vector<std::vector<double>> basis;
  const auto dot = [&](const std::vector<double>& a, const std::vector<double>& b) {
    double sum = 0;
    for (std::size_t i = 0; i < width; ++i) sum += a[i] * b[i];
    return sum;
  };
  const auto outside = [&](std::vector<double> v) {
    for (int pass = 0; pass < 2; ++pass)
      for (const auto& b : basis) {
        const double overlap = dot(v, b);
        for (std::size_t i = 0; i < width; ++i) v[i] -= overlap * b[i];
      }
    const double length = std::sqrt(dot(v, v));
    for (double& value : v) value /= length;
    return v;
  };
  for (const auto& row : rows) basis.push_back(outside(row));
  Rng rng(11);
  std::vector<double> random(width);
  for (double& value : random) value = rng.normal();
  const std::vector<double> orthogonal = outside(random);
  const auto answer = [&](const std::vector<double>& direction) {
    DirectionFile file;
    file.layers = {{.layer = kLayer, .direction = {direction.begin(), direction.end()}}};
    EXPECT_TRUE(write_directions(work_ / "o.safetensors", file));
    return steer("o.safetensors", {"--mode", "subtract", "--max-tokens", format("{}", kNew)});
  };
  const Outcome nothing = answer(orthogonal);
  EXPECT_EQ(nothing.exit_code, 1) << nothing.out;
  EXPECT_TRUE(at(nothing.json(), {"no_op"}).as_bool());
  EXPECT_EQ(at(nothing.json(), {"ids"}), at(nothing.json(), {"baseline_ids"}));
  EXPECT_NE(nothing.out.find("had no effect"), std::string::npos) << nothing.out;
  std::vector<double> leaning = orthogonal;  // the same, a hundredth towards one of the rows
  for (std::size_t i = 0; i < width; ++i) leaning[i] += 0.01 * basis.back()[i];
  const Outcome something = answer(leaning);
  EXPECT_EQ(something.exit_code, 0) << something.out;
  EXPECT_FALSE(at(something.json(), {"no_op"}).as_bool());
}

}  // namespace
}  // namespace vauban::test
