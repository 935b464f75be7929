// generate, logits, tokenize, detokenize, inspect.
#include <cstring>

#include "base/result.h"
#include "cli/workspace.h"
#include "format/safetensors.h"
#include "support/tiny_model.h"

namespace vauban::test {
namespace {

std::string stories() { return (shared_data() / "models/stories260K/hf").string(); }

std::string ids_text(const Json& ids) {
  std::string text;
  for (const Json& id : ids.items()) text += (text.empty() ? "" : ",") + std::to_string(id.as_int());
  return text;
}

TEST(Generate, WritesTheAuthorsGreedyTextByteForByte) {
  VB_NEED_SHARED("models/stories260K/hf");
  const Json golden = read_json(shared_data() / "golden/stories260K_author_expected.json");
  for (const Json& story : at(golden, {"cases"}).items()) {
    const std::string prompt = at(story, {"prompt"}).as_string(), expected = at(story, {"expected"}).as_string();
    // The author counts steps: a prompt of n tokens leaves steps - n + 1 new ones.
    std::vector<std::string> input{"--ids", "1"};
    if (!prompt.empty()) input = {"--prompt", prompt};
    const Json encoded = prompt.empty() ? Json() : vauban({"tokenize", stories(), "--text", prompt, "--json"}).json();
    const std::int64_t prompt_tokens = prompt.empty() ? 1 : static_cast<std::int64_t>(at(encoded, {"ids"}).size());
    std::vector<std::string> args{"generate", stories(), "--max-tokens", std::to_string(at(story, {"steps"}).as_int() - prompt_tokens + 1)};
    args.insert(args.end(), input.begin(), input.end());
    const Outcome plain = vauban(args);
    EXPECT_EQ(plain.exit_code, 0) << plain.err;
    EXPECT_EQ(prompt + plain.out, expected + "\n");
    args.emplace_back("--json");
    const Json answer = vauban(args).json();
    EXPECT_EQ(prompt + at(answer, {"text"}).as_string(), expected);
    EXPECT_EQ(at(answer, {"finish_reason"}).as_string(), "length");
  }
}

TEST(Generate, GivesThePromisedKeys) {
  const Workspace work;
  const Outcome done = work.run({"generate", "base", "--prompt", "Once upon", "--max-tokens", "7", "--json"});
  EXPECT_EQ(done.exit_code, 0) << done.err;
  const Json answer = done.json();
  EXPECT_EQ(at(answer, {"ids"}).size(), 7u);
  EXPECT_TRUE(at(answer, {"text"}).is_string());
  EXPECT_EQ(at(answer, {"timings", "prefill_tokens"}).as_int(), static_cast<std::int64_t>(at(answer, {"prompt_ids"}).size()));
  EXPECT_EQ(at(answer, {"timings", "decode_tokens"}).as_int(), 6);
  for (const char* key : {"prefill_s", "decode_s"}) EXPECT_GE(at(answer, {"timings", key}).as_double(), 0.0);
  const Json again = work.run({"generate", "base", "--ids", ids_text(at(answer, {"prompt_ids"})), "--max-tokens", "7", "--json"}).json();
  EXPECT_EQ(at(again, {"ids"}), at(answer, {"ids"})) << "nothing is added to --ids";
  EXPECT_EQ(at(again, {"prompt_ids"}), at(answer, {"prompt_ids"}));
}

TEST(Generate, SamplingFollowsItsSeedAndStopsWhereItIsTold) {
  const Workspace work;
  const auto sampled = [&](const char* seed) {
    return at(work.run({"generate", "base", "--prompt", "a", "--temperature", "1", "--seed", seed, "--max-tokens", "20", "--json"}).json(), {"ids"});
  };
  EXPECT_EQ(sampled("1"), sampled("1"));
  EXPECT_NE(sampled("1"), sampled("2"));
  const std::string whole = at(work.run({"generate", "base", "--prompt", "a", "--max-tokens", "20", "--json"}).json(), {"text"}).as_string();
  ASSERT_GT(whole.size(), 6u);
  const std::string stop = whole.substr(3, 2);
  const Json cut = work.run({"generate", "base", "--prompt", "a", "--max-tokens", "20", "--stop", stop, "--json"}).json();
  EXPECT_EQ(at(cut, {"finish_reason"}).as_string(), "stop");
  EXPECT_EQ(at(cut, {"text"}).as_string(), whole.substr(0, whole.find(stop)));
}

TEST(Generate, WithoutATokenizerIdsAreEnoughAndTextIsNull) {
  const Workspace work;
  work.write("bare.gguf", tiny_gguf(make_tiny_model()));
  const Outcome done = work.run({"generate", "bare.gguf", "--ids", "1,259,267", "--max-tokens", "4", "--json"});
  EXPECT_EQ(done.exit_code, 0) << done.err;
  EXPECT_TRUE(at(done.json(), {"text"}).is_null());
  EXPECT_EQ(at(done.json(), {"ids"}), at(work.run({"generate", "base", "--ids", "1,259,267", "--max-tokens", "4", "--json"}).json(), {"ids"}));
  EXPECT_EQ(work.run({"logits", "bare.gguf", "--ids", "1,259", "--top", "3"}).exit_code, 0);
  EXPECT_EQ(work.run({"trace", "bare.gguf", "--ids", "1,259", "--observe", "resid_post:all:summary", "--out", "t"}).exit_code, 0);
  const Outcome text = work.run({"generate", "bare.gguf", "--prompt", "a", "--json"});
  EXPECT_EQ(text.exit_code, 3);
  EXPECT_EQ(at(text.json(), {"error", "code"}).as_string(), "unsupported");
}

/// The `logits` tensor of a file: its shape and bytes.
struct LogitsFile {
  std::string shape, bytes;
};
LogitsFile read_logits(const std::filesystem::path& path) {
  const auto file = open_safetensors(path);
  VB_EXPECT_OK(file);
  const TensorEntry* entry = file ? (*file)->find("logits") : nullptr;
  EXPECT_NE(entry, nullptr);
  if (!entry) return {};
  EXPECT_EQ(entry->view.dtype, DType::f32);
  return {entry->view.shape.to_string(), std::string(reinterpret_cast<const char*>(entry->view.bytes.data()), entry->view.bytes.size())};
}

TEST(Logits, OneTokenAtATimeGivesTheSameBits) {
  const Workspace work;
  const std::vector<std::string> all{"logits", "base", "--prompt", "Once upon a time there was", "--all", "--json", "--out"};
  const auto run = [&](std::vector<std::string> args, const char* out, std::vector<std::string> more) {
    args.emplace_back(out);
    args.insert(args.end(), more.begin(), more.end());
    const Outcome done = work.run(args);
    EXPECT_EQ(done.exit_code, 0) << done.err;
    return done.json();
  };
  const Json whole = run(all, "whole.safetensors", {}), stepwise = run(all, "step.safetensors", {"--stepwise"});
  const Json alone = run(all, "alone.safetensors", {"--threads", "1"});
  EXPECT_EQ(at(whole, {"logits"}), at(stepwise, {"logits"}));
  const LogitsFile a = read_logits(work / "whole.safetensors"), b = read_logits(work / "step.safetensors");
  EXPECT_EQ(a.shape, format("[{}, 300]", at(whole, {"ids"}).size()));
  EXPECT_TRUE(a.bytes == b.bytes);
  EXPECT_TRUE(a.bytes == read_logits(work / "alone.safetensors").bytes);
}

TEST(Logits, TheFileHoldsWhatIsPrinted) {
  const Workspace work;
  const Json answer = work.run({"logits", "base", "--ids", "1,259,267", "--top", "5", "--out", "l.safetensors", "--json"}).json();
  EXPECT_EQ(at(answer, {"vocab"}).as_int(), 300);
  EXPECT_EQ(at(answer, {"logits"}).size(), 300u);
  const LogitsFile file = read_logits(work / "l.safetensors");
  EXPECT_EQ(file.shape, "[1, 300]");
  ASSERT_EQ(file.bytes.size(), 1200u);
  for (std::size_t i = 0; i < 300; ++i) {
    float value = 0;
    std::memcpy(&value, file.bytes.data() + 4 * i, 4);
    EXPECT_EQ(static_cast<float>(at(answer, {"logits"}).items()[i].as_double()), value);
  }
  ASSERT_EQ(at(answer, {"top"}).size(), 5u);
  double last = 1e30;
  for (const Json& row : at(answer, {"top"}).items()) {
    const auto id = static_cast<std::size_t>(at(row, {"id"}).as_int());
    EXPECT_EQ(at(row, {"logit"}), at(answer, {"logits"}).items()[id]);
    EXPECT_LE(at(row, {"logit"}).as_double(), last);
    EXPECT_LT(at(row, {"logprob"}).as_double(), 0.0);
    EXPECT_TRUE(at(row, {"piece"}).is_string());
    last = at(row, {"logit"}).as_double();
  }
}

TEST(Logits, TheReferenceAgreesWithTheCpu) {
  const Workspace work;
  const std::vector<std::string> args{"logits", "base", "--ids", "1,259,267,280", "--json", "--backend"};
  const auto with = [&](const char* backend) {
    std::vector<std::string> all = args;
    all.emplace_back(backend);
    return at(work.run(all).json(), {"logits"});
  };
  const Json cpu = with("cpu"), reference = with("reference");
  ASSERT_EQ(cpu.size(), reference.size());
  for (std::size_t i = 0; i < cpu.size(); ++i)
    EXPECT_NEAR(cpu.items()[i].as_double(), reference.items()[i].as_double(), 2e-4) << "f32 against f64 over two layers, logit " << i;
}

TEST(Tokenize, IdsPiecesAndByteOffsetsBelongTogether) {
  const Workspace work;
  const std::string text = "Hi \xC3\xA9 the cat";
  const Json answer = work.run({"tokenize", "base", "--text", text, "--json"}).json();
  const std::size_t n = at(answer, {"ids"}).size();
  EXPECT_EQ(at(answer, {"pieces"}).size(), n);
  ASSERT_EQ(at(answer, {"offsets"}).size(), n);
  for (const Json& span : at(answer, {"offsets"}).items()) {
    EXPECT_LE(span.items()[0].as_int(), span.items()[1].as_int());
    EXPECT_LE(span.items()[1].as_int(), static_cast<std::int64_t>(text.size()));
  }
  EXPECT_EQ(at(answer, {"ids"}).items()[0].as_int(), 1) << "BOS as the model's files say";
  const Json bare = work.run({"tokenize", "base", "--text", text, "--no-special", "--json"}).json();
  EXPECT_EQ(at(bare, {"ids"}).size(), n - 1);
  work.write("text.txt", text);
  EXPECT_EQ(work.run({"tokenize", "base", "--file", "text.txt", "--json"}).json(), answer);
  EXPECT_EQ(work.run({"tokenize", "base/tokenizer.json", "--text", text, "--no-special", "--json"}).json(), bare);
}

TEST(Tokenize, DetokenizeGivesTheTextBack) {
  const Workspace work;
  const std::string text = "Once upon a time, \xF0\x9F\x98\x80 it was";
  const Json encoded = work.run({"tokenize", "base", "--text", text, "--json"}).json();
  const std::string ids = ids_text(at(encoded, {"ids"}));
  EXPECT_EQ(at(work.run({"detokenize", "base", "--ids", ids, "--skip-special", "--json"}).json(), {"text"}).as_string(), text);
  EXPECT_EQ(work.run({"detokenize", "base", "--ids", ids, "--skip-special"}).out, text + "\n");
  EXPECT_NE(at(work.run({"detokenize", "base", "--ids", ids, "--json"}).json(), {"text"}).as_string(), text) << "special tokens stay";
}

TEST(Tokenize, LinesInLinesOut) {
  const Workspace work;
  work.write("texts.jsonl", "{\"text\":\"a cat\"}\n{\"text\":\"\"}\n{\"text\":\"a dog\"}\n");
  const std::vector<Json> rows = work.run({"tokenize", "base", "--jsonl", "texts.jsonl", "--json"}).json_lines();
  ASSERT_EQ(rows.size(), 3u);
  std::string ids;
  for (const Json& row : rows) ids += Json::object({{"ids", at(row, {"ids"})}}).dump().value_or("") + "\n";
  work.write("ids.jsonl", ids);
  const std::vector<Json> texts = work.run({"detokenize", "base", "--jsonl", "ids.jsonl", "--skip-special", "--json"}).json_lines();
  ASSERT_EQ(texts.size(), 3u);
  EXPECT_EQ(at(texts[0], {"text"}).as_string(), "a cat");
  EXPECT_EQ(at(texts[2], {"text"}).as_string(), "a dog");
}

TEST(Tokenize, PairsAreFramedAsTheTokenizerSays) {
  const Workspace work;
  const Json one = work.run({"tokenize", "base", "--text", "a cat", "--json"}).json();
  const Json two = work.run({"tokenize", "base", "--text", "a cat", "--pair", "a dog", "--json"}).json();
  const Json other = work.run({"tokenize", "base", "--text", "a dog", "--json"}).json();
  EXPECT_EQ(at(two, {"ids"}).size(), at(one, {"ids"}).size() + at(other, {"ids"}).size()) << "each text has what it has alone";
  EXPECT_EQ(at(two, {"sequence_ids"}).items().back().as_int(), 1);
  EXPECT_TRUE(at(two, {"sequence_ids"}).items().front().is_null()) << "BOS";
  work.write("pairs.jsonl", "{\"text\":\"a cat\",\"pair\":\"a dog\"}\n");
  EXPECT_EQ(work.run({"tokenize", "base", "--jsonl", "pairs.jsonl", "--json"}).json_lines().at(0), two);
  EXPECT_EQ(work.run({"tokenize", "base", "--jsonl", "pairs.jsonl", "--pair", "x"}).exit_code, 2);
}

TEST(Tokenize, CutsAndPadsAsTheTokenizerSays) {
  const std::string folder = "tokenizers/trained/trunc_second";
  VB_NEED_SHARED(folder);
  const std::string file = (shared_data() / folder / "tokenizer.json").string();
  const Json answer = vauban({"tokenize", file, "--text", "a", "--pair", "b", "--truncation", "--padding", "--json"}).json();
  EXPECT_EQ(at(answer, {"ids"}).size(), 20u) << "padding to 20";
  EXPECT_EQ(at(answer, {"attention_mask"}).items().back().as_int(), 0);
  const std::string text = "the end of the question is not in the world the end of the question is not in the world";
  EXPECT_EQ(vauban({"tokenize", file, "--text", text, "--truncation", "--json"}).exit_code, 2) << "only a second text may be cut";
  EXPECT_GT(at(vauban({"tokenize", file, "--text", "a", "--pair", text, "--truncation", "--json"}).json(), {"overflowing"}).size(), 0u);
  EXPECT_EQ(vauban({"tokenize", "garrison", "--text", "a", "--padding"}).exit_code, 2) << "it has no rule for it";
}

TEST(Inspect, SaysWhatTheModelHolds) {
  const Workspace work;
  const Json folder = work.run({"inspect", "base", "--json"}).json();
  EXPECT_EQ(at(folder, {"architecture"}).as_string(), "llama");
  EXPECT_EQ(at(folder, {"layers"}).as_int(), 2);
  std::int64_t parameters = 0;
  for (const auto& [name, tensor] : make_tiny_model().tensors) parameters += static_cast<std::int64_t>(tensor.values.size());
  EXPECT_EQ(at(folder, {"parameters"}).as_int(), parameters);
  EXPECT_EQ(at(folder, {"tensors"}).size(), make_tiny_model().tensors.size());
  EXPECT_EQ(at(folder, {"digest"}).as_string().size(), 64u);
  EXPECT_EQ(at(work.run({"inspect", "base", "--json"}).json(), {"digest"}), at(folder, {"digest"}));
  EXPECT_NE(at(work.run({"inspect", "changed", "--json"}).json(), {"digest"}), at(folder, {"digest"}));
  EXPECT_TRUE(at(work.run({"inspect", "base", "--no-digests", "--json"}).json(), {"digest"}).is_null());
  EXPECT_NE(work.run({"inspect", "base"}).out.find("model.embed_tokens.weight"), std::string::npos);
}

}  // namespace
}  // namespace vauban::test
