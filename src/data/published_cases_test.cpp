// Batches that TRL made of the same records, and conversations of published models.
#include "data/batches.h"
#include "data/data_test.h"

namespace vauban::test {
namespace {

Json align_case(const std::string& name) {
  return Json::parse(read_text(shared_data() / ("align/" + name + ".json"))).value();
}

std::string written(const Json::Array& ids, std::size_t begin, std::size_t end) {
  std::string out;
  for (std::size_t i = begin; i < end; ++i) out += (i > 0 ? " <" : "<") + std::to_string(ids[i].as_int()) + ">";
  return out;
}

/// The row without its padding, and its labels as a mask (the first id is predicted by nobody).
Example row_of(const Json& batch, std::size_t row) {
  Example example;
  const Json::Array& ids = batch.find("input_ids")->items()[row].items();
  for (std::size_t i = 0; i < ids.size(); ++i) {
    if (batch.find("attention_mask")->items()[row].items()[i].as_int() == 0) break;
    example.ids.push_back(static_cast<std::int32_t>(ids[i].as_int()));
    example.is_target.push_back(i > 0 && batch.find("labels")->items()[row].items()[i].as_int() != -100);
  }
  return example;
}

/// A record of the batch's row: where its labels begin, the completion begins. The last id is the EOS.
std::string completion_record(const Json& batch, std::size_t row) {
  const Example example = row_of(batch, row);
  const Json::Array& ids = batch.find("input_ids")->items()[row].items();
  const auto begin = static_cast<std::size_t>(std::ranges::find(example.is_target, 1) - example.is_target.begin());
  return Json::object({{"prompt", written(ids, 0, begin)}, {"completion", written(ids, begin, example.ids.size() - 1)}})
             .dump().value() + "\n";
}

TEST(PublishedCases, PromptsAndCompletionsGiveTheBatchOfTrl) {
  VB_NEED_SHARED("align/sft_completion_only.json");
  const Json batch = *align_case("sft_completion_only").find("batch");
  DataFiles data;
  data.tokenizer = number_tokenizer();
  std::string records;
  for (std::size_t row = 0; row < 4; ++row) records += completion_record(batch, row);
  const auto dataset = data.load("a.jsonl", records);
  VB_ASSERT_OK(dataset);
  ASSERT_EQ(dataset->examples().size(), 4u);
  for (std::size_t row = 0; row < 4; ++row) EXPECT_EQ(dataset->examples()[row], row_of(batch, row)) << row;
}

TEST(PublishedCases, TruncationDropsTheRowThatTrlDrops) {
  VB_NEED_SHARED("align/sft_truncated.json");
  const Json whole = *align_case("sft_completion_only").find("batch");
  const Json batch = *align_case("sft_truncated").find("batch");
  DataFiles data;
  data.tokenizer = number_tokenizer();
  data.options.max_length = 9;
  std::string records;
  for (std::size_t row = 0; row < 4; ++row) records += completion_record(whole, row);
  const auto dataset = data.load("a.jsonl", records);
  VB_ASSERT_OK(dataset);
  ASSERT_EQ(dataset->examples().size(), 3u);
  EXPECT_EQ(dataset->counts().dropped, 1);
  for (std::size_t row = 0; row < 3; ++row) EXPECT_EQ(dataset->examples()[row], row_of(batch, row)) << row;
}

TEST(PublishedCases, ConversationsGiveTheAssistantMaskOfTrl) {
  VB_NEED_SHARED("align/sft_assistant_only.json");
  const Json published = align_case("sft_assistant_only");
  DataFiles data;
  data.tokenizer = number_tokenizer();
  data.conversation = chat_template(published.find("chat_template")->as_string());
  std::string records;
  for (const Json& messages : published.find("messages")->items())
    records += Json::object({{"messages", messages}}).dump().value() + "\n";
  const auto dataset = data.load("a.jsonl", records);
  VB_ASSERT_OK(dataset);
  ASSERT_EQ(dataset->examples().size(), 3u);
  for (std::size_t row = 0; row < 3; ++row)
    EXPECT_EQ(dataset->examples()[row], row_of(*published.find("batch"), row)) << row;
}

std::vector<std::int64_t> integers(const Json& list) {
  std::vector<std::int64_t> out;
  for (const Json& value : list.items()) out.push_back(value.as_int());
  return out;
}

/// TRL keeps the last token of each document as a row that predicts nothing; all else must agree.
TEST(PublishedCases, PackedRowsAreThoseOfTrlWithoutTheLastOfEachDocument) {
  VB_NEED_SHARED("align/sft_packing_bfd.json");
  for (const char* name : {"sft_packing_bfd", "sft_packing_bfd_completion"}) {
    const Json batch = *align_case(name).find("batch");
    const auto ids = integers(batch.find("input_ids")->items()[0]), labels = integers(batch.find("labels")->items()[0]);
    const auto positions = integers(batch.find("position_ids")->items()[0]), ends = integers(*batch.find("cu_seq_lens_q"));
    std::vector<Example> examples(ends.size() - 1);
    PackedRows wanted;
    for (std::size_t document = 0; document + 1 < ends.size(); ++document) {
      wanted.documents.push_back({static_cast<std::int32_t>(wanted.ids.size()), static_cast<std::int32_t>(ends[document + 1] - ends[document] - 1)});
      for (auto at = static_cast<std::size_t>(ends[document]); at < static_cast<std::size_t>(ends[document + 1]); ++at) {
        examples[document].ids.push_back(static_cast<std::int32_t>(ids[at]));
        examples[document].is_target.push_back(labels[at] != -100);
        if (at + 1 == static_cast<std::size_t>(ends[document + 1])) break;
        if (labels[at + 1] != -100) {
          wanted.output_rows.push_back(static_cast<std::int32_t>(wanted.ids.size()));
          wanted.targets.push_back(static_cast<std::int32_t>(labels[at + 1]));
        }
        wanted.ids.push_back(static_cast<std::int32_t>(ids[at]));
        wanted.positions.push_back(static_cast<std::int32_t>(positions[at]));
      }
    }
    std::vector<const Example*> pointers;
    for (const Example& example : examples) pointers.push_back(&example);
    const PackedRows packed = pack(pointers);
    EXPECT_EQ(packed.ids, wanted.ids) << name;
    EXPECT_EQ(packed.positions, wanted.positions) << name;
    EXPECT_EQ(packed.documents, wanted.documents) << name;
    EXPECT_EQ(packed.output_rows, wanted.output_rows) << name;
    EXPECT_EQ(packed.targets, wanted.targets) << name;
  }
}

constexpr const char* kConversation = R"({"messages":[{"role":"user","content":"What is 2+2?"},{"role":"assistant","content":"It's 4."},{"role":"user","content":"東京 déjà?"},{"role":"assistant","content":"Sí — 🙂 ok"}]})";

std::string targets_by(const std::string& template_name, const std::string& tokenizer_path) {
  DataFiles data;
  TokenizerHints hints;
  hints.tokenizer_config = Json::object({{"eos_token", "<|endoftext|>"}});
  data.tokenizer = load_tokenizer_json(read_text(shared_data() / tokenizer_path), hints).value();
  data.conversation = chat_template(read_text(shared_data() / "chat_templates/ik_templates" / template_name));
  const auto dataset = data.load("a.jsonl", kConversation);
  return dataset ? target_text(dataset->examples().at(0), *data.tokenizer) : describe(dataset.error());
}

TEST(PublishedCases, AQwenConversationLearnsTheAnswersAndTheirEnds) {
  VB_NEED_SHARED("chat_templates/ik_templates/Qwen-Qwen2.5-7B-Instruct.jinja");
  VB_NEED_SHARED("tokenizers/trained/bl_qwen2/tokenizer.json");
  EXPECT_EQ(targets_by("Qwen-Qwen2.5-7B-Instruct.jinja", "tokenizers/trained/bl_qwen2/tokenizer.json"),
            "It's 4.<|im_end|>\n|Sí — 🙂 ok<|im_end|>\n");
}

TEST(PublishedCases, MarksThatTheTokenizerReadsAsOrdinaryTextAreCutAtTheirBytes) {
  VB_NEED_SHARED("chat_templates/ik_templates/Qwen-Qwen2.5-7B-Instruct.jinja");
  VB_NEED_SHARED("tokenizers/gpt2/tokenizer.json");
  EXPECT_EQ(targets_by("Qwen-Qwen2.5-7B-Instruct.jinja", "tokenizers/gpt2/tokenizer.json"),
            "It's 4.<|im_end|>\n|Sí — 🙂 ok<|im_end|>\n");
}

/// It writes an EOS after the last message only, so no earlier answer has a place in the whole that is its own.
TEST(PublishedCases, ATemplateThatEndsOtherwiseThanItGoesOnIsRefusedWithItsPlace) {
  VB_NEED_SHARED("chat_templates/ik_templates/microsoft-Phi-3.5-mini-instruct.jinja");
  VB_NEED_SHARED("tokenizers/gpt2/tokenizer.json");
  const std::string error = targets_by("microsoft-Phi-3.5-mini-instruct.jinja", "tokenizers/gpt2/tokenizer.json");
  EXPECT_THAT(error, testing::HasSubstr("a.jsonl:1"));
  EXPECT_THAT(error, testing::HasSubstr("generation"));
}

TEST(PublishedCases, ShakespeareInBlocksIsEveryTokenOnce) {
  VB_NEED_SHARED("text/tinyshakespeare.txt");
  VB_NEED_SHARED("tokenizers/gpt2/tokenizer.json");
  DataFiles data;
  TokenizerHints hints;
  hints.tokenizer_config = Json::object({{"eos_token", "<|endoftext|>"}});
  data.tokenizer = load_tokenizer_json(read_text(shared_data() / "tokenizers/gpt2/tokenizer.json"), hints).value();
  data.options.max_length = 257;
  data.options.truncation = "split";
  const auto dataset = data.load({shared_data() / "text/tinyshakespeare.txt"});
  VB_ASSERT_OK(dataset);
  std::vector<std::int32_t> ids{dataset->examples().front().ids.front()};
  for (const Example& block : dataset->examples()) ids.insert(ids.end(), block.ids.begin() + 1, block.ids.end());
  EXPECT_EQ(data.tokenizer->decode(ids, true).value(), read_text(shared_data() / "text/tinyshakespeare.txt"));
  EXPECT_EQ(ids.size(), 338'025u + 1);  // GPT-2's count for this text, and EOS
  EXPECT_EQ(dataset->counts().target_tokens, 338'025);
}

}  // namespace
}  // namespace vauban::test
