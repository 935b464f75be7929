// imatrix: what llama-imatrix measured on the same model and text, both layouts, and what is refused.
#include "format/imatrix.h"

#include <cmath>

#include "base/json_file.h"
#include "base/result.h"
#include "cli/workspace.h"
#include "format/gguf.h"
#include "format/hf_writer.h"
#include "format/model_source.h"

namespace vauban::test {
namespace {

namespace fs = std::filesystem;

constexpr const char* kPeers = "compress/kld_imatrix";
constexpr const char* kModel = "models/gguf/TinyStories-656K-F32.gguf";

std::vector<std::string> imatrix(const fs::path& out, const std::vector<std::string>& more = {}) {
  std::vector<std::string> line{"imatrix", (shared_data() / kModel).string(), "--file",  (shared_data() / kPeers / "text.txt").string(),
                                "--out",   out.string(),                      "--chunk", "128", "--json"};
  line.insert(line.end(), more.begin(), more.end());
  return line;
}

/// The data set states 1e-5 relative; f32 sums of squares of small columns are compared with the largest.
void expect_equal(const fs::path& ours, const fs::path& theirs) {
  const auto a = open_imatrix(ours), b = open_imatrix(theirs);
  VB_ASSERT_OK(a);
  VB_ASSERT_OK(b);
  EXPECT_EQ(a->chunks, b->chunks);
  EXPECT_EQ(a->datasets, b->datasets);
  ASSERT_EQ(a->weights.size(), b->weights.size());
  for (const auto& [name, values] : b->weights) {
    const std::span<const float> mine = a->find(name);
    ASSERT_EQ(mine.size(), values.size()) << name;
    for (std::size_t i = 0; i < values.size(); ++i)
      EXPECT_NEAR(mine[i], values[i], 2e-5 * static_cast<double>(values[i]) + 1e-9) << name << " " << i;
  }
}

TEST(ImatrixCommand, MeasuresWhatLlamaImatrixMeasured) {
  VB_NEED_SHARED(kModel);
  VB_NEED_SHARED(kPeers);
  const TempDir folder;
  const fs::path peers = shared_data() / kPeers;
  const Outcome done = vauban(imatrix(folder / "m.gguf"));
  ASSERT_EQ(done.exit_code, 0) << done.err;
  EXPECT_EQ(at(done.json(), {"tokens"}).as_int(), 3840);
  EXPECT_EQ(at(done.json(), {"entries"}).as_int(), 14);
  expect_equal(folder / "m.gguf", peers / "imatrix.gguf");
  ASSERT_EQ(vauban(imatrix(folder / "m.dat")).exit_code, 0);
  expect_equal(folder / "m.dat", peers / "imatrix.dat");
  ASSERT_EQ(vauban(imatrix(folder / "three.gguf", {"--chunks", "3", "--head"})).exit_code, 0);
  expect_equal(folder / "three.gguf", peers / "imatrix_output.gguf");
}

TEST(ImatrixCommand, MakesAFileThatQuantizeTakesAndThatChangesItsChoice) {
  const Workspace work;
  work.write("text.txt", "the hat and the dog and the hat and the cat and the end of the day and the hat and the dog and the hat");
  const Outcome done = work.run({"imatrix", "base", "--file", "text.txt", "--out", "m.gguf", "--chunk", "8"});
  ASSERT_EQ(done.exit_code, 0) << done.err;
  EXPECT_EQ(work.run({"quantize", "base", "plain.gguf", "Q4_0"}).exit_code, 0);
  EXPECT_EQ(work.run({"quantize", "base", "weighted.gguf", "Q4_0", "--imatrix", "m.gguf"}).exit_code, 0);
  EXPECT_NE(read_text(work / "plain.gguf"), read_text(work / "weighted.gguf"));
}

/// DeepSeek's folders fuse what widens keys and values; `quantize` looks for an entry of each matrix of the GGUF.
TEST(ImatrixCommand, MeasuresEveryMatrixThatAGgufCutsFromAFusedOne) {
  VB_NEED_SHARED("tiny_models/deepseek_v3");
  const Workspace work;
  constexpr std::size_t kVocabulary = 300, kHeads = 4, kPlain = 12, kRotary = 8, kRank = 20;  // the tokenizer's; the model's
  const auto source = ModelSource::open(shared_data() / "tiny_models/deepseek_v3");
  VB_ASSERT_OK(source);
  HfFolder folder;
  for (const TensorEntry& tensor : source->file->tensors()) {
    std::vector<std::byte> bytes(tensor.view.bytes.begin(), tensor.view.bytes.end());
    std::vector<std::int64_t> dims(tensor.view.shape.dims().begin(), tensor.view.shape.dims().end());
    const std::size_t row = bytes.size() / static_cast<std::size_t>(dims[0]);
    if (dims[0] == 264) {
      dims[0] = kVocabulary;
      bytes.resize(kVocabulary * row);
    }
    // Head 1 of layer 0 asks nothing with the part of its queries that is not rotated.
    if (tensor.name == "model.layers.0.self_attn.q_b_proj.weight")
      std::fill_n(bytes.begin() + static_cast<std::ptrdiff_t>((kPlain + kRotary) * row), kPlain * row, std::byte{});
    folder.tensors.push_back({.name = tensor.name, .dtype = tensor.view.dtype, .shape = *Shape::from(dims),
                              .make = [bytes]() -> Result<TensorBytes> { return TensorBytes::own(std::vector<std::byte>(bytes)); }});
  }
  Json config = source->config;
  config["vocab_size"] = static_cast<std::int64_t>(kVocabulary);
  folder.json_files["config.json"] = config;
  VB_ASSERT_OK(write_hf_folder(work / "deepseek", folder));
  for (const auto& [name, text] : files_below(work / "base"))
    if (name.starts_with("tokenizer")) write_text(work / "deepseek" / name, text);
  work.write("text.txt", "the hat and the dog and the hat and the cat and the end of the day and the hat and the dog and the hat");
  const Outcome done = work.run({"imatrix", "deepseek", "--file", "text.txt", "--out", "m.gguf", "--chunk", "8", "--head"});
  ASSERT_EQ(done.exit_code, 0) << done.err;
  ASSERT_EQ(work.run({"convert", "deepseek", "whole.gguf"}).exit_code, 0);

  const auto importance = open_imatrix(work / "m.gguf");
  const auto gguf = ModelSource::open(work / "whole.gguf");
  VB_ASSERT_OK(importance);
  VB_ASSERT_OK(gguf);
  std::size_t matrices = 0;
  for (const TensorEntry& tensor : gguf->file->tensors()) {
    const Shape& shape = tensor.view.shape;
    if (shape.rank() < 2 || tensor.name == "token_embd.weight" || tensor.name.find("ffn_gate_inp") != std::string::npos) continue;
    EXPECT_EQ(importance->find(tensor.name).size(), static_cast<std::size_t>(shape.width() * (shape.rank() > 2 ? shape[0] : 1))) << tensor.name;
    ++matrices;
  }
  EXPECT_GE(matrices, 20u);
  EXPECT_TRUE(importance->find("blk.0.attn_kv_b.weight").empty());
  const auto keys = importance->find("blk.0.attn_k_b.weight"), values = importance->find("blk.0.attn_v_b.weight");
  ASSERT_EQ(keys.size(), kHeads * kPlain);
  ASSERT_EQ(values.size(), kHeads * kRank);
  for (std::size_t i = 0; i < keys.size(); ++i) EXPECT_EQ(keys[i] == 0, i / kPlain == 1) << i;
  for (std::size_t i = 0; i < values.size(); ++i) EXPECT_EQ(values[i], values[i % kRank]) << "every head reads the same narrow vector: " << i;
}

TEST(ImatrixCommand, RefusesWhatCannotBeMeasured) {
  const Workspace work;
  work.write("text.txt", "the hat");
  work.write("bad.txt", "\xff\xfe");
  for (const auto& [more, code] : std::vector<std::pair<std::vector<std::string>, int>>{
           {{"base", "--file", "text.txt", "--out", "m.gguf"}, 2},                   // shorter than a chunk
           {{"base", "--file", "none.txt", "--out", "m.gguf"}, 2},
           {{"base", "--file", "bad.txt", "--out", "m.gguf", "--chunk", "1"}, 2},
           {{"base", "--file", "text.txt", "--out", "none/m.gguf", "--chunk", "2"}, 2},
           {{"base", "--file", "text.txt", "--out", "m.gguf", "--chunk", "0"}, 2}}) {
    std::vector<std::string> line{"imatrix"};
    line.insert(line.end(), more.begin(), more.end());
    const Outcome done = work.run(line);
    EXPECT_EQ(done.exit_code, code) << done.err;
    EXPECT_FALSE(done.err.empty());
    EXPECT_FALSE(fs::exists(work / "m.gguf"));
  }
}

}  // namespace
}  // namespace vauban::test
