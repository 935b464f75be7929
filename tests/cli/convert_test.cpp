// convert and quantize: the answer's keys, what is written, and what is refused.
#include "base/result.h"
#include "cli/workspace.h"
#include "support/tiny_model.h"

namespace vauban::test {
namespace {

namespace fs = std::filesystem;

TEST(ConvertCommand, GivesThePromisedKeysAndAModelThatRuns) {
  const Workspace work;
  const Outcome done = work.run({"convert", "base", "m.gguf", "--json"});
  EXPECT_EQ(done.exit_code, 0) << done.err;
  const Json answer = done.json();
  EXPECT_EQ(at(answer, {"in"}).as_string(), "base");
  EXPECT_EQ(at(answer, {"out"}).as_string(), "m.gguf");
  EXPECT_EQ(at(answer, {"bytes"}).as_int(), static_cast<std::int64_t>(fs::file_size(work / "m.gguf")));
  EXPECT_EQ(at(answer, {"bits_per_weight"}).as_double(), 32.0);
  EXPECT_EQ(at(answer, {"lineage", "recipe"}).as_string(), "convert gguf");
  EXPECT_EQ(at(work.run({"inspect", "m.gguf", "--json"}).json(), {"digest"}), at(answer, {"digest"}));
  const auto ids = [&](const char* model) {
    return at(work.run({"generate", model, "--prompt", "the hat and", "--max-tokens", "12", "--json"}).json(), {"ids"});
  };
  EXPECT_EQ(ids("m.gguf"), ids("base"));
  EXPECT_EQ(work.run({"convert", "m.gguf", "back"}).exit_code, 0);
  EXPECT_EQ(ids("back"), ids("base"));
  EXPECT_EQ(at(work.run({"inspect", "back", "--json"}).json(), {"digest"}), at(work.run({"inspect", "base", "--json"}).json(), {"digest"}));
}

TEST(ConvertCommand, PlansWriteNothingAndStateTheSizeThatFollows) {
  const Workspace work;
  const auto before = files_below(work.path());
  const Outcome plan = work.run({"quantize", "base", "m.gguf", "Q8_0", "--plan", "--json"});
  EXPECT_EQ(plan.exit_code, 0) << plan.err;
  EXPECT_TRUE(at(plan.json(), {"digest"}).is_null());
  EXPECT_EQ(files_below(work.path()), before);
  EXPECT_EQ(work.run({"convert", "base", "out", "--plan"}).exit_code, 0);
  EXPECT_EQ(files_below(work.path()), before);
  const Json made = work.run({"quantize", "base", "m.gguf", "Q8_0", "--json"}).json();
  for (const char* key : {"bytes", "tensor_bytes"}) EXPECT_EQ(at(made, {key}), at(plan.json(), {key})) << key;
  EXPECT_EQ(at(made, {"bits_per_weight"}), at(plan.json(), {"bits_per_weight"}));
  for (const char* key : {"base", "recipe", "tool"}) EXPECT_EQ(at(made, {"lineage", key}), at(plan.json(), {"lineage", key})) << key;
  EXPECT_TRUE(at(plan.json(), {"lineage", "base_digest"}).is_null()) << "a plan does not read the weights";
}

TEST(QuantizeCommand, AuditsWhatItWroteAndExitsWithTheVerdict) {
  const Workspace work;
  work.write("strict.toml", small_suite(gate("near", "mean_kld", "max", 1e-6, "interval")));
  const auto quantized = [&](const char* out, const char* type) {
    return work.run({"quantize", "base", out, type, "--audit", "strict.toml", "--json"});
  };
  const Outcome far = quantized("q4.gguf", "Q4_0"), same = quantized("f32.gguf", "F32");
  EXPECT_EQ(far.exit_code, 1) << far.err;
  EXPECT_EQ(same.exit_code, 0) << same.err;
  const Json answer = far.json();
  EXPECT_EQ(at(answer, {"out"}).as_string(), "q4.gguf");
  EXPECT_EQ(at(answer, {"audit"}), read_json(work / "q4.gguf.audit/report.json"));
  EXPECT_EQ(work.run({"verify", "q4.gguf.audit"}).exit_code, 0);
  EXPECT_TRUE(fs::exists(work / "q4.gguf")) << "the verdict does not take the file away";

  // Another type under the same name: refused before the file that the audit is about is replaced.
  const std::string before = read_text(work / "q4.gguf");
  const Outcome again = quantized("q4.gguf", "Q8_0");
  EXPECT_EQ(again.exit_code, 2) << again.err;
  EXPECT_NE(again.err.find("--audit-out"), std::string::npos) << again.err;
  EXPECT_TRUE(read_text(work / "q4.gguf") == before);
  EXPECT_EQ(work.run({"quantize", "base", "q4.gguf", "F32", "--audit", "strict.toml", "--audit-out", "other"}).exit_code, 0);
}

TEST(QuantizeCommand, RefusesAnAuditThatCannotBeBeforeItWrites) {
  const Workspace work;
  for (const std::vector<std::string>& more : std::vector<std::vector<std::string>>{
           {"--audit", "none.toml"}, {"--audit", "suite.toml", "--plan"}, {"--audit-out", "there"}}) {
    std::vector<std::string> line{"quantize", "base", "m.gguf", "Q4_0"};
    line.insert(line.end(), more.begin(), more.end());
    EXPECT_EQ(work.run(line).exit_code, 2) << more[0] << " " << more.back();
    EXPECT_FALSE(fs::exists(work / "m.gguf"));
  }
}

TEST(QuantizeCommand, WritesWhatItsFlagsSay) {
  const Workspace work;
  const Outcome done = work.run({"quantize", "base", "m.gguf", "q4_0", "--tensor-type", "attn_v=Q8_0", "--json"});
  EXPECT_EQ(done.exit_code, 0) << done.err;
  EXPECT_NE(done.err.find("output.weight"), std::string::npos) << "what is kept better is said: " << done.err;
  std::map<std::string, std::string> types;
  const Json inspected = work.run({"inspect", "m.gguf", "--json"}).json();
  for (const Json& tensor : at(inspected, {"tensors"}).items()) types[at(tensor, {"name"}).as_string()] = at(tensor, {"dtype"}).as_string();
  EXPECT_EQ(types["blk.0.attn_q.weight"], "q4_0");
  EXPECT_EQ(types["blk.1.attn_v.weight"], "q8_0");
  EXPECT_EQ(types["output.weight"], "q8_0");
  EXPECT_EQ(types["blk.0.attn_norm.weight"], "f32");
  EXPECT_EQ(work.run({"generate", "m.gguf", "--prompt", "the", "--max-tokens", "3"}).exit_code, 0);
}

TEST(ConvertCommand, RefusalsLeaveTheFolderAsItWas) {
  const Workspace work;
  ASSERT_EQ(work.run({"convert", "base", "m.gguf"}).exit_code, 0);
  const auto before = files_below(work.path());
  struct Case {
    std::vector<std::string> args;
    int exit_code;
    const char* says;
  };
  for (const Case& c : std::vector<Case>{
           {{"convert", "m.gguf", "m.gguf"}, 2, "is the input"},
           {{"convert", "m.gguf", "./base/../m.gguf"}, 2, "is the input"},
           {{"convert", "base", "base"}, 2, "is the input"},
           {{"convert", "m.gguf", "changed"}, 2, "exists already"},
           {{"convert", "base", "x.bin", "--to", "gguf"}, 2, ".gguf"},
           {{"convert", "base", "x.gguf", "--dtype", "q8_0"}, 2, "dtype"},
           {{"convert", "nothing", "x.gguf"}, 2, "no model"},
           {{"quantize", "m.gguf", "m.gguf", "Q4_0"}, 2, "is the input"},
           {{"quantize", "base", "x.gguf", "IQ2_XXS", "--tensor-type", "ffn=iq1_s", "--tensor-type", ".=q8_0", "--imatrix", "a.dat"}, 2, "a.dat"},
           {{"quantize", "base", "x.gguf", "Q4_9"}, 2, "unknown recipe"},
           {{"quantize", "base", "x", "Q4_0"}, 2, ".gguf"},
           {{"quantize", "base", "no/such/folder/x.gguf", "Q4_0"}, 2, "no/such/folder"}}) {
    const Outcome refused = work.run(c.args);
    EXPECT_EQ(refused.exit_code, c.exit_code) << c.args[0] << " " << c.args[2] << ": " << refused.err;
    EXPECT_NE(refused.err.find(c.says), std::string::npos) << refused.err;
    EXPECT_EQ(files_below(work.path()), before) << c.says;
  }
}

}  // namespace
}  // namespace vauban::test
