// What a command must not do to its host: write over what it reads, end without an answer, leave half of a job.
#include <sys/resource.h>

#include <cstring>
#include <fstream>
#include <limits>

#include "base/files.h"
#include "base/result.h"
#include "cli/workspace.h"
#include "format/safetensors.h"
#include "format/safetensors_writer.h"

namespace vauban::test {
namespace {

namespace fs = std::filesystem;

constexpr rlim_t kLittle = 300u << 20;

/// Programs that are started meanwhile get so much address space.
class LittleMemory {
 public:
  explicit LittleMemory(rlim_t bytes) {
    ::getrlimit(RLIMIT_AS, &before_);
    set(bytes);
  }
  ~LittleMemory() { set(before_.rlim_cur); }
  LittleMemory(const LittleMemory&) = delete;
  LittleMemory& operator=(const LittleMemory&) = delete;

 private:
  void set(rlim_t bytes) const {
    const rlimit limit{.rlim_cur = bytes, .rlim_max = before_.rlim_max};
    ::setrlimit(RLIMIT_AS, &limit);
  }
  rlimit before_{};
};

bool is_instrumented() {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  return true;
#else
  return false;
#endif
}

TEST(Host, NoCommandWritesOverWhatItReads) {
  const Workspace work;
  work.write("text.txt", "the hat and the dog and the hat and the cat and the end of the day and the hat and the dog");
  ASSERT_EQ(work.run({"convert", "base", "m.gguf"}).exit_code, 0);
  ASSERT_EQ(work.run({"imatrix", "base", "--file", "text.txt", "--out", "im.gguf", "--chunk", "8"}).exit_code, 0);
  fs::create_hard_link(work / "m.gguf", work / "hard.gguf");
  fs::create_symlink("m.gguf", work / "soft.gguf");
  fs::create_directory_symlink("base", work / "softbase");
  const auto before = files_below(work.path());
  for (const std::vector<std::string>& line : std::vector<std::vector<std::string>>{
           {"imatrix", "m.gguf", "--file", "text.txt", "--out", "m.gguf", "--chunk", "8"},
           {"imatrix", "m.gguf", "--file", "text.txt", "--out", "././m.gguf", "--chunk", "8"},
           {"imatrix", "m.gguf", "--file", "text.txt", "--out", "hard.gguf", "--chunk", "8"},
           {"imatrix", "m.gguf", "--file", "text.txt", "--out", "soft.gguf", "--chunk", "8"},
           {"imatrix", "m.gguf", "--file", "text.txt", "--out", "text.txt", "--chunk", "8"},
           {"logits", "m.gguf", "--prompt", "the", "--out", "m.gguf"},
           {"logits", "soft.gguf", "--prompt", "the", "--out", "m.gguf"},
           {"logits", "base", "--prompt", "the", "--out", "base/model.safetensors"},
           {"logits", "softbase", "--prompt", "the", "--out", "base/config.json"},
           {"measure", "base", "--positive", "text.txt", "--negative", "text.txt", "--out", "base/model.safetensors"},
           {"quantize", "m.gguf", "im.gguf", "Q4_0", "--imatrix", "im.gguf"},
           {"quantize", "m.gguf", "im.gguf", "Q4_0", "--imatrix", "./im.gguf", "--plan"}}) {
    const Outcome refused = work.run(line);
    EXPECT_EQ(refused.exit_code, 2) << line[0] << ": " << refused.err;
    EXPECT_NE(refused.err.find("is the input"), std::string::npos) << line[0] << ": " << refused.err;
    EXPECT_EQ(files_below(work.path()), before) << line[0];
  }
}

TEST(Host, AnImatrixReplacesNothingButAnImatrix) {
  const Workspace work;
  work.write("text.txt", "the hat and the dog and the hat and the cat and the end of the day and the hat and the dog");
  ASSERT_EQ(work.run({"convert", "changed", "other.gguf"}).exit_code, 0);
  const auto before = files_below(work.path());
  const Outcome refused = work.run({"imatrix", "base", "--file", "text.txt", "--out", "other.gguf", "--chunk", "8"});
  EXPECT_EQ(refused.exit_code, 2);
  EXPECT_NE(refused.err.find("no importance matrix"), std::string::npos) << refused.err;
  EXPECT_EQ(files_below(work.path()), before);
  const std::vector<std::string> good{"imatrix", "base", "--file", "text.txt", "--out", "im.gguf", "--chunk", "8"};
  EXPECT_EQ(work.run(good).exit_code, 0);
  EXPECT_EQ(work.run(good).exit_code, 0) << "its own file is made again";
}

TEST(Host, NoMemoryIsAnAnswer) {
  if (is_instrumented()) GTEST_SKIP() << "sanitizers map terabytes";
  const Workspace work;
  {
    std::ofstream text(work / "big.txt");
    for (int i = 0; i < 400'000; ++i) text << "the hat and the dog ";
  }
  const LittleMemory little(kLittle);
  const Outcome told = work.run({"tokenize", "base", "--file", "big.txt", "--json", "--threads", "1"});
  EXPECT_EQ(told.signal, 0);
  EXPECT_EQ(told.exit_code, 3) << told.err;
  EXPECT_EQ(at(told.json(), {"error", "code"}).as_string(), "resource");
}

TEST(Host, APathThatIsNoTextIsShownInTheError) {
  const Workspace work;
  const Outcome told = work.run({"inspect", "a\xff", "--json"});
  EXPECT_EQ(told.exit_code, 2) << told.err;
  EXPECT_EQ(at(told.json(), {"error", "code"}).as_string(), "not_found");
  EXPECT_NE(at(told.json(), {"error", "message"}).as_string().find("a\\xff"), std::string::npos) << told.out;
}

TEST(Host, ThePlannedBytesAreThoseThatAreWritten) {
  const Workspace work;
  for (const std::vector<std::string>& line : std::vector<std::vector<std::string>>{
           {"quantize", "base", "q.gguf", "Q4_0", "--json"},
           {"convert", "base", "m.gguf", "--json"},
           {"convert", "base", "one", "--dtype", "f16", "--json"},
           {"convert", "base", "many", "--shard-bytes", "2000", "--json"}}) {
    std::vector<std::string> plan = line;
    plan.emplace_back("--plan");
    const Json planned = work.run(plan).json(), written = work.run(line).json();
    const std::int64_t bytes = at(written, {"bytes"}).as_int();
    EXPECT_EQ(at(planned, {"bytes"}).as_int(), bytes) << line[2];
    std::uint64_t there = 0;
    if (fs::is_directory(work / line[2])) {
      for (const auto& [name, text] : files_below(work / line[2])) there += text.size();
    } else {
      there = fs::file_size(work / line[2]);
    }
    EXPECT_EQ(static_cast<std::uint64_t>(bytes), there) << line[2];
  }
}

TEST(Host, LogitsThatAreNoNumbersAreAFaultOfTheModel) {
  const Workspace work;
  {
    const auto file = open_safetensors(work / "base/model.safetensors");
    VB_ASSERT_OK(file);
    const float large = std::numeric_limits<float>::max();  // finite, as weights must be; what they give is not
    std::vector<NamedTensorView> tensors;
    std::vector<std::byte> norm;
    for (const TensorEntry& entry : (*file)->tensors()) {
      TensorView view = entry.view;
      if (entry.name == "model.norm.weight") {
        ASSERT_EQ(view.dtype, DType::f32);
        norm.assign(view.bytes.begin(), view.bytes.end());
        for (std::size_t at = 0; at < norm.size(); at += sizeof large) std::memcpy(norm.data() + at, &large, sizeof large);
        view.bytes = norm;
      }
      tensors.push_back({entry.name, view});
    }
    ASSERT_FALSE(norm.empty());
    VB_ASSERT_OK(write_safetensors(work / "base/model.safetensors", tensors));
  }
  const Outcome told = work.run({"logits", "base", "--ids", "1,2,3", "--json"});
  EXPECT_EQ(told.exit_code, 3) << told.err;
  EXPECT_EQ(at(told.json(), {"error", "code"}).as_string(), "corrupt");
  EXPECT_NE(at(told.json(), {"error", "message"}).as_string().find("position 2"), std::string::npos) << told.out;
}

}  // namespace
}  // namespace vauban::test
