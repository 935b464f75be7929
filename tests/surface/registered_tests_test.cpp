// The tests that a row requires of every backend run on every backend.
#include "surface/registered_tests.h"

#include <gtest/gtest.h>

#include "support/backends_here.h"
#include "surface/surface.h"

namespace vauban::test {
namespace {

const std::vector<std::string> kBackends{"reference", "cpu", "torch"};

TEST(RegisteredTests, ATestThatOneBackendDoesNotRunIsNamed) {
  const std::set<std::string> registered{"Backends/Forward.A/reference", "Backends/Forward.A/torch", "Forward.C",
                                         "Known/Tiny.B/llama_reference", "Known/Tiny.B/llama_cpu", "Known/Tiny.B/llama_torch",
                                         "Executors/Ops.D/reference",    "Executors/Ops.D/cpu_avx2", "Executors/Ops.D/torch"};
  EXPECT_EQ(missing_for("Forward.A", kBackends, registered), "'Forward.A' does not run on 'cpu'");
  EXPECT_EQ(missing_for("Tiny.B", kBackends, registered), "");
  EXPECT_EQ(missing_for("Ops.D", kBackends, registered), "");
  EXPECT_EQ(missing_for("Forward.C", kBackends, registered), "") << "of the host";
  EXPECT_EQ(missing_for("Not.Built", kBackends, registered), "");
}

TEST(RegisteredTests, OfEveryRowRunOnEveryBackendOfThisBuild) {
  const std::set<std::string> registered = registered_tests(VAUBAN_BUILD_FOLDER);
  ASSERT_TRUE(registered.contains("RegisteredTests.OfEveryRowRunOnEveryBackendOfThisBuild")) << "the programs are not asked";
  // The specification is what the others are compared with: such a test has no run of its own for it.
  std::vector<std::string> compared = backends_here();
  std::erase(compared, "reference");
  for (const SurfaceRow& row : surface_rows())
    for (const std::string& name : row.tests) EXPECT_EQ(missing_for(name, compared, registered), "") << row.id;
}

}  // namespace
}  // namespace vauban::test
