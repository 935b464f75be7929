// The page is what the generator writes from code, tests and results; and the generator refuses what is not so.

#include "surface/page.h"

#include <algorithm>
#include <cstdio>
#include <gtest/gtest.h>

#include "base/json_file.h"
#include "base/result.h"
#include "support/backends_here.h"
#include "support/test_data.h"

namespace vauban::test {
namespace {

/// Two backends and their results, as if everything were as it should be.
class SurfacePage : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    inputs_ = new SurfaceInputs{.tests = {}};
    for (const SurfaceRow& row : surface_rows()) inputs_->tests.insert(row.tests.begin(), row.tests.end());
    for (const char* backend : {"reference", "cpu"}) {
      auto bench = SurfaceBench::open(backend);
      VB_ASSERT_OK(bench);
      auto file = prove(**bench);
      VB_ASSERT_OK(file);
      inputs_->declarations.push_back((*bench)->declaration());
      inputs_->source_digests[file->file_name()] = file->source_digest;
      inputs_->results.push_back(*std::move(file));
    }
  }
  static void TearDownTestSuite() { delete inputs_; }
  void SetUp() override { VB_ASSERT_OK(render_surface(*inputs_)); }

  static void expect_refused(const SurfaceInputs& inputs, std::string_view word) {
    const auto page = render_surface(inputs);
    ASSERT_FALSE(page.has_value()) << word;
    EXPECT_NE(page.error().message.find(word), std::string::npos) << page.error().message;
  }
  static CheckResult& check(SurfaceInputs& inputs, std::string_view id) {
    return *std::ranges::find(inputs.results.back().checks, id, &CheckResult::id);
  }
  static SurfaceInputs* inputs_;
};
SurfaceInputs* SurfacePage::inputs_ = nullptr;

TEST(SurfaceMatrix, IsWhatTheGeneratorWrites) {
  if (backends_here().size() < all_backends().size()) GTEST_SKIP() << "this build lacks a backend that the page shows";
  const auto inputs = surface_inputs();
  VB_ASSERT_OK(inputs);
  const auto same = check_surface_page(read_text(source_dir() / "docs/torch_surface_matrix.md"), *inputs);
  EXPECT_TRUE(same.has_value()) << same.error().message << "; run scripts/generate-docs";
}

TEST(SurfaceMatrix, ShowsEveryRowForEveryBackend) {
  const std::string page = read_text(source_dir() / "docs/torch_surface_matrix.md");
  for (const BackendEntry& entry : all_backends()) {
    const std::size_t begin = page.find("\n## " + std::string(entry.id) + "\n");
    ASSERT_NE(begin, std::string::npos) << entry.id;
    const std::string table = page.substr(begin, page.find("\n## ", begin + 1) - begin);
    for (const SurfaceRow& row : surface_rows())
      EXPECT_NE(table.find("\n| `" + std::string(row.id) + "` | "), std::string::npos) << entry.id << " " << row.id;
  }
}

TEST_F(SurfacePage, ARequiredTestThatDoesNotExistIsRefused) {
  SurfaceInputs inputs = *inputs_;
  inputs.tests.erase("ModelLoad.KnowsWhoItIs");
  expect_refused(inputs, "no test is called 'ModelLoad.KnowsWhoItIs'");
}

TEST_F(SurfacePage, AResultForACheckThatTheSuiteDoesNotHaveIsRefused) {
  SurfaceInputs inputs = *inputs_;
  check(inputs, "logits.rows").id = "logits.by_telepathy";
  expect_refused(inputs, "no check 'logits.by_telepathy'");
}

TEST_F(SurfacePage, AResultUnderAnotherRowIsRefused) {
  SurfaceInputs inputs = *inputs_;
  check(inputs, "logits.rows").row = "forward";
  expect_refused(inputs, "belongs to row 'logits'");
}

TEST_F(SurfacePage, APassWithoutItsEvidenceIsRefused) {
  SurfaceInputs inputs = *inputs_;
  check(inputs, "logits.rows").evidence = "";
  expect_refused(inputs, "passed without its evidence");
}

TEST_F(SurfacePage, APassBeyondItsBoundIsRefused) {
  SurfaceInputs inputs = *inputs_;
  check(inputs, "forward.reference").measured = 1.0;
  expect_refused(inputs, "beyond its bound");
}

TEST_F(SurfacePage, ALevelThatTheCodeDoesNotDeclareIsRefused) {
  SurfaceInputs inputs = *inputs_;
  check(inputs, "device_profile_cuda.source_contract").level = "full";
  expect_refused(inputs, "row 'device_profile_cuda' is declared unsupported, found 'full'");
}

TEST_F(SurfacePage, AFullRowWhoseCheckFailedIsRefused) {
  SurfaceInputs inputs = *inputs_;
  check(inputs, "kv_cache.fork").passed = false;
  expect_refused(inputs, "'kv_cache.fork' did not pass");
}

TEST_F(SurfacePage, AFullRowWhoseCheckDidNotRunIsRefused) {
  SurfaceInputs inputs = *inputs_;
  std::erase_if(inputs.results.back().checks, [](const CheckResult& check) { return check.row == "logits"; });
  expect_refused(inputs, "did not run");
}

TEST_F(SurfacePage, ResultsOfOtherSourcesOrBoundsAreCalledStale) {
  SurfaceInputs other_sources = *inputs_, other_bound = *inputs_;
  other_sources.source_digests["cpu-cpu.json"] = std::string(64, '0');
  check(other_bound, "forward.reference").bound = 0.5;
  EXPECT_EQ(render_surface(*inputs_)->find("stale (2"), std::string::npos);
  EXPECT_NE(render_surface(other_sources)->find("stale (2"), std::string::npos);
  EXPECT_NE(render_surface(other_bound)->find("stale (2"), std::string::npos);
}

TEST_F(SurfacePage, ADeviceWithoutAResultIsPendingAndOneThatTheBackendLacksIsNot) {
  SurfaceInputs inputs = *inputs_;
  inputs.declarations[1].device_kinds = {"cpu", "cuda"};
  const std::string page = *render_surface(inputs);
  const std::string line = page.substr(page.rfind("| `logits` | full"), 400);
  EXPECT_NE(line.find("| passed | pending host | - |\n"), std::string::npos) << line;
}

TEST_F(SurfacePage, APartOfTheSuiteOnAnotherMachineIsShownRowByRow) {
  SurfaceInputs inputs = *inputs_;
  inputs.declarations[1].device_kinds = {"cpu", "cuda"};
  ResultFile gpu = inputs.results.back();
  gpu.device_kind = "cuda";
  std::erase_if(gpu.checks,
                [](const CheckResult& result) { return result.id != "logits.rows" && result.id != "kv_cache.steps"; });
  inputs.results.push_back(gpu);
  inputs.source_digests["cpu-cuda.json"] = gpu.source_digest;
  const std::string page = *render_surface(inputs);
  const auto line = [&](const std::string& row) {
    const std::size_t begin = page.rfind("| `" + row + "` |");
    return page.substr(begin, page.find('\n', begin) - begin);
  };
  EXPECT_TRUE(line("logits").ends_with("| passed | passed | - |")) << line("logits");
  EXPECT_TRUE(line("kv_cache").ends_with("| passed | 1 of 2 checks | - |")) << line("kv_cache");
  EXPECT_TRUE(line("forward").ends_with("| passed | pending host | - |")) << line("forward");
}

/// What torch_proof writes where only LibTorch is at hand.
Json operations_proof(double measured, bool passed) {
  return Json::object({{"date", "2026-11-30T12:00:00Z"},
                       {"device", Json::object({{"kind", "cuda"}, {"label", "cuda:0"}, {"name", "some GPU"}})},
                       {"versions", Json::object({{"libtorch", "2.4.0"}})},
                       {"source_digest", "now"},
                       {"checks", Json::array({Json::object({{"id", "lm_head.rows"},
                                                             {"row", "logits"},
                                                             {"relation", "<="},
                                                             {"bound", 1e-12},
                                                             {"measured", measured},
                                                             {"passed", passed},
                                                             {"note", ""}})})}});
}

TEST_F(SurfacePage, AProofOfOperationsIsShownAsNoMoreThanThat) {
  SurfaceInputs inputs = *inputs_;
  inputs.declarations[1].device_kinds = {"cpu", "cuda"};
  const auto with = [&](const Json& json, const std::string& row) {
    SurfaceInputs changed = inputs;
    const auto file = result_file_from("cpu-cuda-operations.json", json);
    EXPECT_TRUE(file.has_value());
    changed.source_digests["cpu-cuda-operations.json"] = "now";
    changed.results.push_back(*file);
    if (!row.empty()) changed.results.back().checks.front().row = row;
    return render_surface(changed);
  };
  const auto page = with(operations_proof(1e-13, true), "");
  VB_ASSERT_OK(page);
  const std::size_t begin = page->rfind("| `logits` |");
  EXPECT_NE(page->substr(begin, page->find('\n', begin) - begin).find("| 1 operations | - |"), std::string::npos);
  EXPECT_FALSE(with(operations_proof(1e-3, true), "").has_value()) << "passed beyond its bound";
  EXPECT_FALSE(with(operations_proof(1e-3, false), "").has_value()) << "a full row whose operation failed";
  EXPECT_FALSE(with(operations_proof(1e-13, true), "telepathy").has_value()) << "a row that there is not";
  Json mixed = operations_proof(1e-13, true);
  mixed["checks"].push_back(*to_json(inputs_->results[0]).find("checks")->items().begin());
  EXPECT_FALSE(result_file_from("cpu-cuda-operations.json", mixed).has_value()) << "two kinds of proof in one file";
}

TEST_F(SurfacePage, AnEditByHandIsSeen) {
  const std::string page = *render_surface(*inputs_);
  VB_EXPECT_OK(check_surface_page(page, *inputs_));
  std::string promoted = page, shorter = page.substr(0, page.find("\n## cpu")), longer = page + "\n";
  const std::size_t at = promoted.find("unsupported (");
  ASSERT_NE(at, std::string::npos);
  promoted.replace(at, 11, "full");
  for (const std::string& edited : {promoted, shorter, longer}) {
    const auto seen = check_surface_page(edited, *inputs_);
    ASSERT_FALSE(seen.has_value());
    EXPECT_NE(seen.error().message.find("generator writes"), std::string::npos) << seen.error().message;
  }
}

TEST_F(SurfacePage, ResultsOfSeveralVersionsStandSideBySideAndTheWholeSuiteSaysMost) {
  SurfaceInputs inputs = *inputs_;
  inputs.declarations[1].device_kinds = {"cpu", "cuda"};
  const auto add = [&](const char* name) {
    const auto file = result_file_from(name, operations_proof(1e-13, true));
    ASSERT_TRUE(file.has_value()) << file.error().message;
    EXPECT_EQ(file->file_name(), name);
    inputs.results.insert(inputs.results.begin(), *file);
    inputs.source_digests[name] = "now";
  };
  add("cpu-cuda-operations.json");
  add("cpu-cuda-operations-2.4.0.json");
  EXPECT_FALSE(result_file_from("cpu-cuda-operations-2.5.0.json", operations_proof(1e-13, true)).has_value());
  EXPECT_FALSE(result_file_from("cpu-cuda.json", operations_proof(1e-13, true)).has_value())
      << "operations do not take the place of the suite";
  ResultFile gpu = inputs_->results.back();
  gpu.device_kind = "cuda";
  std::erase_if(gpu.checks, [](const CheckResult& result) { return result.id != "logits.rows"; });
  inputs.results.push_back(gpu);
  inputs.source_digests["cpu-cuda.json"] = gpu.source_digest;
  const auto page = render_surface(inputs);
  VB_ASSERT_OK(page);
  const std::size_t begin = page->rfind("| `logits` |");
  EXPECT_NE(page->substr(begin, page->find('\n', begin) - begin).find("| passed | passed |"), std::string::npos);
  for (const char* name : {"cpu-cuda.json", "cpu-cuda-operations.json", "cpu-cuda-operations-2.4.0.json"})
    EXPECT_NE(page->find(format("surface/results/{})", name)), std::string::npos) << name;
}

TEST_F(SurfacePage, AnotherVersionMayBeFullWhereThisOneIsPartial) {
  SurfaceInputs inputs = *inputs_;
  ResultFile newer = inputs.results.back();
  newer.versions["abacus"] = "2.15.0";
  newer.version = "-2.15.0";
  EXPECT_EQ(newer.checks.front().level, "full");  // the two profiles of devices are not
  const auto add = [&](const ResultFile& file) {
    SurfaceInputs more = inputs;
    more.results.push_back(file);
    more.source_digests[file.file_name()] = file.source_digest;
    return more;
  };
  const auto count_of = [](const std::string& page) {
    const std::size_t at = page.find("(surface/results/cpu-cpu-2.15.0.json)");
    return at == std::string::npos ? std::string() : page.substr(at, page.find('\n', at) - at);
  };
  const auto page = render_surface(add(newer));
  VB_ASSERT_OK(page);
  EXPECT_NE(count_of(*page).find(": 15 of 17 rows are full and passed."), std::string::npos) << count_of(*page);
  newer.checks.front().level = "partial";
  const auto less = render_surface(add(newer));
  VB_ASSERT_OK(less);
  EXPECT_NE(count_of(*less).find(": 14 of 17 rows are full and passed."), std::string::npos) << count_of(*less);
  newer.checks.front().passed = false;
  expect_refused(add(newer), "did not pass");
  newer.version.clear();
  expect_refused(add(newer), "is declared");
}

TEST_F(SurfacePage, ResultFilesComeBackFromTheirJson) {
  for (const ResultFile& file : inputs_->results) {
    const auto read = result_file_from(file.file_name(), to_json(file));
    VB_ASSERT_OK(read);
    EXPECT_EQ(to_json(*read), to_json(file));
  }
  Json unknown = to_json(inputs_->results[0]);
  unknown["comment"] = "by hand";
  EXPECT_FALSE(result_file_from("reference-cpu.json", unknown).has_value());
  EXPECT_FALSE(result_file_from("reference-cuda.json", to_json(inputs_->results[0])).has_value()) << "of another kind";
}

TEST(SourceDigest, OnADeviceThatIsNotTestedHereCoversEverythingThatAResultStandsOn) {
  EXPECT_NE(*source_digest("torch", "cpu"), *source_digest("cpu", "cpu"));
  EXPECT_NE(*source_digest("torch", "cpu"), *source_digest("torch", "cuda"));
  EXPECT_EQ(*source_digest("torch", "mps"), *source_digest("torch", "cuda"));
  EXPECT_FALSE(source_digest("abacus", "cuda").has_value());
}

}  // namespace
}  // namespace vauban::test
