// vauban tokenizer train, as a user runs it.
#include <gtest/gtest.h>

#include "base/result.h"
#include "cli/workspace.h"

namespace vauban::test {
namespace {

std::string story() {
  std::string text;
  for (const char* who : {"cat", "dog", "bird", "girl", "boy"})
    for (const char* what : {"runs", "sleeps", "sings", "jumped over the river", "was happy"})
      text += std::string("Once the ") + who + " " + what + ", and the little " + who + " told a story.\n";
  return text;
}

std::string ids_text(const Json& ids) {
  std::string out;
  for (const Json& id : ids.items()) out += (out.empty() ? "" : ",") + std::to_string(id.as_int());
  return out;
}

/// encode and decode through the program.
std::string round_trip(const Workspace& work, const std::string& file, const std::string& text) {
  const Json encoded = work.run({"tokenize", file, "--text", text, "--json"}).json();
  return at(work.run({"detokenize", file, "--ids", ids_text(at(encoded, {"ids"})), "--skip-special", "--json"}).json(), {"text"}).as_string();
}

const std::string kHard = "the caf\xC3\xA9  \xF0\x9F\x98\x80\xE2\x80\x8D\xF0\x9F\x94\xA5 \xE4\xB8\xAD\xE6\x96\x87 1234\n\t end ";

TEST(TokenizerTrain, BpeMakesAFolderThatTheProgramReads) {
  const Workspace work;
  work.write("story.txt", story());
  work.write("chat.jinja", "{{ bos_token }}{% for m in messages %}{{ m.content }}{% endfor %}");
  const std::vector<std::string> args{"tokenizer", "train", "--kind", "bpe", "--vocab-size", "330", "--input", "story.txt",
                                      "--special", "<s>,</s>", "--user-symbols", "<think>", "--bos", "<s>", "--eos", "</s>", "--pad", "<pad>",
                                      "--add-bos", "--chat-template", "chat.jinja", "--json", "--out"};
  const auto with = [&](const char* out) {
    std::vector<std::string> all = args;
    all.emplace_back(out);
    return work.run(all);
  };
  const Json answer = with("tok").json();
  EXPECT_EQ(at(answer, {"vocab_size"}).as_int(), 330);
  EXPECT_EQ(at(answer, {"merges"}).as_int(), 330 - 256 - 4);
  EXPECT_EQ(at(answer, {"bytes"}).as_int(), static_cast<std::int64_t>(story().size()));
  EXPECT_EQ(at(read_json(work / "tok/tokenizer_config.json"), {"pad_token"}).as_string(), "<pad>");
  EXPECT_NE(at(read_json(work / "tok/tokenizer_config.json"), {"chat_template"}).as_string().find("bos_token"), std::string::npos);
  EXPECT_EQ(round_trip(work, "tok/tokenizer.json", kHard), kHard);
  const Json encoded = work.run({"tokenize", "tok/tokenizer.json", "--text", "the cat<think></s>", "--json"}).json();
  const Json::Array& ids = at(encoded, {"ids"}).items();
  ASSERT_GT(ids.size(), 2u);
  EXPECT_EQ(ids.front().as_int(), 0) << "BOS";
  EXPECT_EQ(ids[ids.size() - 2].as_int(), 3) << "<think>, behind <s> </s> <pad>";
  EXPECT_EQ(ids.back().as_int(), 1);
  with("again").json();
  EXPECT_EQ(files_below(work / "tok"), files_below(work / "again"));
}

TEST(TokenizerTrain, UnigramMakesASentencePieceModel) {
  const Workspace work;
  work.write("story.txt", story());
  const std::vector<std::string> args{"tokenizer", "train", "--kind", "unigram", "--vocab-size", "300", "--input", "story.txt",
                                      "--byte-fallback", "--keep-spaces", "--user-symbols", "<think>", "--json", "--out"};
  const auto with = [&](const char* out, const char* threads) {
    std::vector<std::string> all = args;
    all.insert(all.end(), {out, "--threads", threads});
    return work.run(all);
  };
  const Json answer = with("tok", "1").json();
  EXPECT_EQ(at(answer, {"vocab_size"}).as_int(), 300);
  EXPECT_EQ(at(answer, {"pieces"}).as_int(), 300 - 3 - 1 - 256);
  EXPECT_EQ(round_trip(work, "tok/tokenizer.model", kHard), kHard);
  const Json encoded = work.run({"tokenize", "tok/tokenizer.model", "--text", "a<think>cat", "--json"}).json();
  ASSERT_GT(at(encoded, {"ids"}).size(), 0u);
  EXPECT_EQ(at(encoded, {"ids"}).items()[0].as_int(), 1) << "BOS";
  bool whole = false;
  for (const Json& id : at(encoded, {"ids"}).items()) whole = whole || id.as_int() == 3;
  EXPECT_TRUE(whole) << "the user symbol is one token";
  with("one.model", "3").json();
  EXPECT_EQ(read_text(work / "one.model"), read_text(work / "tok/tokenizer.model")) << "threads do not matter";
}

TEST(TokenizerTrain, LinesOfJsonAreReadByTheirField) {
  const Workspace work;
  work.write("t.jsonl", "{\"body\":\"low lower lowest low low\"}\n{\"body\":\"low lower\"}\n");
  const std::vector<std::string> args{"tokenizer", "train", "--kind", "bpe", "--vocab-size", "258", "--input", "t.jsonl", "--json", "--out", "tok"};
  EXPECT_EQ(work.run(args).exit_code, 2) << "no field 'text'";
  std::vector<std::string> named = args;
  named.insert(named.end(), {"--jsonl-field", "body"});
  EXPECT_EQ(at(work.run(named).json(), {"vocab_size"}).as_int(), 258);
}

TEST(TokenizerTrain, WhatCannotBeTrainedSaysWhyAndWritesNothing) {
  const Workspace work;
  work.write("small.txt", "aa bb");
  work.write("empty.txt", "");
  work.write("bad.txt", "good \xFF bad");
  const auto run = [&](const std::string& kind, const std::string& size, const std::string& input, const std::vector<std::string>& more = {}) {
    std::vector<std::string> args{"tokenizer", "train", "--kind", kind, "--vocab-size", size, "--input", input, "--out", "tok", "--json"};
    args.insert(args.end(), more.begin(), more.end());
    return work.run(args);
  };
  const auto message = [](const Outcome& outcome) {
    EXPECT_EQ(outcome.exit_code, 2) << outcome.out;
    const Json answer = outcome.json();
    return at(answer, {"error", "message"}).as_string();
  };
  EXPECT_NE(message(run("bpe", "400", "small.txt")).find("gives 259 tokens"), std::string::npos);
  EXPECT_NE(message(run("bpe", "100", "small.txt")).find("at least 256"), std::string::npos);
  EXPECT_NE(message(run("bpe", "400", "empty.txt")).find("gives 256 tokens"), std::string::npos);
  EXPECT_NE(message(run("bpe", "300", "bad.txt")).find("byte 5"), std::string::npos);
  EXPECT_NE(message(run("unigram", "300", "bad.txt")).find("byte 5"), std::string::npos);
  EXPECT_NE(message(run("unigram", "300", "small.txt")).find("the text gives"), std::string::npos);
  EXPECT_NE(message(run("unigram", "4", "small.txt")).find("characters of the text need"), std::string::npos);
  EXPECT_NE(message(run("unigram", "30", "empty.txt")).find("no words"), std::string::npos);
  EXPECT_NE(message(run("unigram", "30", "small.txt", {"--add-bos"})).find("--add-bos"), std::string::npos);
  EXPECT_NE(message(run("bpe", "300", "small.txt", {"--byte-fallback"})).find("--byte-fallback"), std::string::npos);
  EXPECT_NE(message(run("bpe", "257", "small.txt", {"--add-bos"})).find("BOS"), std::string::npos);
  EXPECT_EQ(run("bpe", "300", "none.txt").exit_code, 2);
  EXPECT_EQ(run("bpe", "300", "small.txt", {"--pre", "unheard-of"}).exit_code, 3);
  EXPECT_FALSE(std::filesystem::exists(work / "tok"));
}

}  // namespace
}  // namespace vauban::test
