#include "base/sha256.h"

#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sstream>

#include "base/strings.h"
#include "support/test_data.h"

namespace vauban {
namespace {

TEST(Sha256, MatchesTheExamplesOfFips180) {
  EXPECT_EQ(sha256_hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(sha256_hex(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(sha256_hex("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  EXPECT_EQ(sha256_hex(std::string(1'000'000, 'a')),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST(Sha256, PiecesGiveTheDigestOfTheWhole) {
  const std::string text(1000, 'x');
  for (const std::size_t cut : {0u, 1u, 63u, 64u, 65u, 1000u}) {
    Sha256 hash;
    hash.update(std::string_view(text).substr(0, cut));
    hash.update(std::string_view(text).substr(cut));
    EXPECT_EQ(hash.finish_hex(), sha256_hex(text));
  }
}

TEST(Sha256, OneFlippedBitChangesTheDigest) {
  std::string text(1000, 'x');
  const std::string before = sha256_hex(text);
  text[500] = static_cast<char>(text[500] ^ 1);
  EXPECT_NE(sha256_hex(text), before);
}

TEST(Sha256, FileLargerThanOneReadEqualsItsBytes) {
  const test::TempDir folder;
  const std::string text(3'000'001, 'q');
  std::ofstream(folder / "big", std::ios::binary) << text;
  std::ofstream(folder / "empty", std::ios::binary);
  EXPECT_EQ(sha256_file(folder / "big").value(), sha256_hex(text));
  EXPECT_EQ(sha256_file(folder / "empty").value(), sha256_hex(""));
}

TEST(Sha256, MissingFileAndFolderAreErrors) {
  const test::TempDir folder;
  EXPECT_EQ(sha256_file(folder / "none").error().code, ErrorCode::not_found);
  EXPECT_EQ(sha256_file(folder.path()).error().code, ErrorCode::invalid_input);
}

/// The table of MANIFEST.md: | file | repository | path | licence | bytes | first 16 digits of sha256 | ...
TEST(Sha256, MatchesTheDigestsListedForTheSharedData) {
  VB_NEED_SHARED("MANIFEST.md");
  std::istringstream table(test::read_text(test::shared_data() / "MANIFEST.md"));
  int n_checked = 0;
  for (std::string line; n_checked < 40 && std::getline(table, line);) {
    const auto cells = split(line, '|');
    if (cells.size() < 8 || trim(cells[6]).size() != 16) continue;
    const auto path = test::shared_data() / trim(cells[1]);
    if (!std::filesystem::is_regular_file(path)) continue;
    EXPECT_THAT(sha256_file(path).value(), ::testing::StartsWith(std::string(trim(cells[6])))) << path;
    ++n_checked;
  }
  EXPECT_GT(n_checked, 20);
}

}  // namespace
}  // namespace vauban
