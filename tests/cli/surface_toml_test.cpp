// The note's rule for the activation primitive: projection evidence is asked for in TOML by name, and is in the trace
// by name.
#include "base/result.h"
#include "cli/workspace.h"
#include "format/safetensors.h"
#include "trace/trace_json.h"

namespace vauban::test {
namespace {

std::string axis(int width) {
  std::string out = "[1.0";
  for (int i = 1; i < width; ++i) out += ", 0.0";
  return out + "]";
}

std::string edits(std::string_view mode, std::string_view more = "") {
  return format(
      "[[interventions]]\nname = \"look\"\nsite = \"resid_post\"\nlayers = [1]\nmode = \"{}\"\ndirection = {}\n{}",
      mode, axis(64), more);
}

std::string config(std::string_view observe) {
  return format(
      "[trace]\nmodel = \"base\"\nprompt = \"Once upon a time\"\nmax_tokens = 2\nintervene = \"look.toml\"\n"
      "observe = [{}]\nout = \"t\"\n",
      observe);
}

const Json* artifact_named(const Json& trace, std::string_view id) {
  for (const Json& artifact : at(trace, {"artifacts"}).items())
    if (at(artifact, {"id"}) == Json(id)) return &artifact;
  return nullptr;
}

TEST(SurfaceToml, ProjectionEvidenceIsAskedForAndEmittedByName) {
  for (const std::string backend : {"cpu", "reference"}) {
    const Workspace work;
    work.write("look.toml", edits("project"));
    work.write("trace.toml", config("\"projections:payload\""));
    const Outcome done = work.run({"run", "trace.toml", "--backend", backend});
    ASSERT_EQ(done.exit_code, 0) << done.err;
    const Json trace = read_json(work / "t/trace.json");
    const Json *record = artifact_named(trace, "intervention.0"),
               *rows = artifact_named(trace, "activation_projection.layer_1");
    ASSERT_TRUE(record && rows) << backend;
    EXPECT_EQ(at(*record, {"kind"}), Json("intervention_result"));
    EXPECT_EQ(at(*record, {"metadata", "primitive"}), Json("activation_projection"));
    EXPECT_EQ(at(*record, {"metadata", "mode"}), Json("project"));
    EXPECT_EQ(at(*record, {"metadata", "effect"}), Json("observed"))
        << "looking changes nothing, and the record says so";
    EXPECT_EQ(at(*rows, {"kind"}), Json("metric"));
    EXPECT_TRUE(at(*rows, {"path"}).is_string()) << "the values are in the store";
  }
}

TEST(SurfaceToml, WithoutAskingThereIsARecordAndNoValuesAreStored) {
  const Workspace work;
  work.write("look.toml", edits("project"));
  work.write("trace.toml", config("\"logits:summary\""));
  ASSERT_EQ(work.run({"run", "trace.toml"}).exit_code, 0);
  const Json trace = read_json(work / "t/trace.json");
  EXPECT_NE(artifact_named(trace, "intervention.0"), nullptr);
  const Json* rows = artifact_named(trace, "activation_projection.layer_1");
  EXPECT_TRUE(!rows || at(*rows, {"path"}).is_null()) << "a projection is summarised; its values are kept when asked for";
}

TEST(SurfaceToml, AKeyOrModeThatDoesNotExistIsRefused) {
  const Workspace work;
  work.write("trace.toml", config("\"projections:payload\""));
  for (const std::string& text : {edits("observe"), edits("project", "primitive = \"implicit\"\n")}) {
    work.write("look.toml", text);
    EXPECT_NE(work.run({"run", "trace.toml"}).exit_code, 0);
    EXPECT_FALSE(std::filesystem::exists(work / "t/trace.json"));
  }
}

}  // namespace
}  // namespace vauban::test
