#include "data/dataset.h"

#include <limits>
#include <set>

#include "data/data_test.h"

namespace vauban::test {
namespace {

using testing::HasSubstr;

constexpr const char* kChat = R"({"messages":[{"role":"user","content":"the"},{"role":"assistant","content":"sea"}]})";

std::string line_of_text(std::string_view text) { return Json::object({{"text", text}}).dump().value() + "\n"; }

TEST(Dataset, LearnsOnlyTheAssistantsTokensOfALongConversation) {
  DataFiles data;
  const auto loaded = data.load("a.jsonl", R"({"messages":[{"role":"system","content":"be nice"},
{"role":"user","content":"q"}]})");
  EXPECT_FALSE(loaded);  // one record is one line
  const auto dataset = data.load("b.jsonl",
      R"({"messages":[{"role":"system","content":"be kind"},{"role":"user","content":"one"},{"role":"assistant","content":"the éclair 東"},{"role":"user","content":"two"},{"role":"assistant","content":"and"}]})" "\n");
  VB_ASSERT_OK(dataset);
  ASSERT_EQ(dataset->examples().size(), 1u);
  const Example& example = dataset->examples()[0];
  EXPECT_EQ(target_text(example, *data.tokenizer), "the éclair 東</s> \n|and</s> \n");  // a space after a special token: the tokenizer's own rule
  EXPECT_EQ(std::ranges::count(example.ids, *data.tokenizer->bos()), 1);
}

TEST(Dataset, LearnsTheWholeTokenInWhichTheAssistantBegins) {
  DataFiles data;
  data.conversation = chat_template("{% for m in messages %}{{ 'h' if m.role == 'assistant' else 'x' }}{{ m.content }}{% endfor %}"
                                    "{% if add_generation_prompt %}h{% endif %}");
  const auto dataset = data.load("a.jsonl", R"({"messages":[{"role":"user","content":" t"},{"role":"assistant","content":"e sea"}]})");
  VB_ASSERT_OK(dataset);
  EXPECT_EQ(target_text(dataset->examples().at(0), *data.tokenizer), " the sea");
}

TEST(Dataset, TellsTheFormatOfEachFileFromItsFirstRecord) {
  DataFiles data;
  const auto dataset = data.load({data.write("a.jsonl", std::string(kChat) + "\n"), data.write("b.jsonl", line_of_text("sea")),
                                  data.write("c.txt", "the sand")});
  VB_ASSERT_OK(dataset);
  EXPECT_EQ(dataset->counts().records, 3);
  EXPECT_EQ(target_text(dataset->examples().at(1), *data.tokenizer), " sea</s>");
  EXPECT_EQ(target_text(dataset->examples().at(2), *data.tokenizer), " the sand</s>");
}

TEST(Dataset, NamesFileAndLineOfTheFirstBadRecord) {
  DataFiles data;
  std::string text;
  for (int i = 0; i < 500; ++i) text += line_of_text("sea");
  const std::string good = text;
  text += "{\"text\":\n" + good + "{\"text\":3}\n";
  for (int attempt = 0; attempt < 5; ++attempt) EXPECT_THAT(data.error("bad.jsonl", text), HasSubstr("bad.jsonl:501"));
  EXPECT_THAT(data.error("b.jsonl", good + "{\"text\":3}\n"), HasSubstr("expected a string for 'text', found integer"));
  EXPECT_THAT(data.error("c.jsonl", line_of_text("a") + "{\"text\":\"\xFF\"}\n"), HasSubstr("c.jsonl:2"));
  EXPECT_THAT(data.error("d.txt", "fine \xC3("), HasSubstr("d.txt:1"));
}

TEST(Dataset, RefusesAFileOfMixedRecords) {
  DataFiles data;
  const std::string error = data.error("a.jsonl", std::string(kChat) + "\n" + line_of_text("a"));
  EXPECT_THAT(error, HasSubstr("expected a record of the format 'chat' with 'messages', found 'text'"));
  EXPECT_THAT(error, HasSubstr("a.jsonl:2"));
}

TEST(Dataset, RefusesFilesWithoutRecords) {
  DataFiles data;
  EXPECT_THAT(data.error("a.jsonl", ""), HasSubstr("a.jsonl"));
  EXPECT_THAT(data.error("a.jsonl", "\r\n \n"), HasSubstr("at least one record"));
  EXPECT_THAT(data.error("a.txt", ""), HasSubstr("at least one record"));
  EXPECT_THAT(data.error("a.bin", "x"), HasSubstr("ending '.bin'"));
  EXPECT_FALSE(data.load(std::vector<std::filesystem::path>{}));
  const auto absent = data.load({data.folder / "absent.jsonl"});
  ASSERT_FALSE(absent);
  EXPECT_EQ(absent.error().code, ErrorCode::not_found);
}

TEST(Dataset, ReadsWindowsLineEnds) {
  DataFiles data;
  const auto unix_lines = data.load("a.jsonl", line_of_text("sea") + line_of_text("sand"));
  const auto windows = data.load("b.jsonl", "\xEF\xBB\xBF{\"text\":\"sea\"}\r\n{\"text\":\"sand\"}\r\n");
  VB_ASSERT_OK(unix_lines);
  VB_ASSERT_OK(windows);
  EXPECT_EQ(unix_lines->examples(), windows->examples());
  data.options.separator = "\n\n";
  const auto plain = data.load("c.txt", "sea\n\nsand");
  const auto plain_windows = data.load("d.txt", "sea\r\n\r\nsand");
  VB_ASSERT_OK(plain);
  VB_ASSERT_OK(plain_windows);
  EXPECT_EQ(plain->examples(), plain_windows->examples());
  EXPECT_EQ(plain->examples().size(), 2u);
}

TEST(Dataset, CountsWhatItCutAndWhatItLeftOut) {
  DataFiles data;
  data.options.max_length = 4;
  const auto dataset = data.load("a.jsonl", R"({"prompt":"a","completion":" a"}
{"prompt":"the the the the","completion":"a"}
{"prompt":"a","completion":" a a a","id":7}
)");
  VB_ASSERT_OK(dataset);
  const DatasetCounts& counts = dataset->counts();
  EXPECT_EQ(counts.records, 3);
  EXPECT_EQ(counts.examples, 2);
  EXPECT_EQ(counts.truncated, 2);
  EXPECT_EQ(counts.dropped, 1);
  EXPECT_EQ(counts.tokens, 8);         // <s> a a </s>, <s> a a a
  EXPECT_EQ(counts.target_tokens, 4);  // a </s>, a a
  EXPECT_EQ(counts.unused_keys, (std::map<std::string, std::int64_t>{{"id", 1}}));
  EXPECT_EQ(to_json(counts).find("dropped_without_target")->as_int(), 1);
  EXPECT_EQ(dataset->lengths(), (std::vector<std::int64_t>{4, 4}));
}

TEST(Dataset, SplitsPlainTextIntoBlocksAndRefusesToSplitConversations) {
  DataFiles data;
  data.options.truncation = "split";
  EXPECT_THAT(data.error("a.txt", "sea"), HasSubstr("needs max_length"));
  data.options.max_length = 5;
  const auto dataset = data.load("a.txt", "the sand and the sea in the sun");
  VB_ASSERT_OK(dataset);
  EXPECT_GT(dataset->examples().size(), 2u);
  EXPECT_EQ(dataset->counts().records, 1);
  EXPECT_THAT(data.error("b.jsonl", kChat), HasSubstr("'split' is for texts"));
}

TEST(Dataset, RefusesOptionsThatDoNotFit) {
  const auto error = [](DatasetOptions options) {
    DataFiles data;
    data.options = std::move(options);
    return data.error("a.jsonl", line_of_text("sea"));
  };
  EXPECT_THAT(error({.max_length = 1}), HasSubstr("max_length"));
  EXPECT_THAT(error({.format = "csv"}), HasSubstr("unknown format 'csv'"));
  EXPECT_THAT(error({.truncation = "tail"}), HasSubstr("truncation"));
  EXPECT_THAT(error({.columns = {{"txt", "story"}}}), HasSubstr("'txt', which no format reads"));
  EXPECT_THAT(error({.template_variables = Json::array()}), HasSubstr("a table of template_variables"));
  EXPECT_THAT(error({.template_variables = Json::object({{"messages", 1}})}), HasSubstr("without 'messages'"));
  for (const char* date : {"2026-13-01", "2026-1-1", "today", "2026-02-30", "2026-01-011", "+026-01-01"})
    EXPECT_THAT(error({.date = date}), HasSubstr("YYYY-MM-DD"));
  EXPECT_EQ(error({.date = "2026-02-28"}), "no error");
}

TEST(Dataset, TellsATemplateTheDateOnlyWhenGiven) {
  DataFiles data;
  data.conversation = chat_template("{{ strftime_now('%Y/%m/%d') }}{% for m in messages %}{% generation %}{{ m.content }}{% endgeneration %}{% endfor %}");
  const std::string record = R"({"messages":[{"role":"assistant","content":"sea"}]})";
  EXPECT_THAT(data.error("a.jsonl", record), HasSubstr("a.jsonl:1"));
  data.options.date = "2026-03-04";
  const auto dataset = data.load("a.jsonl", record);
  VB_ASSERT_OK(dataset);
  EXPECT_EQ(data.tokenizer->decode(dataset->examples().at(0).ids).value(), "2026/03/04sea");
}

TEST(Dataset, ReadsColumnsUnderOtherNames) {
  DataFiles data;
  data.options.columns = {{"text", "story"}};
  const auto dataset = data.load("a.jsonl", R"({"story":"the sea"})");
  VB_ASSERT_OK(dataset);
  EXPECT_EQ(target_text(dataset->examples().at(0), *data.tokenizer), " the sea</s>");
  EXPECT_TRUE(dataset->counts().unused_keys.empty());
}

TEST(DatasetDigest, ChangesWithOneByteOfAFile) {
  DataFiles data;
  const auto digest = [&](std::string_view text) { return data.load("a.jsonl", text).value().digest(); };
  const std::string text = line_of_text("the sea") + line_of_text("the sand");
  const std::string original = digest(text);
  EXPECT_EQ(original.size(), 64u);
  EXPECT_EQ(digest(text), original);
  for (std::size_t at = 0; at < text.size(); ++at) {
    std::string changed = text;
    if (changed[at] < 'a' || changed[at] > 'z' || !data.load("a.jsonl", (changed[at] ^= 1, changed))) continue;
    EXPECT_NE(digest(changed), original) << "byte " << at;
  }
  EXPECT_NE(digest(text + "\n"), original);  // another file, though the same records
}

TEST(DatasetDigest, ChangesWithWhatDecidesAboutTheExamples) {
  DataFiles data;
  std::set<std::string> digests;
  const auto add = [&] { digests.insert(data.load("a.jsonl", line_of_text("the sea")).value().digest()); };
  add();
  data.options.max_length = 3;
  add();
  data.options.truncation = "split";
  add();
  data.options.append_eos = false;
  add();
  data.conversation = chat_template("other");
  add();
  data.conversation = nullptr;
  add();
  EXPECT_EQ(digests.size(), 6u);
  const auto moved = data.load("moved.jsonl", line_of_text("the sea"));
  VB_ASSERT_OK(moved);
  EXPECT_TRUE(digests.contains(moved->digest()));
}

TEST(DatasetDigest, ChangesWithTheOrderOfTheFiles) {
  DataFiles data;
  const auto a = data.write("a.jsonl", line_of_text("a")), b = data.write("b.jsonl", line_of_text("b"));
  EXPECT_NE(data.load({a, b}).value().digest(), data.load({b, a}).value().digest());
}

std::string many_lines(int count) {
  std::string text;
  for (int i = 0; i < count; ++i) text += line_of_text(format("the sea {} and the sand", i));
  return text;
}

TEST(DatasetSplit, KeepsEveryExampleInExactlyOnePart) {
  DataFiles data;
  auto dataset = data.load("a.jsonl", many_lines(50)).value();
  const auto all = dataset.examples();
  const auto parts = std::move(dataset).split({.fraction = 0.1, .seed = 4});
  VB_ASSERT_OK(parts);
  EXPECT_EQ(parts->held_out.examples().size(), 5u);
  EXPECT_EQ(parts->train.examples().size(), 45u);
  EXPECT_EQ(parts->train.counts().tokens + parts->held_out.counts().tokens, data.load("a.jsonl", many_lines(50)).value().counts().tokens);
  std::size_t train = 0, held_out = 0;  // both in the order of the file
  for (const Example& example : all) {
    if (train < 45 && example == parts->train.examples()[train])
      ++train;
    else if (held_out < 5 && example == parts->held_out.examples()[held_out])
      ++held_out;
  }
  EXPECT_EQ(train + held_out, 50u);
}

TEST(DatasetSplit, DependsOnTheSeedAndHasADigestOfItsOwn) {
  DataFiles data;
  const auto split = [&](const HeldOut& held_out) { return data.load("a.jsonl", many_lines(50)).value().split(held_out).value(); };
  const auto a = split({.count = 7, .seed = 1}), b = split({.count = 7, .seed = 1}), c = split({.count = 7, .seed = 2});
  EXPECT_EQ(a.held_out.examples(), b.held_out.examples());
  EXPECT_NE(a.held_out.examples(), c.held_out.examples());
  EXPECT_EQ(a.train.digest(), b.train.digest());
  EXPECT_NE(a.train.digest(), c.train.digest());
  EXPECT_NE(a.train.digest(), a.held_out.digest());
}

TEST(DatasetSplit, KeepsTheBlocksOfADocumentTogether) {
  DataFiles data;
  data.options = {.max_length = 4, .truncation = "split", .separator = "|"};
  std::string text;
  for (int i = 0; i < 12; ++i) text += std::string(12, static_cast<char>('a' + i)) + "|";
  const auto parts = data.load("a.txt", text).value().split({.count = 4, .seed = 3});
  VB_ASSERT_OK(parts);
  const auto letters = [&](const Dataset& part) {
    std::set<char> seen;
    for (const Example& example : part.examples())
      for (const char c : target_text(example, *data.tokenizer))
        if (c >= 'a' && c <= 'l') seen.insert(c);
    seen.erase('s');
    return seen;
  };
  EXPECT_EQ(letters(parts->held_out).size(), 4u);
  EXPECT_EQ(letters(parts->train).size(), 8u);
}

TEST(DatasetSplit, RefusesToEmptyAPart) {
  DataFiles data;
  const auto error = [&](const HeldOut& held_out) {
    const auto parts = data.load("a.jsonl", many_lines(3)).value().split(held_out);
    return parts ? "no error" : describe(parts.error());
  };
  EXPECT_THAT(error({.count = 3}), HasSubstr("cannot hold out 3 of 3 records"));
  EXPECT_THAT(error({.count = 0}), HasSubstr("cannot hold out 0 of 3 records"));
  EXPECT_THAT(error({.fraction = 1.0}), HasSubstr("below 1"));
  EXPECT_THAT(error({.fraction = std::numeric_limits<double>::quiet_NaN()}), HasSubstr("below 1"));
  EXPECT_THAT(error({}), HasSubstr("found neither"));
  EXPECT_THAT(error({.fraction = 0.5, .count = 1}), HasSubstr("found both"));
  EXPECT_EQ(error({.fraction = 0.01}), "no error");
}

TEST(Dataset, DoesNotDependOnTheNumberOfThreads) {
  DataFiles one, many;
  ThreadPool single(1);
  const auto path = one.write("a.jsonl", many_lines(300));
  const Context context{.pool = single, .clock = system_clock(), .progress = one.progress, .cancel = one.cancel};
  const std::vector<std::filesystem::path> files{path};
  const auto a = Dataset::load(files, one.options, *one.tokenizer, nullptr, context);
  const auto b = many.load({path});
  VB_ASSERT_OK(a);
  VB_ASSERT_OK(b);
  EXPECT_EQ(a->examples(), b->examples());
}

TEST(Dataset, StopsWhenCancelled) {
  DataFiles data;
  data.cancel.cancel();
  const auto dataset = data.load("a.jsonl", many_lines(100));
  ASSERT_FALSE(dataset);
  EXPECT_EQ(dataset.error().code, ErrorCode::cancelled);
  EXPECT_EQ(data.progress.finished, 1);
}

TEST(Dataset, ReadsAHundredThousandLinesAndReportsProgress) {
  DataFiles data;
  const auto dataset = data.load("a.jsonl", many_lines(100'000));
  VB_ASSERT_OK(dataset);
  EXPECT_EQ(dataset->examples().size(), 100'000u);
  EXPECT_EQ(target_text(dataset->examples()[77'777], *data.tokenizer), " the sea 77777 and the sand</s>");
  EXPECT_GE(data.progress.updates, 100);
}

TEST(DatasetOptions, AreDeclaredWithoutContradiction) { VB_EXPECT_OK(check_declaration<DatasetOptions>()); }

}  // namespace
}  // namespace vauban::test
