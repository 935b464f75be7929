// tokenizer.json: the BOS rule, added tokens, and files that are broken or ask for what is not built.
#include <algorithm>
#include <gtest/gtest.h>
#include <random>

#include "text/inputs/encode_inputs.h"
#include "text/expected_rows_test.h"

namespace vauban::test {
namespace {

using Ids = std::vector<std::int32_t>;

Json added(std::int64_t id, std::string_view content, bool special = true) {
  return Json::object({{"id", id}, {"content", content}, {"special", special}, {"normalized", false}});
}

/// a, b, ab and a few specials; BOS and EOS by a template.
Json small_document() {
  const auto item = [](const char* kind, const char* id) {
    return Json::object({{kind, Json::object({{"id", id}, {"type_id", 0}})}});
  };
  const auto token = [](const char* text, int id) {
    return Json::object({{"id", text}, {"ids", Json::array({id})}, {"tokens", Json::array({text})}});
  };
  return Json::object(
      {{"version", "1.0"},
       {"truncation", Json()},
       {"padding", Json()},
       {"added_tokens", Json::array({added(4, "<s>"), added(5, "</s>"), added(6, "<tool>", false)})},
       {"normalizer", Json()},
       {"pre_tokenizer", Json()},
       {"post_processor",
        Json::object({{"type", "TemplateProcessing"},
                      {"single",
                       Json::array({item("SpecialToken", "<s>"), item("Sequence", "A"), item("SpecialToken", "</s>")})},
                      {"pair", Json::array()},
                      {"special_tokens", Json::object({{"<s>", token("<s>", 4)}, {"</s>", token("</s>", 5)}})}})},
       {"decoder", Json::object({{"type", "Fuse"}})},
       {"model", Json::object({{"type", "BPE"},
                               {"vocab", Json::object({{"a", 0}, {"b", 1}, {"ab", 2}, {"?", 3}})},
                               {"merges", Json::array({"a b"})},
                               {"unk_token", "?"}})}});
}

Result<std::shared_ptr<const Tokenizer>> load(const Json& document, const TokenizerHints& hints = {}) {
  VB_TRY(const std::string text, document.dump());
  return load_tokenizer_json(text, hints);
}

Ids encoded(const Json& document, std::string_view text, const TokenizerHints& hints = {},
            const EncodeOptions& options = {}) {
  const auto tokenizer = load(document, hints);
  EXPECT_TRUE(tokenizer.has_value()) << (tokenizer ? "" : describe(tokenizer.error()));
  if (!tokenizer) return {};
  const auto got = (*tokenizer)->encode(text, options);
  EXPECT_TRUE(got.has_value()) << (got ? "" : describe(got.error()));
  return got ? got->ids : Ids{};
}

TEST(TokenizerJson, PutsItsTemplateAroundAText) {
  EXPECT_EQ(encoded(small_document(), "abx"), (Ids{4, 2, 3, 5}));
  EXPECT_EQ(encoded(small_document(), "ab", {}, {.add_special = false}), (Ids{2}));
  EXPECT_EQ(encoded(small_document(), ""), (Ids{4, 5}));
}

TEST(TokenizerJson, NeverGivesTwoBos) {
  EXPECT_EQ(encoded(small_document(), "<s>ab"), (Ids{4, 2, 5}));
  EXPECT_EQ(encoded(small_document(), "a<s>"), (Ids{4, 0, 4, 5})) << "only a text that begins with BOS has one";
  EXPECT_EQ(encoded(small_document(), "<s>", {}, {.parse_special = false}).front(), 4) << "here it is user text";
}

TEST(TokenizerJson, LetsTokenizerConfigOverruleTheTemplate) {
  TokenizerHints hints;
  hints.tokenizer_config = Json::object({{"bos_token", "<s>"}, {"eos_token", Json::object({{"content", "</s>"}})}});
  hints.tokenizer_config["add_eos_token"] = false;
  EXPECT_EQ(encoded(small_document(), "a", hints), (Ids{4, 0}));
  hints.tokenizer_config["add_bos_token"] = false;
  EXPECT_EQ(encoded(small_document(), "a", hints), (Ids{0}));
  Json bare = small_document();
  bare["post_processor"] = Json();
  hints.tokenizer_config["add_bos_token"] = true;
  EXPECT_EQ(encoded(bare, "a", hints), (Ids{4, 0}));
}

TEST(TokenizerJson, TakesBosAndEosFromTheFirstSourceThatNamesThem) {
  TokenizerHints hints;
  const auto plain = load(small_document(), hints);
  VB_ASSERT_OK(plain);
  EXPECT_EQ((*plain)->bos(), 4) << "from the template";
  EXPECT_EQ((*plain)->eos(), 5);
  hints.special_tokens_map = Json::object({{"eos_token", "b"}});
  EXPECT_EQ((*load(small_document(), hints))->eos(), 1);
  hints.tokenizer_config = Json::object({{"eos_token", "a"}});
  EXPECT_EQ((*load(small_document(), hints))->eos(), 0);
  Json bare = small_document();
  bare["post_processor"] = Json();
  hints = {.tokenizer_config = {},
           .special_tokens_map = {},
           .generation_config = Json::object({{"eos_token_id", Json::array({5, 1})}, {"bos_token_id", 4}})};
  EXPECT_EQ((*load(bare, hints))->eos(), 5);
  EXPECT_EQ((*load(bare, hints))->bos(), 4);
}

TEST(TokenizerJson, RefusesHintsThatContradictIt) {
  for (const auto& config : {Json::object({{"bos_token", "<none>"}}), Json::object({{"bos_token", 3}}),
                             Json::object({{"add_bos_token", "yes"}}), Json::object({{"eos_token", Json::object()}}),
                             Json::object({{"added_tokens_decoder", Json::object({{"x", Json::object()}})}})}) {
    const auto got =
        load(small_document(), {.tokenizer_config = config, .special_tokens_map = {}, .generation_config = {}});
    ASSERT_FALSE(got.has_value()) << config.dump().value_or("");
    EXPECT_EQ(got.error().code, ErrorCode::corrupt);
  }
  Json bare = small_document();
  bare["post_processor"] = Json();
  const Json far = Json::object({{"eos_token_id", 1000}});
  EXPECT_FALSE(load(bare, {.tokenizer_config = {}, .special_tokens_map = {}, .generation_config = far}).has_value());
}

TEST(TokenizerJson, AddsTokensThatOnlyTheConfigHas) {
  const Json config = Json::object(
      {{"added_tokens_decoder", Json::object({{"7", Json::object({{"content", "<think>"}, {"special", true}})},
                                              {"4", Json::object({{"content", "<s>"}, {"special", true}})}})}});
  EXPECT_EQ(encoded(small_document(), "a<think>",
                    {.tokenizer_config = config, .special_tokens_map = {}, .generation_config = {}}),
            (Ids{4, 0, 7, 5}));
}

TEST(TokenizerJson, KeepsSpecialTextOfUsersApart) {
  EXPECT_EQ(encoded(small_document(), "a</s>b", {}, {.add_special = false}), (Ids{0, 5, 1}));
  const Ids apart = encoded(small_document(), "a</s>b<tool>", {}, {.add_special = false, .parse_special = false});
  EXPECT_EQ(apart, (Ids{0, 3, 3, 3, 3, 1, 6})) << "unknown characters; a token that is not special is still found";
}

TEST(TokenizerJson, RefusesTextThatIsNotUtf8) {
  const auto tokenizer = load(small_document());
  VB_ASSERT_OK(tokenizer);
  const auto got = (*tokenizer)->encode("ab\xFFz");
  ASSERT_FALSE(got.has_value());
  EXPECT_EQ(got.error().code, ErrorCode::invalid_input);
  EXPECT_NE(got.error().message.find("byte 2"), std::string::npos) << got.error().message;
}

TEST(TokenizerJson, RefusesIdsOutsideTheVocabulary) {
  const auto tokenizer = load(small_document());
  VB_ASSERT_OK(tokenizer);
  for (const std::int32_t id : {-1, 7, 1 << 30}) {
    EXPECT_FALSE((*tokenizer)->decode(Ids{id}).has_value());
    EXPECT_FALSE((*tokenizer)->piece(id).has_value());
  }
  EXPECT_EQ((*tokenizer)->vocab_size(), 7);
  EXPECT_EQ((*tokenizer)->piece(6).value_or(""), "<tool>");
  EXPECT_EQ((*tokenizer)->id_of("ab"), 2);
}

TEST(TokenizerJson, HasADigestThatFollowsTheRules) {
  const std::string digest = (*load(small_document()))->digest();
  EXPECT_EQ(digest.size(), 64u);
  EXPECT_EQ((*load(small_document()))->digest(), digest);
  Json other = small_document();
  other["model"]["merges"] = Json::array();
  EXPECT_NE((*load(other))->digest(), digest);
  Json flags = Json::object({{"add_bos_token", false}});
  EXPECT_NE((*load(small_document(), {.tokenizer_config = flags, .special_tokens_map = {}, .generation_config = {}}))
                ->digest(),
            digest);
  const Json more = Json::object({{"added_tokens_decoder", Json::object({{"7", Json::object({{"content", "<x>"}})}})}});
  const auto extended =
      load(small_document(), {.tokenizer_config = more, .special_tokens_map = {}, .generation_config = {}});
  VB_ASSERT_OK(extended);
  EXPECT_NE((*extended)->digest(), digest) << "a token that only the config has";
  Json truncating = small_document();
  truncating["truncation"] =
      Json::object({{"max_length", 3}, {"stride", 0}, {"strategy", "LongestFirst"}, {"direction", "Right"}});
  EXPECT_EQ((*load(truncating))->digest(), digest) << "a request, not a rule";
}

struct Broken {
  const char* what;
  void (*breaks)(Json&);
  ErrorCode code;
};

const Broken kBroken[] = {
    {"no model", [](Json& d) { d["model"] = Json(); }, ErrorCode::corrupt},
    {"model of another kind", [](Json& d) { d["model"]["type"] = "Trie"; }, ErrorCode::unsupported},
    {"model type is a number", [](Json& d) { d["model"]["type"] = 3; }, ErrorCode::corrupt},
    {"no vocabulary", [](Json& d) { d["model"]["vocab"] = Json(); }, ErrorCode::corrupt},
    {"vocabulary is a list", [](Json& d) { d["model"]["vocab"] = Json::array({"a"}); }, ErrorCode::corrupt},
    {"an id is text", [](Json& d) { d["model"]["vocab"]["a"] = "0"; }, ErrorCode::corrupt},
    {"an id is a fraction", [](Json& d) { d["model"]["vocab"]["a"] = 0.5; }, ErrorCode::corrupt},
    {"an id is huge", [](Json& d) { d["model"]["vocab"]["a"] = INT64_MAX; }, ErrorCode::corrupt},
    {"an id is far above the others", [](Json& d) { d["model"]["vocab"]["a"] = 2000000000; }, ErrorCode::corrupt},
    {"an id is negative", [](Json& d) { d["model"]["vocab"]["a"] = -1; }, ErrorCode::corrupt},
    {"two texts share an id", [](Json& d) { d["model"]["vocab"]["a"] = 1; }, ErrorCode::corrupt},
    {"no merges", [](Json& d) { d["model"]["merges"] = Json(); }, ErrorCode::corrupt},
    {"a merge names an absent token", [](Json& d) { d["model"]["merges"] = Json::array({"a z"}); }, ErrorCode::corrupt},
    {"a merge makes an absent token", [](Json& d) { d["model"]["merges"] = Json::array({"b a"}); }, ErrorCode::corrupt},
    {"a merge of three", [](Json& d) { d["model"]["merges"] = Json::array({"a b c"}); }, ErrorCode::corrupt},
    {"merges of both kinds",
     [](Json& d) {
       d["model"]["merges"] = Json::array({Json::array({"a", "b"}), "a b"});
     },
     ErrorCode::corrupt},
    {"merges of both kinds",
     [](Json& d) {
       d["model"]["merges"] = Json::array({"a b", Json::array({"a", "b"})});
     },
     ErrorCode::corrupt},
    {"a merge shorter than the prefix", [](Json& d) { d["model"]["continuing_subword_prefix"] = "####"; },
     ErrorCode::corrupt},
    {"dropout", [](Json& d) { d["model"]["dropout"] = 0.1; }, ErrorCode::unsupported},
    {"dropout is text", [](Json& d) { d["model"]["dropout"] = "0.1"; }, ErrorCode::corrupt},
    {"byte_fallback is a number", [](Json& d) { d["model"]["byte_fallback"] = 1; }, ErrorCode::corrupt},
    {"unk_token is a number", [](Json& d) { d["model"]["unk_token"] = 0; }, ErrorCode::corrupt},
    {"added tokens are an object", [](Json& d) { d["added_tokens"] = Json::object(); }, ErrorCode::corrupt},
    {"an added token without content",
     [](Json& d) {
       d["added_tokens"] = Json::array({Json::object({{"id", 4}})});
     },
     ErrorCode::corrupt},
    {"an added token without id",
     [](Json& d) {
       d["added_tokens"] = Json::array({Json::object({{"content", "x"}})});
     },
     ErrorCode::corrupt},
    {"an added token with a huge id", [](Json& d) { d["added_tokens"] = Json::array({added(INT64_MAX, "x")}); },
     ErrorCode::corrupt},
    {"a normaliser that is text", [](Json& d) { d["normalizer"] = "NFC"; }, ErrorCode::corrupt},
    {"a normaliser without type", [](Json& d) { d["normalizer"] = Json::object(); }, ErrorCode::corrupt},
    {"a pre-tokeniser nobody knows",
     [](Json& d) {
       d["pre_tokenizer"] = Json::object({{"type", "Magic"}});
     },
     ErrorCode::unsupported},
    {"a template without special_tokens", [](Json& d) { d["post_processor"]["special_tokens"] = Json::object(); },
     ErrorCode::corrupt},
    {"a template with an absent id",
     [](Json& d) { d["post_processor"]["special_tokens"]["<s>"]["ids"] = Json::array({77}); }, ErrorCode::corrupt},
    {"a template with ids and no tokens",
     [](Json& d) { d["post_processor"]["special_tokens"]["<s>"]["tokens"] = Json::array(); }, ErrorCode::corrupt},
    {"a template that is empty", [](Json& d) { d["post_processor"]["single"] = Json::array(); },
     ErrorCode::unsupported},
    {"truncation without a strategy", [](Json& d) { d["truncation"] = Json::object({{"max_length", 3}, {"stride", 0}}); },
     ErrorCode::corrupt},
    {"truncation with a stride that stands still",
     [](Json& d) {
       d["truncation"] = Json::object({{"max_length", 3}, {"stride", 3}, {"strategy", "LongestFirst"}});
     },
     ErrorCode::corrupt},
    {"truncation to a negative length",
     [](Json& d) {
       d["truncation"] = Json::object({{"max_length", -1}, {"stride", 0}, {"strategy", "LongestFirst"}});
     },
     ErrorCode::corrupt},
    {"padding of a strategy nobody knows",
     [](Json& d) {
       d["padding"] = Json::object({{"strategy", "Longest"}, {"pad_id", 0}, {"pad_type_id", 0}, {"pad_token", "?"}});
     },
     ErrorCode::corrupt},
    {"padding that would fill the memory",
     [](Json& d) {
       d["padding"] = Json::object(
           {{"strategy", Json::object({{"Fixed", INT64_MAX}})}, {"pad_id", 0}, {"pad_type_id", 0}, {"pad_token", "?"}});
     },
     ErrorCode::corrupt},
    {"a template for pairs that names a third text",
     [](Json& d) {
       d["post_processor"]["pair"] = Json::array({Json::object({{"Sequence", Json::object({{"id", "C"}, {"type_id", 0}})}})});
     },
     ErrorCode::corrupt},
    {"a template of numbers", [](Json& d) { d["post_processor"]["single"] = Json::array({1}); }, ErrorCode::corrupt},
};

TEST(TokenizerJson, RefusesBrokenDocumentsWithAMessage) {
  for (const Broken& entry : kBroken) {
    Json document = small_document();
    entry.breaks(document);
    const auto got = load(document);
    ASSERT_FALSE(got.has_value()) << entry.what;
    EXPECT_EQ(got.error().code, entry.code) << entry.what << ": " << describe(got.error());
    EXPECT_FALSE(got.error().message.empty());
    EXPECT_NE(describe(got.error()).find("tokenizer.json"), std::string::npos) << describe(got.error());
  }
}

/// Replaces one random node of the document.
void mutate(Json& node, std::mt19937& rng) {
  if (rng() % 3 != 0 && node.size() > 0 && node.is_object()) {
    auto key = node.entries().begin();
    std::advance(key, static_cast<std::ptrdiff_t>(rng() % node.size()));
    return mutate(node[std::string(key->first)], rng);
  }
  if (rng() % 3 != 0 && node.size() > 0 && node.is_array()) {
    Json::Array items = node.items();
    mutate(items[rng() % items.size()], rng);
    node = Json(std::move(items));
    return;
  }
  const Json values[] = {Json(),          Json(true),     Json(-1),    Json(1 << 20),       Json(0.5),
                         Json(""),        Json("a"),      Json("NFC"), Json(Json::array()), Json::object(),
                         Json(INT64_MAX), Json("\u2581"), Json(2)};
  node = values[rng() % std::size(values)];
}

TEST(TokenizerJson, SurvivesRandomChangesToEveryTrainedDocument) {
  VB_NEED_SHARED("tokenizers/trained");
  std::mt19937 rng(20260201);
  int loaded = 0, refused = 0;
  for (const char* set : {"bl_clip", "bl_roberta", "llama2_legacy", "ms_always_split", "gemma_like",
                          "added_matrix_metaspace", "bl_deepseek_v3", "bpe_fuse_unk"}) {
    const auto whole = Json::parse(read_text(shared_data() / "tokenizers/trained" / set / "tokenizer.json"));
    VB_ASSERT_OK(whole);
    for (int round = 0; round < 100; ++round) {
      Json document = *whole;
      for (unsigned i = 0; i <= rng() % 2; ++i) mutate(document, rng);
      const auto got = load(document);
      ++(got ? loaded : refused);
      if (!got) continue;
      const auto encoding = (*got)->encode("Hello w\u00f6rld <s>  12 \u4f60\u597d");
      if (!encoding) continue;
      const auto text = (*got)->decode(encoding->ids);
      VB_ASSERT_OK(text);
      EXPECT_EQ(streamed(**got, encoding->ids, false), *text) << set << " round " << round;
    }
  }
  EXPECT_GT(loaded, 50);
  EXPECT_GT(refused, 50);
}

TEST(TokenizerJson, WindowsThatRepeatATextWithoutEndAreRefused) {
  Json document = small_document();
  document["truncation"] = Json::object({{"max_length", 1000}, {"stride", 990}, {"strategy", "LongestFirst"}});
  const auto tokenizer = load(document);
  VB_ASSERT_OK(tokenizer);
  const TextInput input[] = {{std::string(100'000, 'a'), std::nullopt}};
  const auto got = encode_inputs(**tokenizer, input, (*tokenizer)->input_rules());
  ASSERT_FALSE(got.has_value());
  EXPECT_EQ(got.error().code, ErrorCode::invalid_input);
  const TextInput shorter[] = {{std::string(2000, 'a'), std::nullopt}};
  VB_EXPECT_OK(encode_inputs(**tokenizer, shorter, (*tokenizer)->input_rules()));
}

TEST(TokenizerJson, RefusesTextThatIsNotJson) {
  std::string deep, shut;
  for (int i = 0; i < 100'000; ++i) {
    deep += R"({"type":"Sequence","normalizers":[)";
    shut += "]}";
  }
  for (const std::string& text :
       {std::string(), std::string("{"), std::string("[]"), std::string("{\"model\":\"\xFF\"}"),
        R"({"model":{},"normalizer":)" + deep + shut + "}"}) {
    const auto got = load_tokenizer_json(text);
    ASSERT_FALSE(got.has_value());
    EXPECT_EQ(got.error().code, ErrorCode::corrupt);
  }
}

TEST(TokenizerJson, AnUnknownTokenThatIsMissingIsAnErrorOfTheTextThatNeedsIt) {
  Json document = small_document();
  document["model"]["unk_token"] = "<absent>";
  const auto tokenizer = load(document);
  VB_ASSERT_OK(tokenizer);
  VB_EXPECT_OK((*tokenizer)->encode("ab"));
  const auto got = (*tokenizer)->encode("xyz");
  ASSERT_FALSE(got.has_value());
  EXPECT_NE(got.error().message.find("<absent>"), std::string::npos);
}

TEST(TokenizerJson, SplitsTenMegabytesWithoutAGap) {
  Json document = small_document();
  document["model"]["vocab"] = Json::object({{"a", 0}, {"aa", 1}, {"aaaa", 2}, {"?", 3}});
  document["model"]["merges"] = Json::array({"a a", "aa aa"});
  const auto tokenizer = load(document);
  VB_ASSERT_OK(tokenizer);
  const std::size_t size = 10 << 20;
  const auto got = (*tokenizer)->encode(std::string(size + 3, 'a'), {.add_special = false});
  VB_ASSERT_OK(got);
  ASSERT_EQ(got->ids.size(), size / 4 + 2);
  EXPECT_EQ(got->ids.front(), 2);
  EXPECT_EQ(got->ids[size / 4], 1);
  EXPECT_EQ(got->ids.back(), 0);
  EXPECT_EQ(got->offsets.back(), (TokenSpan{size + 2, size + 3}));
}

TEST(TokenizerJson, SaysWhenAPatternIsTooExpensive) {
  Json document = small_document();
  document["pre_tokenizer"] = Json::object({{"type", "Split"},
                                            {"pattern", Json::object({{"Regex", "(a+a+)+$(?<=d)"}})},
                                            {"behavior", "Isolated"},
                                            {"invert", false}});
  const auto tokenizer = load(document);
  VB_ASSERT_OK(tokenizer);
  const auto got = (*tokenizer)->encode(std::string(60, 'a'));
  ASSERT_FALSE(got.has_value());
  EXPECT_EQ(got.error().code, ErrorCode::resource);
}

}  // namespace
}  // namespace vauban::test
