#include "backends/cpu/primitive_gate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <regex>

#include "backends/backends.h"
#include "base/json.h"
#include "base/result.h"
#include "base/sha256.h"
#include "support/test_data.h"

namespace vauban {
namespace {

using testing::HasSubstr;

/// A record in which everything passed, for a build whose digest is "abc".
Json passing_record() {
  Json checks = Json::object({});
  for (const std::string_view name : kPrimitiveGateChecks) checks[name] = Json::object({{"status", "pass"}});
  return Json::object({{"gate", "primitive-cpu"},
                       {"sources_sha256", "abc"},
                       {"architecture", "x86_64"},
                       {"compiler", "GNU 12.2.0"},
                       {"targets", Json(std::vector<std::string>{"portable", "avx2"})},
                       {"checks", checks}});
}

PrimitiveGateVerdict judged(const Json& record, CpuTarget target = CpuTarget::avx2) {
  const std::string text = record.dump().value();
  return judge_primitive_gate(
      {.record = text, .sources_sha256 = "abc", .sources = {}, .flags = {}, .architecture = "x86_64", .compiler = "GNU 12.2.0"}, target);
}

TEST(PrimitiveGate, ARecordInWhichEverythingPassedMakesTheKernelsTheDefault) {
  EXPECT_TRUE(judged(passing_record()).passed) << judged(passing_record()).reason;
}

TEST(PrimitiveGate, EveryCheckThatDidNotPassKeepsThemExperimental) {
  for (const std::string_view name : kPrimitiveGateChecks) {
    for (const char* status : {"fail", "pending", "skipped", "PASS", ""}) {
      Json record = passing_record();
      record["checks"][name]["status"] = status;
      const PrimitiveGateVerdict verdict = judged(record);
      EXPECT_FALSE(verdict.passed) << name << " " << status;
      EXPECT_THAT(verdict.reason, HasSubstr(name));
    }
    Json record = passing_record();
    record["checks"][name] = Json();
    EXPECT_FALSE(judged(record).passed) << name;
  }
  Json record = passing_record();
  record["checks"] = Json();
  EXPECT_FALSE(judged(record).passed);
  record["passed"] = true;  // a summary is not a check
  EXPECT_FALSE(judged(record).passed);
}

TEST(PrimitiveGate, AnEditedKernelIsNotTheOneThatWasJudged) {
  Json record = passing_record();
  record["sources_sha256"] = "abd";
  EXPECT_THAT(judged(record).reason, HasSubstr("other sources"));
}

TEST(PrimitiveGate, AnotherMachineOrTargetWasNotJudged) {
  Json record = passing_record();
  record["architecture"] = "aarch64";
  EXPECT_THAT(judged(record).reason, HasSubstr("architecture"));
  record = passing_record();
  record["compiler"] = "GNU 13.1.0 -ffast-math";
  EXPECT_THAT(judged(record).reason, HasSubstr("compiler"));
  EXPECT_THAT(judged(passing_record(), CpuTarget::avx512).reason, HasSubstr("avx512"));
}

TEST(PrimitiveGate, WithoutAReadableRecordTheScalarPathStays) {
  EXPECT_FALSE(judge_primitive_gate({}, CpuTarget::avx2).passed);
  for (const char* text : {"{", "[]", "null", "{}", "{\"checks\": []}"})
    EXPECT_FALSE(
        judge_primitive_gate({.record = text, .sources_sha256 = "", .sources = {}, .flags = {}, .architecture = "", .compiler = ""},
                             CpuTarget::avx2)
            .passed)
        << text;
}

/// The digest as cmake/PrimitiveGate.cmake makes it, from the files as they are now.
std::string digest_of_sources(const PrimitiveGateBuild& build, std::string_view edited = {}) {
  std::string text;
  for (const std::string_view source : build.sources) {
    std::string bytes = test::read_text(test::source_dir() / source);
    EXPECT_FALSE(bytes.empty()) << source;
    if (source == edited) bytes += ' ';
    text += format("{} {}\n", source, sha256_hex(bytes));
  }
  return sha256_hex(format("{}{}\n", text, build.flags));
}

TEST(PrimitiveGate, TheCompiledDigestIsThatOfTheSources) {
  const PrimitiveGateBuild build = primitive_gate_build();
  EXPECT_EQ(digest_of_sources(build), build.sources_sha256) << "configure and build again";
  for (const std::string_view source : build.sources)
    EXPECT_NE(digest_of_sources(build, source), build.sources_sha256) << source;
}

/// What `#include "..."` of a file names.
std::vector<std::string> included_by(const std::string& source) {
  static const std::regex pattern(R"(#include "([^"]+)\")");
  const std::string text = test::read_text(test::source_dir() / source);
  std::vector<std::string> names;
  for (std::sregex_iterator it(text.begin(), text.end(), pattern), end; it != end; ++it) names.push_back((*it)[1].str());
  return names;
}

/// Its files, and what they include of the primitive's own: the public header and its checks, the rows in f64, the lanes.
TEST(PrimitiveGate, EveryFileThatTheKernelsAreMadeOfIsJudged) {
  const auto sources = primitive_gate_build().sources;
  const auto is_judged = [&](const std::string& name) { return std::ranges::find(sources, name) != sources.end(); };
  for (const auto& file : std::filesystem::directory_iterator(test::source_dir() / "src/backends/cpu")) {
    const std::string name = file.path().filename().string();
    if (!name.starts_with("primitive") || name.starts_with("primitive_gate") || name.ends_with("_test.cpp")) continue;
    EXPECT_TRUE(is_judged("src/backends/cpu/" + name)) << name;
  }
  for (const std::string_view source : sources)
    for (const std::string& name : included_by(std::string(source))) {
      const bool own = name.find("primitive") != std::string::npos && name.find("primitive_gate") == std::string::npos;
      if (!own && name != "backends/cpu/simd.h") continue;
      for (const std::string& path : {"src/" + name, "include/" + name})
        if (std::filesystem::exists(test::source_dir() / path)) {
          EXPECT_TRUE(is_judged(path)) << source << " -> " << path;
        }
    }
  for (const auto& file : std::filesystem::directory_iterator(test::source_dir() / "src/ops"))
    if (const std::string name = file.path().filename().string();
        name.starts_with("primitive") && !name.ends_with("_test.cpp")) {
      EXPECT_TRUE(is_judged("src/ops/" + name)) << name;
    }
  const auto layers = included_by("src/backends/cpu/cpu_layers.cpp");
  EXPECT_EQ(std::ranges::find(layers, "backends/cpu/primitive.h"), layers.end())
      << "what decides about the primitive belongs to primitive_ops.cpp";
}

TEST(PrimitiveGate, ARecordThatIsKeptJudgedTheseSources) {
  const PrimitiveGateBuild build = primitive_gate_build();
  if (build.record.empty()) GTEST_SKIP() << "docs/gates/primitive-cpu.json has not been made yet";
  const auto record = Json::parse(build.record);
  VB_ASSERT_OK(record);
  ASSERT_NE(record->find("sources_sha256"), nullptr);
  EXPECT_EQ(record->find("sources_sha256")->as_string(), build.sources_sha256)
      << "the kernels were edited after they were judged: run bench/primitive/gate, or remove the record";
}

class DefaultPath : public testing::Test {
 protected:
  std::string kernel_path(const BackendOptions& options) {
    ThreadPool pool(1);
    SystemClock clock;
    SilentProgress progress;
    CancelToken cancel;
    const Context context{.pool = pool, .clock = clock, .progress = progress, .cancel = cancel, .seed = 0};
    auto ops = make_backend("cpu", context, options);
    EXPECT_TRUE(ops.has_value());
    (*ops)->begin_step();
    const std::vector<std::int32_t> rows{0};
    const auto p = validate_primitive({.mode = PrimitiveMode::subtract, .direction = {0, 1, 0}}, 3);
    (*ops)->primitive(host_tensor({1, 3}, std::vector<float>{1, 2, 3}), *p, rows);
    return (*ops)->take_counters().kernel_path;
  }
};

TEST_F(DefaultPath, IsWhatTheRecordAllows) {
  const CpuTarget target = available_cpu_targets().back();
  const bool passed = judge_primitive_gate(primitive_gate_build(), target).passed;
  EXPECT_EQ(default_primitive_path(target), passed ? PrimitivePath::simd : PrimitivePath::scalar);
  EXPECT_THAT(kernel_path({}), HasSubstr(passed ? "primitive/simd" : "primitive/scalar"));
}

TEST_F(DefaultPath, GivesWayToTheOneThatIsAskedFor) {
  EXPECT_THAT(kernel_path({.primitive = "scalar"}), HasSubstr("primitive/scalar"));
  const bool passed = judge_primitive_gate(primitive_gate_build(), available_cpu_targets().back()).passed;
  EXPECT_THAT(kernel_path({.primitive = "simd"}),
              testing::EndsWith(passed ? "primitive/simd" : "primitive/simd-experimental"));
}

}  // namespace
}  // namespace vauban
