#include "text/training/tokenizer_files.h"

#include <gtest/gtest.h>

#include "text/gguf_pre.h"
#include "text/tokenizer.h"
#include "text/training/pattern_words.h"
#include "text/training/training_test.h"

namespace vauban::test {
namespace {

struct Made {
  Json tokenizer, config;
  std::shared_ptr<const Tokenizer> loaded;
};

Result<Made> make(std::string_view pre, const TokenizerRoles& roles) {
  const std::vector<std::string> specials{"<s>", "</s>", "<|im start|>"}, user{"<think>"};
  std::vector<std::string> all = specials;
  all.insert(all.end(), user.begin(), user.end());
  VB_TRY(const GgufPreType* const type, find_gguf_pre(pre));
  VB_TRY(const PatternWords rule, PatternWords::make(type->patterns, all));
  WordTable table;
  VB_CHECK(rule.cut("the cat sat on the mat. the cat's hat, the bat: 1234 1234 caf\xC3\xA9 caf\xC3\xA9", table));
  TrainingBench bench;
  VB_TRY(const TrainedBpe trained, train_bpe(table.sorted(), {.vocab_size = 275, .specials = all}, bench.context));
  Made out;
  VB_TRY(out.tokenizer, bpe_tokenizer_json(trained, {.patterns = type->patterns, .specials = specials, .user_defined = user, .roles = roles}));
  out.config = tokenizer_config_json(roles, "{{ messages }}", "PreTrainedTokenizerFast");
  VB_TRY(const std::string text, out.tokenizer.dump());
  VB_TRY(out.loaded, load_tokenizer_json(text, {.tokenizer_config = out.config}));
  return out;
}

TEST(BpeFiles, OurLoaderReadsThemAndHardStringsComeBack) {
  for (const char* pre : {"gpt-2", "llama3", "qwen2", "falcon"}) {
    const auto made = make(pre, {.bos = "<s>", .eos = "</s>"});
    VB_ASSERT_OK(made);
    const Tokenizer& tokenizer = *made->loaded;
    EXPECT_EQ(tokenizer.vocab_size(), 275);
    EXPECT_EQ(tokenizer.bos(), 0);
    EXPECT_EQ(tokenizer.eos(), 1);
    EXPECT_TRUE(tokenizer.is_special(2));
    EXPECT_FALSE(tokenizer.is_special(3));
    for (const char* text : {"", " ", "  \n\n\t ", "caf\xC3\xA9 \xF0\x9F\x98\x80\xE2\x80\x8D\xF0\x9F\x94\xA5", "e\xCC\x81", "\xE4\xB8\xAD\xE6\x96\x87 \xE1\x9E\x80", "a\r\nb", "don't 12345678", "<think>x</think><|im start|>"}) {
      const auto encoding = tokenizer.encode(text);
      VB_ASSERT_OK(encoding);
      EXPECT_EQ(tokenizer.decode(encoding->ids).value_or("error"), text) << pre;
    }
    const auto special = tokenizer.encode("the<|im start|>cat<think>");
    VB_ASSERT_OK(special);
    EXPECT_EQ(std::count(special->ids.begin(), special->ids.end(), 2), 1);
    EXPECT_EQ(special->ids.back(), 3);
  }
}

TEST(BpeFiles, BosAndEosStandAroundTextsWhenAskedFor) {
  const auto plain = make("gpt-2", {.bos = "<s>", .eos = "</s>"});
  const auto both = make("gpt-2", {.bos = "<s>", .eos = "</s>", .add_bos = true, .add_eos = true});
  VB_ASSERT_OK(plain);
  VB_ASSERT_OK(both);
  std::vector<std::int32_t> expected = plain->loaded->encode("the cat")->ids;
  expected.insert(expected.begin(), 0);
  expected.push_back(1);
  EXPECT_EQ(both->loaded->encode("the cat")->ids, expected);
  EXPECT_FALSE(make("gpt-2", {.add_bos = true}).has_value());
  EXPECT_FALSE(make("gpt-2", {.bos = "<bos>"}).has_value()) << "not among the special tokens";
}

TEST(BpeFiles, TheConfigNamesRolesAndTemplate) {
  const auto made = make("gpt-2", {.bos = "<s>", .unk = "<s>", .pad = "</s>"});
  VB_ASSERT_OK(made);
  EXPECT_EQ(made->config.get_string("bos_token").value_or(""), "<s>");
  EXPECT_EQ(made->config.get_string("pad_token").value_or(""), "</s>");
  EXPECT_EQ(made->config.get_string("chat_template").value_or(""), "{{ messages }}");
  EXPECT_EQ(made->config.find("eos_token"), nullptr);
  EXPECT_EQ(made->tokenizer.find("added_tokens")->size(), 4u);
}

TEST(BpeFiles, TheSameTextGivesTheSameBytes) {
  const auto a = make("gpt-2", {}), b = make("gpt-2", {});
  VB_ASSERT_OK(a);
  VB_ASSERT_OK(b);
  EXPECT_EQ(a->tokenizer.dump().value_or("a"), b->tokenizer.dump().value_or("b"));
}

}  // namespace
}  // namespace vauban::test
