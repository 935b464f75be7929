// Four hundred damaged copies of real files are refused or read: never a crash, a hang, or memory out of proportion.
#include <algorithm>
#include <cstdio>
#include <fstream>
#include <functional>
#include <sys/resource.h>

#include "base/result.h"
#include "base/rng.h"
#include "format/gguf.h"
#include "format/safetensors.h"
#include "format/safetensors_writer.h"
#include "support/gguf_builder.h"
#include "support/test_data.h"

namespace vauban {
namespace {

constexpr int kCopies = 200;  // of each of the two files
constexpr std::uint64_t kSeed = 20240619;

/// Flips hit the header as often as the data: that is where a parser can be led astray.
std::size_t somewhere(Rng& rng, std::size_t size) {
  const std::size_t reach = rng.below(2) == 0 ? std::min<std::size_t>(size, 4096) : size;
  return static_cast<std::size_t>(rng.below(reach));
}

std::string flipped(std::string file, Rng& rng) {
  for (std::uint64_t n = 1 + rng.below(8); n > 0; --n) {
    const std::size_t at = somewhere(rng, file.size());
    file[at] = static_cast<char>(file[at] ^ (1 << rng.below(8)));
  }
  return file;
}

std::string cut(std::string file, Rng& rng) {
  file.resize(somewhere(rng, file.size()));
  return file;
}

/// Bytes put in: a repeated piece, or noise.
std::string swollen(const std::string& file, Rng& rng) {
  const std::size_t at = somewhere(rng, file.size());
  std::string piece = file.substr(somewhere(rng, file.size()), 1 + rng.below(2000));
  if (rng.below(2) == 0)
    for (char& c : piece) c = static_cast<char>(rng.next_u32());
  return file.substr(0, at) + piece + file.substr(at);
}

/// Lengths and counts replaced by ones that no machine can serve.
std::string inflated(std::string file, Rng& rng) {
  const std::size_t at = somewhere(rng, file.size() - 8);
  const std::uint64_t value = std::uint64_t{1} << rng.below(64);
  for (std::size_t i = 0; i < 8; ++i) file[at + i] = static_cast<char>(value >> (8 * i) & 0xff);
  return file;
}

std::string mutate(const std::string& file, int copy, Rng& rng) {
  switch (copy % 4) {
    case 0:
      return flipped(file, rng);
    case 1:
      return cut(file, rng);
    case 2:
      return swollen(file, rng);
    default:
      return inflated(file, rng);
  }
}

/// Touches every byte that an accepted file claims to have.
std::size_t read_all(const ModelFile& model) {
  std::size_t bytes = 0;
  for (const TensorEntry& tensor : model.tensors()) {
    EXPECT_EQ(model.find(tensor.name), &tensor);
    if (const auto values = decode_f32(tensor.view)) bytes += values->size();
  }
  EXPECT_EQ(model.digest().size(), 64u);
  return bytes;
}

long peak_memory_kib() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_maxrss;
}

using Opener = std::function<Result<std::shared_ptr<const ModelFile>>(const std::filesystem::path&)>;

void survive(const std::string& original, const std::string& name, const Opener& open) {
  const test::TempDir folder;
  const long before_kib = peak_memory_kib();
  int accepted = 0, refused = 0;
  for (int copy = 0; copy < kCopies; ++copy) {
    Rng rng(kSeed, static_cast<std::uint64_t>(copy));
    std::ofstream(folder / name, std::ios::binary) << mutate(original, copy, rng);
    SCOPED_TRACE(format("seed {} copy {} of {}", kSeed, copy, name));
    const auto model = open(folder / name);
    if (model) {
      read_all(**model);
      ++accepted;
    } else {
      EXPECT_FALSE(model.error().message.empty());
      EXPECT_NE(model.error().code, ErrorCode::internal) << describe(model.error());
      ++refused;
    }
  }
  const long grown_kib = peak_memory_kib() - before_kib;
  std::printf("%s, seed %llu: %d refused, %d read, peak memory grew by %ld KiB\n", name.c_str(),
              static_cast<unsigned long long>(kSeed), refused, accepted, grown_kib);
  EXPECT_GT(refused, kCopies / 4) << "the mutations do not reach the parser";
  EXPECT_GT(accepted, 0) << "no mutation leaves the file readable, so reading is not tested";
  EXPECT_LT(grown_kib, 1024 * 1024);
}

std::string own_safetensors() {
  const test::TempDir folder;
  const std::vector<float> values(20'000, 0.5f);
  const TensorView view{DType::f32, {100, 200}, std::as_bytes(std::span(values))};
  std::vector<NamedTensorView> tensors;
  for (int i = 0; i < 20; ++i) tensors.push_back({format("model.layers.{}.weight", i), view});
  EXPECT_TRUE(write_safetensors(folder / "own", tensors, {{"format", "pt"}}));
  return test::read_text(folder / "own");
}

std::string own_gguf() {
  test::GgufBuilder b;
  b.text("general.architecture", "llama").texts("tokenizer.ggml.tokens", std::vector<std::string>(500, "token"));
  for (int i = 0; i < 20; ++i)
    b.tensor(
        {.name = format("blk.{}.attn_q.weight", i), .ne = {320, 64}, .type = 2, .data = std::string(11520, '\x35')});
  return b.build();
}

std::string real_or(const std::string& relative, std::string (*own)()) {
  const auto path = test::shared_data() / relative;
  return std::filesystem::exists(path) ? test::read_text(path) : own();
}

TEST(Mutations, DamagedSafetensorsAreRefusedOrRead) {
  survive(real_or("models/stories260K/hf/model.safetensors", own_safetensors), "model.safetensors", open_safetensors);
}

TEST(Mutations, DamagedGgufFilesAreRefusedOrRead) {
  survive(real_or("models/gguf/TinyStories-656K-Q4_0.gguf", own_gguf), "model.gguf", open_gguf);
}

TEST(Mutations, OurOwnFilesServeWhereTheRealOnesAreAbsent) {
  survive(own_safetensors(), "model.safetensors", open_safetensors);
  survive(own_gguf(), "model.gguf", open_gguf);
}

}  // namespace
}  // namespace vauban
