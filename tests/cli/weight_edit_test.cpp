// --observe weights:... and --edit-weights: what the program holds is shown, changed, listed, and part of what a run is.
#include <cmath>

#include "base/result.h"
#include "base/sha256.h"
#include "cli/workspace.h"
#include "format/safetensors.h"
#include "format/safetensors_writer.h"

namespace vauban::test {
namespace {

const std::string kDown = "model.layers.1.mlp.down_proj.weight";

std::vector<std::string> trace_args(std::vector<std::string> more) {
  std::vector<std::string> args{"trace", "base", "--prompt", "Once upon a time", "--json", "--out", "t"};
  args.insert(args.end(), more.begin(), more.end());
  return args;
}

std::string edit(const std::string& tensor, const std::string& more) {
  return format("[[weight_edits]]\ntensor = \"{}\"\n{}\n", tensor, more);
}

const Json& artifact(const Json& answer, std::string_view id) {
  static const Json null;
  for (const Json& found : at(answer, {"artifacts"}).items())
    if (at(found, {"id"}).as_string() == id) return found;
  ADD_FAILURE() << "no artifact " << id;
  return null;
}

std::vector<float> stored(const std::filesystem::path& file, const std::string& name) {
  const auto opened = open_safetensors(file);
  if (!opened || !(*opened)->find(name)) {
    ADD_FAILURE() << file << " has no " << name;
    return {};
  }
  return *decode_f32((*opened)->find(name)->view);
}

void write_tensor(const std::filesystem::path& file, const std::string& name, const Shape& shape, const std::vector<float>& values) {
  VB_ASSERT_OK(write_safetensors(file, {{name, {DType::f32, shape, std::as_bytes(std::span(values))}}}));
}

TEST(WeightEdits, ASnapshotOfTheCommandLineIsTheTensorOfTheFile) {
  const Workspace work;
  const Outcome done = work.run(trace_args({"--observe", "weights:*.down_proj.weight:payload,resid_post:0:summary"}));
  ASSERT_EQ(done.exit_code, 0) << done.err;
  const Json answer = done.json();
  const Json& shown = artifact(answer, "weight_snapshot." + kDown);
  const std::vector<float> values = stored(work / "base/model.safetensors", kDown);
  EXPECT_EQ(at(shown, {"digest"}).as_string(), sha256_hex(std::as_bytes(std::span(values))));
  EXPECT_EQ(stored(work / "t" / at(shown, {"path"}).as_string(), kDown), values);
  EXPECT_EQ(at(answer, {"weight_edits"}).size(), 0u);
  EXPECT_EQ(at(answer, {"missing"}).size(), 0u);
  const Outcome none = work.run(trace_args({"--observe", "weights:model.layers.1.mlp.down_prj.weight:summary", "--fail-on-missing"}));
  EXPECT_EQ(none.exit_code, 3);
  EXPECT_NE(none.out.find("did you mean"), std::string::npos) << none.out;
}

TEST(WeightEdits, ATraceListsItsEditsWithTheDigestsOfBothSides) {
  const Workspace work;
  const Json plain = work.run(trace_args({"--observe", "logits:summary"})).json();
  work.write("e.toml", edit(kDown, "op = \"scale\"\nalpha = 0.5"));
  const Outcome done = work.run(trace_args({"--observe", "logits:summary", "--edit-weights", "e.toml"}));
  ASSERT_EQ(done.exit_code, 0) << done.err;
  const Json answer = done.json();
  ASSERT_EQ(at(answer, {"weight_edits"}).size(), 1u);
  const Json& record = at(answer, {"weight_edits"}).items()[0];
  std::vector<float> values = stored(work / "base/model.safetensors", kDown);
  EXPECT_EQ(at(record, {"digest_before"}).as_string(), sha256_hex(std::as_bytes(std::span(values))));
  for (float& value : values) value *= 0.5F;
  EXPECT_EQ(at(record, {"digest_after"}).as_string(), sha256_hex(std::as_bytes(std::span(values))));
  EXPECT_EQ(at(artifact(answer, "weight_snapshot." + kDown), {"digest"}), at(record, {"digest_after"}));
  EXPECT_EQ(at(artifact(answer, "weight_snapshot." + kDown + ".before"), {"digest"}), at(record, {"digest_before"}));
  EXPECT_NE(at(artifact(answer, "logits"), {"digest"}), at(artifact(plain, "logits"), {"digest"}));
  const Json trace = read_json(at(answer, {"trace"}).as_string());
  EXPECT_EQ(at(trace, {"metadata", "weight_edits"}), at(answer, {"weight_edits"}));
  EXPECT_EQ(at(trace, {"model", "lineage", "kind"}).as_string(), "weight_edits");
}

TEST(WeightEdits, GenerateAnswersFromTheEditedModel) {
  const Workspace work;
  work.write("e.toml", edit("model.layers.*.self_attn.o_proj.weight", "op = \"zero\""));
  const std::vector<std::string> args{"generate", "base", "--prompt", "Once upon a time", "--max-tokens", "12", "--json"};
  std::vector<std::string> edited = args;
  edited.insert(edited.end(), {"--edit-weights", "e.toml"});
  const Json plain = work.run(args).json(), answer = work.run(edited).json();
  EXPECT_NE(at(plain, {"ids"}), at(answer, {"ids"}));
  EXPECT_EQ(at(plain, {"weight_edits"}).size(), 0u);
  EXPECT_EQ(at(answer, {"weight_edits"}).size(), 2u);
}

/// The answer of `set` is the answer of a model that has the tensor in its own file: `changed` of the workspace.
TEST(WeightEdits, SetTakesTensorsOfAnotherModelByTheirNames) {
  const Workspace work;
  work.write("e.toml", edit("*", "op = \"set\"\nfile = \"changed/model.safetensors\""));
  const Outcome done = work.run(trace_args({"--observe", "logits:summary", "--edit-weights", "e.toml"}));
  ASSERT_EQ(done.exit_code, 0) << done.err;
  const Json answer = done.json();
  const Json other = work.run({"trace", "changed", "--prompt", "Once upon a time", "--json", "--out", "u", "--observe", "logits:summary"}).json();
  EXPECT_EQ(at(artifact(answer, "logits"), {"digest"}), at(artifact(other, "logits"), {"digest"}));
  int changed = 0;
  for (const Json& record : at(answer, {"weight_edits"}).items()) changed += at(record, {"effect"}).as_string() == "changed";
  EXPECT_EQ(changed, 2) << "o_proj of layer 0 and down_proj of layer 1 differ";
  EXPECT_EQ(at(answer, {"missing"}).size(), at(answer, {"weight_edits"}).size() - 2u) << "the others had no effect";
}

TEST(WeightEdits, ADirectionFileIsTakenByNameAndDigest) {
  const Workspace work;
  std::vector<float> direction(64);
  for (std::size_t i = 0; i < 64; ++i) direction[i] = std::sin(static_cast<float>(i)) + 0.2F;
  write_tensor(work / "d.safetensors", "d", {64}, direction);
  const std::string digest = *sha256_file((work / "d.safetensors").string());
  const std::string project = "op = \"project_out\"\ndirection_file = \"d.safetensors\"\n";
  work.write("e.toml", edit(kDown, project + format("direction_sha256 = \"{}\"", digest)));
  const Json answer = work.run(trace_args({"--edit-weights", "e.toml"})).json();
  ASSERT_EQ(at(answer, {"weight_edits"}).size(), 1u);
  EXPECT_EQ(at(at(answer, {"weight_edits"}).items()[0], {"parameters", "source_sha256"}).as_string(), digest);
  work.write("wrong.toml", edit(kDown, project + format("direction_sha256 = \"{}\"", std::string(64, '0'))));
  const Outcome refused = work.run(trace_args({"--edit-weights", "wrong.toml"}));
  EXPECT_EQ(refused.exit_code, 3);
  EXPECT_NE(refused.err.find(digest), std::string::npos) << refused.err;
}

TEST(WeightEdits, WhatDoesNotFitIsRefusedBeforeAnythingRuns) {
  const Workspace work;
  std::vector<float> broken(64, 1.0F);
  broken[5] = std::nanf("");
  write_tensor(work / "nan.safetensors", "d", {64}, broken);
  write_tensor(work / "wide.safetensors", kDown, {128, 64}, std::vector<float>(64 * 128, 0.5F));
  struct Case {
    std::string toml;
    int exit_code;
    std::string says;
  };
  const std::vector<Case> cases{
      {edit("model.layers.1.mlp.down_prj.weight", "op = \"zero\""), 2, "did you mean '" + kDown + "'"},
      {edit(kDown, "op = \"scale\""), 2, "needs alpha"},
      {edit(kDown, "op = \"scale\"\nalpha = nan"), 2, "alpha"},
      {edit(kDown, "op = \"zero\"\nalpha = 2.0"), 2, "does not use alpha"},
      {edit(kDown, "op = \"shrink\""), 2, "shrink"},
      {edit(kDown, "op = \"project_out\""), 2, "direction"},
      {edit(kDown, "op = \"project_out\"\ndirection = [1.0, 2.0]"), 2, "has 64 values, found 2"},
      {edit(kDown, "op = \"project_out\"\ndirection_file = \"nan.safetensors\""), 2, "element 5"},
      {edit(kDown, "op = \"set\"\nfile = \"wide.safetensors\""), 2, "[64, 128], found [128, 64]"},
      {edit(kDown, "op = \"add\"\nfile = \"wide.safetensors\"\nfile_tensor = \"model.layers.1.mlp.down_proj.wieght\""), 2, "did you mean"},
      {edit(kDown, "op = \"set\"\nfile = \"absent.safetensors\""), 2, "absent.safetensors"},
      {edit(kDown, "op = \"scale\"\nalpha = 2.0\nfactor = 3.0"), 2, "factor"},
  };
  for (const Case& wrong : cases) {
    work.write("e.toml", wrong.toml);
    const Outcome refused = work.run(trace_args({"--edit-weights", "e.toml"}));
    EXPECT_EQ(refused.exit_code, wrong.exit_code) << wrong.toml << refused.err;
    EXPECT_NE(refused.err.find(wrong.says), std::string::npos) << wrong.toml << refused.err;
    EXPECT_FALSE(std::filesystem::exists(work / "t/trace.json")) << wrong.toml;
  }
}

TEST(WeightEdits, AnAuditOfAnEditedCandidateVerifiesAndResumesOnlyWithTheSameEdits) {
  const Workspace work;
  work.write("e.toml", edit("model.layers.*.mlp.down_proj.weight", "op = \"scale\"\nalpha = 0.25"));
  const Outcome done = work.audit("base", "base", "run", {"--edit-weights", "e.toml"});
  const Json report = done.json();
  EXPECT_GT(at(delta_row(report, "mean_kld"), {"value_candidate"}).as_double(), 0.01) << done.err;
  EXPECT_EQ(at(report, {"inputs", "weight_edits"}).size(), 2u);
  EXPECT_NE(at(report, {"inputs", "candidate"}), at(report, {"inputs", "baseline"}));
  EXPECT_EQ(at(report, {"models", "candidate", "lineage", "kind"}).as_string(), "weight_edits");
  EXPECT_TRUE(at(report, {"models", "baseline", "lineage"}).is_null());
  EXPECT_NE(at(report, {"limitations"}).dump()->find("2 edits of its loaded weights"), std::string::npos);
  const Outcome verified = work.run({"verify", "run", "--json"});
  EXPECT_EQ(verified.exit_code, 0) << verified.out;

  const Outcome again = work.audit("base", "base", "run", {"--edit-weights", "e.toml"});
  EXPECT_EQ(again.exit_code, done.exit_code) << again.err;
  EXPECT_EQ(stable_part(again.json()), stable_part(report));
  work.write("other.toml", edit("model.layers.*.mlp.down_proj.weight", "op = \"scale\"\nalpha = 0.5"));
  for (const std::vector<std::string>& other : {std::vector<std::string>{"--edit-weights", "other.toml"}, {}}) {
    const Outcome refused = work.audit("base", "base", "run", other);
    EXPECT_EQ(refused.exit_code, 2);
    EXPECT_NE(refused.err.find("another run"), std::string::npos) << refused.err;
  }
}

/// Edits without effect leave the model what it was, and the run still says that they were asked for.
TEST(WeightEdits, AnAuditWithEditsThatDoNothingSaysSo) {
  const Workspace work;
  work.write("e.toml", edit(kDown, "op = \"scale\"\nalpha = 1.0"));
  const Json report = work.audit("base", "base", "run", {"--edit-weights", "e.toml"}).json();
  EXPECT_EQ(at(delta_row(report, "mean_kld"), {"value_candidate"}).as_double(), 0);
  EXPECT_EQ(at(report, {"inputs", "candidate"}), at(report, {"inputs", "baseline"}));
  EXPECT_NE(at(report, {"missing"}).dump()->find("had no effect"), std::string::npos);
  EXPECT_EQ(work.audit("base", "base", "run").exit_code, 2) << "a run without edits is another run";
}

}  // namespace
}  // namespace vauban::test
