#include <gtest/gtest.h>

#include "architecture/parity_page.h"
#include "base/result.h"
#include "support/test_data.h"

namespace vauban::test {
namespace {

TEST(Parity, ThePageIsWhatTheGeneratorWrites) {
  const auto file = read_parity();
  VB_ASSERT_OK(file);
  const auto page = render_parity(*file, tests_in_sources());
  VB_ASSERT_OK(page);
  EXPECT_EQ(read_text(source_dir() / "docs/parity.md"), *page) << "run scripts/generate-docs";
}

TEST(Parity, EveryRowOfTheNoteIsThere) { EXPECT_GE(read_parity()->rows.size(), 108u); }

TEST(Parity, AProofThatNamesNoTestIsRefused) {
  EXPECT_FALSE(render_parity({{{.section = "s", .feature = "f", .proof = "No.SuchTest"}}}, tests_in_sources()));
  EXPECT_TRUE(render_parity({{{.section = "s", .feature = "f", .proof = "Parity.EveryRowOfTheNoteIsThere"}}}, tests_in_sources()));
}

}  // namespace
}  // namespace vauban::test
