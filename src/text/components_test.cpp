// Single normalisers, pre-tokenisers, decoders, and what a section may say: against the reference library's answers.
#include <gtest/gtest.h>

#include "text/decoders/decoder.h"
#include "text/expected_rows_test.h"
#include "text/normalizers/normalizer.h"
#include "text/post_processors/post_processor.h"
#include "text/pre_tokenizers/pre_tokenizer.h"

namespace vauban::test {
namespace {

constexpr const char* kFolder = "tokenizers/trained/components/";

std::vector<std::string> pool() {
  const auto list = Json::parse(read_text(shared_data() / (std::string(kFolder) + "pool.json")));
  std::vector<std::string> texts;
  if (list)
    for (const Json& text : list->items()) texts.push_back(text.as_string());
  return texts;
}

/// What is not built is refused by name; the test says which.
bool refused(const Error& error, const Json& section, std::vector<std::string>& list) {
  if (error.code != ErrorCode::unsupported) return false;
  list.push_back(section.dump().value_or("?").substr(0, 60));
  return true;
}

TEST(Normalizers, RewriteThePoolAsTheReferenceDoes) {
  VB_NEED_SHARED("tokenizers/trained/components/normalizers.jsonl");
  const auto texts = pool();
  std::vector<std::string> not_built;
  int checked = 0;
  for (const Json& row : read_rows(std::string(kFolder) + "normalizers.jsonl")) {
    const Json& section = *row.find("normalizer");
    const auto normalizer = make_normalizer(section);
    if (!normalizer && refused(normalizer.error(), section, not_built)) continue;
    VB_ASSERT_OK(normalizer);
    std::vector<std::string> want = texts;
    for (const Json& change : row.find("changed")->items())
      want[static_cast<std::size_t>(change.items()[0].as_int())] = change.items()[1].as_string();
    for (std::size_t i = 0; i < texts.size(); ++i) {
      AlignedText text(texts[i], 0);
      VB_ASSERT_OK((*normalizer)->apply(text));
      EXPECT_EQ(text.view(), want[i]) << section.dump().value_or("?") << " on '" << texts[i] << "'";
      for (std::size_t at = 0; at < text.size(); ++at) ASSERT_LE(text.origin(at).end, texts[i].size());
    }
    ++checked;
  }
  EXPECT_EQ(checked, 26);
  EXPECT_TRUE(not_built.empty()) << join(not_built, "\n");
}

/// The pieces as the reference lists them: [start, end] in code points, and the text where it is not that slice.
void check_pieces(const Json& section, const Segments& got, const std::string& text, const Json* want) {
  const std::string where = section.dump().value_or("?") + " on '" + text + "'";
  if (!want) {
    const std::size_t whole = text.empty() ? 0 : 1;
    EXPECT_EQ(got.pieces.size(), whole) << where;
    if (got.pieces.size() == 1) {
      EXPECT_EQ(got.view(got.pieces[0]), text) << where;
    }
    return;
  }
  const auto& list = want->items();
  if (text.empty()) return;  // the reference shows one empty piece; there is nothing to cut
  ASSERT_EQ(got.pieces.size(), list.size()) << where;
  for (std::size_t i = 0; i < list.size(); ++i) {
    const TokenSpan bytes = got.text.span(got.pieces[i].begin, got.pieces[i].end);
    const TokenSpan span = in_code_points({bytes}, text)[0];
    EXPECT_EQ(static_cast<std::int64_t>(span.begin), list[i].items()[0].as_int()) << where << " piece " << i;
    EXPECT_EQ(static_cast<std::int64_t>(span.end), list[i].items()[1].as_int()) << where << " piece " << i;
    const std::string shown =
        list[i].size() > 2 ? list[i].items()[2].as_string() : text.substr(bytes.begin, bytes.end - bytes.begin);
    EXPECT_EQ(got.view(got.pieces[i]), shown) << where << " piece " << i;
  }
}

TEST(PreTokenizers, CutThePoolAsTheReferenceDoes) {
  VB_NEED_SHARED("tokenizers/trained/components/pre_tokenizers.jsonl");
  const auto texts = pool();
  std::vector<std::string> not_built;
  int checked = 0;
  for (const Json& row : read_rows(std::string(kFolder) + "pre_tokenizers.jsonl")) {
    const Json& section = *row.find("pre_tokenizer");
    const auto pre_tokenizer = make_pre_tokenizer(section);
    if (!pre_tokenizer && refused(pre_tokenizer.error(), section, not_built)) continue;
    VB_ASSERT_OK(pre_tokenizer);
    std::map<std::int64_t, const Json*> want;
    for (const Json& entry : row.find("pieces")->items()) want[entry.items()[0].as_int()] = &entry.items()[1];
    for (std::size_t i = 0; i < texts.size(); ++i) {
      Segments segments{AlignedText(texts[i], 0), {}};
      if (!texts[i].empty()) segments.pieces.push_back({0, texts[i].size()});
      VB_ASSERT_OK((*pre_tokenizer)->apply(segments));
      const auto entry = want.find(static_cast<std::int64_t>(i));
      check_pieces(section, segments, texts[i], entry == want.end() ? nullptr : entry->second);
    }
    ++checked;
  }
  EXPECT_EQ(checked, 67);
  EXPECT_TRUE(not_built.empty()) << join(not_built, "\n");
}

std::vector<std::string> strings_of(const Json& list) {
  std::vector<std::string> out;
  for (const Json& item : list.items()) out.push_back(item.as_string());
  return out;
}

TEST(Decoders, JoinTokensAsTheReferenceDoes) {
  VB_NEED_SHARED("tokenizers/trained/components/decoders.jsonl");
  const auto rows = read_rows(std::string(kFolder) + "decoders.jsonl");
  ASSERT_FALSE(rows.empty());
  const auto& inputs = rows.front().find("tokens")->items();
  int checked = 0;
  for (std::size_t r = 1; r < rows.size(); ++r) {
    const Json& section = *rows[r].find("decoder");
    if (section.is_null()) continue;  // no decoder: PipelineTokenizer joins by spaces
    const auto decoder = make_decoder(section);
    VB_ASSERT_OK(decoder);
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      const Json& want = rows[r].find("out")->items()[i];
      std::vector<std::string> tokens = strings_of(inputs[i]);
      VB_ASSERT_OK((*decoder)->apply(tokens));
      if (!want.is_string()) continue;  // the library panics here: anything that does not crash is right
      EXPECT_EQ(join(tokens, ""), want.as_string()) << section.dump().value_or("?") << " on list " << i;
      ++checked;
    }
  }
  EXPECT_GT(checked, 200);
}

/// Loads one section; the error, if any.
std::optional<Error> load_section(const std::string& kind, const Json& section) {
  const auto error_of = [](const auto& result) { return result ? std::nullopt : std::optional(result.error()); };
  if (kind == "normalizer") return error_of(make_normalizer(section));
  if (kind == "pre_tokenizer") return error_of(make_pre_tokenizer(section));
  if (kind == "decoder") return error_of(make_decoder(section));
  return error_of(make_post_processor(section));
}

TEST(Sections, AreTakenAndRefusedAsTheReferenceDoes) {
  VB_NEED_SHARED("tokenizers/trained/components/load.jsonl");
  int taken = 0, refusals = 0;
  for (const Json& row : read_rows(std::string(kFolder) + "load.jsonl")) {
    const std::string shown = row.dump().value_or("?");
    const auto error = load_section(text_of(row, "section"), *row.find("json"));
    if (row.find("error")) {
      EXPECT_TRUE(error.has_value()) << shown;
      ++refusals;
      continue;
    }
    // The reference takes a template whose special token is not declared, and panics when it is used.
    if (shown.find("\"SpecialToken\":{\"id\":\"x\"") != std::string::npos) {
      EXPECT_TRUE(error.has_value()) << shown;
      continue;
    }
    EXPECT_FALSE(error.has_value()) << shown << "\n" << (error ? describe(*error) : "");
    ++taken;
  }
  EXPECT_EQ(taken + refusals, 40);
}

TEST(Sections, NameWhatIsNotBuilt) {
  const auto message = [](const std::optional<Error>& error) { return error ? describe(*error) : std::string(); };
  const auto section = [](std::string_view type) { return Json::object({{"type", type}}); };
  EXPECT_NE(message(load_section("normalizer", section("Fancy"))).find("Fancy"), std::string::npos);
  EXPECT_NE(message(load_section("pre_tokenizer", section("Fancy"))).find("Fancy"), std::string::npos);
  EXPECT_NE(message(load_section("decoder", section("Fancy"))).find("Fancy"), std::string::npos);
  EXPECT_NE(message(load_section("post_processor", section("Fancy"))).find("Fancy"), std::string::npos);
  const Json nested = Json::object({{"type", "Sequence"}, {"normalizers", Json::array({section("Later")})}});
  EXPECT_NE(message(load_section("normalizer", nested)).find("Later"), std::string::npos) << "inside a Sequence";
}

}  // namespace
}  // namespace vauban::test
