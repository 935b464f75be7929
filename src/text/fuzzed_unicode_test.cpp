// Random Unicode against frozen answers of tokenizers, sentencepiece and tiktoken: tests/peers/tokenizers.
#include <gtest/gtest.h>

#include "base/json_file.h"
#include "text/expected_rows_test.h"

namespace vauban::test {
namespace {

Result<std::shared_ptr<const Tokenizer>> load_any(const std::string& file) {
  const std::string bytes = read_text(shared_data() / "tokenizers" / file);
  if (file.ends_with(".json")) return load_tokenizer_json(bytes);
  return is_rank_file(bytes) ? load_tiktoken(bytes) : load_sentencepiece(bytes);
}

TEST(FuzzedUnicode, GivesTheIdsAndOffsetsOfThePeers) {
  VB_NEED_SHARED("tokenizers/trained");
  const auto peers = read_json_file(source_dir() / "tests/peers/tokenizers/fuzzed.json");
  VB_ASSERT_OK(peers);
  const auto& texts = peers->find("texts")->items();
  int checked = 0;
  for (const Json& answer : peers->find("answers")->items()) {
    const std::string file = text_of(answer, "file");
    const auto tokenizer = load_any(file);
    VB_ASSERT_OK(tokenizer);
    const Json* const offsets = answer.find("offsets");
    for (std::size_t i = 0; i < texts.size(); ++i) {
      const std::string text = texts[i].as_string();
      const auto got = (*tokenizer)->encode(text, {.add_special = offsets != nullptr, .parse_special = offsets != nullptr});
      VB_ASSERT_OK(got);
      EXPECT_EQ(got->ids, ids_of(answer.find("ids")->items()[i])) << file << " text " << i << " '" << text << "'";
      if (offsets) {
        EXPECT_EQ(show(in_code_points(got->offsets, text)), show(spans_of(offsets->items()[i]))) << file << " text " << i << " '" << text << "'";
      }
      ++checked;
    }
  }
  EXPECT_EQ(checked, 20 * 40);
}

}  // namespace
}  // namespace vauban::test
