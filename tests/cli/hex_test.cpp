// hex: places and values of bytes, held to the bytes themselves; headers region by region, of broken files too.
#include <bit>
#include <cmath>
#include <cstring>

#include "app/hex/regions.h"
#include "base/result.h"
#include "cli/workspace.h"
#include "format/safetensors_writer.h"
#include "support/gguf_builder.h"
#include "support/tiny_model.h"

namespace vauban::test {
namespace {

std::string hex_of(std::string_view bytes) {
  std::string out;
  for (const char c : bytes) out += format("{}{:02x}", out.empty() ? "" : " ", static_cast<unsigned char>(c));
  return out;
}

TEST(Hex, ATensorsBytesAndValuesAreThoseOfTheFile) {
  const Workspace work;
  const Json answer = work.run({"hex", "base", "model.norm.weight", "--offset", "32", "--length", "48", "--json"}).json();
  const std::string bytes = read_text(work / "base/model.safetensors");
  const auto begin = static_cast<std::size_t>(at(answer, {"begin"}).as_int());
  std::uint64_t header = 0;
  std::memcpy(&header, bytes.data(), sizeof header);
  const auto entry = Json::parse(std::string_view(bytes).substr(8, header));
  VB_ASSERT_OK(entry);
  EXPECT_EQ(begin, 8 + header + static_cast<std::size_t>(at(*entry, {"model.norm.weight", "data_offsets"}).items()[0].as_int()));
  ASSERT_EQ(at(answer, {"lines"}).size(), 3u);
  std::size_t place = begin + 32;
  std::int64_t element = 8;
  for (const Json& line : at(answer, {"lines"}).items()) {
    EXPECT_EQ(at(line, {"offset"}).as_int(), static_cast<std::int64_t>(place));
    EXPECT_EQ(at(line, {"hex"}).as_string(), hex_of(std::string_view(bytes).substr(place, 16)));
    EXPECT_EQ(at(line, {"first"}).as_int(), element);
    ASSERT_EQ(at(line, {"values"}).size(), 4u);
    for (const Json& value : at(line, {"values"}).items()) {
      float stored = 0;
      std::memcpy(&stored, bytes.data() + place, sizeof stored);
      EXPECT_EQ(static_cast<float>(value.as_double()), stored);
      place += sizeof stored;
      ++element;
    }
  }
}

/// Q8_0: an f16 scale, then 32 signed bytes.
TEST(Hex, BlocksAreDecoded) {
  const Workspace work;
  work.write("q.gguf", tiny_gguf(make_tiny_model(), true));
  const Json answer = work.run({"hex", "q.gguf", "blk.0.attn_q.weight", "--offset", "34", "--length", "34", "--json"}).json();
  ASSERT_EQ(at(answer, {"lines"}).size(), 1u);
  const Json& line = at(answer, {"lines"}).items()[0];
  EXPECT_EQ(at(line, {"first"}).as_int(), 32);
  const std::string bytes = read_text(work / "q.gguf");
  const auto place = static_cast<std::size_t>(at(line, {"offset"}).as_int());
  std::uint16_t half = 0;
  std::memcpy(&half, bytes.data() + place, sizeof half);
  const double scale = std::ldexp(1.0 + (half & 1023) / 1024.0, ((half >> 10) & 31) - 15);
  ASSERT_EQ(at(line, {"values"}).size(), 32u);
  for (std::size_t i = 0; i < 32; ++i)
    EXPECT_FLOAT_EQ(static_cast<float>(at(line, {"values"}).items()[i].as_double()), static_cast<float>(scale * static_cast<signed char>(bytes[place + 2 + i])));
  const Outcome odd = work.run({"hex", "q.gguf", "blk.0.attn_q.weight", "--offset", "35"});
  EXPECT_EQ(odd.exit_code, 2);
  EXPECT_NE(odd.err.find("--offset 34"), std::string::npos) << odd.err;
}

void expect_in_a_row(const FileMap& map, std::size_t size, bool gapless) {
  std::uint64_t last = 0;
  for (const FileRegion& region : map.regions) {
    if (gapless) {
      EXPECT_EQ(region.begin, last) << region.what << " " << region.name;
    }
    EXPECT_GE(region.begin, last);
    EXPECT_GE(region.end, region.begin);
    last = region.end;
  }
  EXPECT_LE(last, size);
}

const FileRegion* region_of(const FileMap& map, std::string_view what, std::string_view name) {
  for (const FileRegion& region : map.regions)
    if (region.what == what && region.name == name) return &region;
  return nullptr;
}

TEST(Hex, RegionsOfAGgufCoverIt) {
  GgufBuilder built;
  built.text("general.architecture", "llama").number<std::uint32_t>("llama.block_count", 4, 2).texts("tokenizer.ggml.tokens", {"a", "bc", "d", "e", "f", "g", "h"});
  built.array("some.numbers", 6, 3, le(1.5F) + le(2.5F) + le(-1.0F));
  built.tensor({.name = "a", .ne = {4, 2}, .type = 0, .data = std::string(32, '\1')}).tensor({.name = "b", .ne = {1}, .type = 0, .data = std::string(4, '\2')});
  const std::string bytes = built.build();
  const FileMap map = map_of(as_bytes(bytes));
  EXPECT_EQ(map.problem, "");
  expect_in_a_row(map, bytes.size(), true);
  EXPECT_EQ(map.regions.back().end, bytes.size());
  ASSERT_NE(region_of(map, "key", "llama.block_count"), nullptr);
  EXPECT_EQ(region_of(map, "key", "llama.block_count")->value, "u32 2");
  EXPECT_EQ(region_of(map, "key", "tokenizer.ggml.tokens")->value, "7 x string: \"a\", \"bc\", \"d\", \"e\", \"f\", \"g\", ...");
  EXPECT_EQ(region_of(map, "key", "some.numbers")->value, "3 x f32: 1.5, 2.5, -1");
  EXPECT_EQ(region_of(map, "tensor entry", "a")->value, "ne 4 x 2, type f32, offset 0");
  const FileRegion* data = region_of(map, "tensor data", "b");
  ASSERT_NE(data, nullptr);
  EXPECT_EQ(bytes.substr(data->begin, data->end - data->begin), std::string(4, '\2'));
}

/// Every length and many wrong bytes: the walk ends with a reason, and never beyond the file.
TEST(Hex, BrokenFilesAreWalkedAsFarAsTheyGo) {
  GgufBuilder built;
  built.text("general.architecture", "llama").texts("tokens", {"a", "b"}).array("n", 0, 5, "12345");
  built.tensor({.name = "a", .ne = {4}, .type = 0, .data = std::string(16, '\1')});
  const std::string gguf = built.build();
  for (std::size_t size = 5; size + 1 < gguf.size(); ++size) {
    const std::string cut = gguf.substr(0, size);
    const FileMap map = map_of(as_bytes(cut));
    EXPECT_NE(map.problem, "") << size;
    expect_in_a_row(map, size, true);
  }
  for (std::size_t i = 4; i < gguf.size(); ++i) {
    std::string wrong = gguf;
    wrong[i] = '\xff';
    expect_in_a_row(map_of(as_bytes(wrong)), wrong.size(), true);
  }
  const Workspace work;
  const std::string tensors = read_text(work / "base/model.safetensors").substr(0, 2000);
  for (std::size_t size = 9; size < tensors.size(); size += 37) {
    const std::string cut = tensors.substr(0, size);
    const FileMap map = map_of(as_bytes(cut));
    EXPECT_NE(map.problem, "") << size;
    expect_in_a_row(map, size, false);
  }
  work.write("cut.safetensors", tensors);
  const Outcome shown = work.run({"hex", "cut.safetensors"});
  EXPECT_EQ(shown.exit_code, 0) << shown.err;
  EXPECT_NE(shown.out.find("ends here: "), std::string::npos);
}

TEST(Hex, EntriesOfASafetensorsHeaderStandWhereTheySay) {
  const Workspace work;
  const std::string bytes = read_text(work / "base/model.safetensors");
  const FileMap map = map_of(as_bytes(bytes));
  EXPECT_EQ(map.problem, "");
  expect_in_a_row(map, bytes.size(), false);
  EXPECT_EQ(map.regions.back().end, bytes.size());
  int entries = 0;
  for (const FileRegion& region : map.regions) {
    if (region.what != "tensor entry") continue;
    ++entries;
    EXPECT_TRUE(bytes.substr(region.begin).starts_with("\"" + region.name + "\"")) << region.name;
    EXPECT_EQ(bytes[region.end - 1], '}');
    EXPECT_NE(region_of(map, "tensor data", region.name), nullptr);
  }
  EXPECT_EQ(entries, 21);
}

TEST(Hex, RangesOfAnyFile) {
  const Workspace work;
  work.write("bytes.bin", std::string("\x00\x00\x80\x3f\x00\x00\x00\xc0\x00\x00\xc0\x7fz", 13));
  const Json answer = work.run({"hex", "bytes.bin", "--as", "f32", "--json"}).json();
  ASSERT_EQ(at(answer, {"lines"}).size(), 1u);
  EXPECT_EQ(at(at(answer, {"lines"}).items()[0], {"values"}).dump().value_or(""), "[1.0,-2.0,null]");
  EXPECT_NE(work.run({"hex", "bytes.bin"}).out.find("|...?"), std::string::npos);
  EXPECT_NE(work.run({"hex", "bytes.bin", "--as", "f32"}).out.find("1 -2 nan"), std::string::npos);
}

TEST(Hex, RefusesWithWhatToDo) {
  const Workspace work;
  const Outcome near = work.run({"hex", "base", "model.norm.weigth"});
  EXPECT_EQ(near.exit_code, 2);
  EXPECT_NE(near.err.find("did you mean 'model.norm.weight'?"), std::string::npos) << near.err;
  EXPECT_EQ(work.run({"hex", "nowhere"}).exit_code, 2);
  EXPECT_EQ(work.run({"hex", "base", "model.norm.weight", "--offset", "100000"}).exit_code, 2);
  EXPECT_EQ(work.run({"hex", "base", "--file", "1"}).exit_code, 2);
  EXPECT_EQ(work.run({"hex", "base", "--as", "f33"}).exit_code, 2);
  EXPECT_EQ(work.run({"hex", "base", "--offset", "999999999"}).exit_code, 2);
  work.write("empty.bin", "");
  const Outcome empty = work.run({"hex", "empty.bin"});  // nothing is wrong with the question
  EXPECT_EQ(empty.exit_code, 0) << empty.err;
  EXPECT_EQ(empty.out, "empty.bin  0 bytes, not a model file\nends here: the file is empty\n");
  EXPECT_EQ(work.run({"hex", "empty.bin", "--length", "16"}).exit_code, 2);
  EXPECT_EQ(at(work.run({"hex", "empty.bin", "--json"}).json(), {"regions"}).size(), 0u);
  // A folder whose file is broken cannot be opened as a model; the file itself can be looked into.
  work.write("base/model.safetensors", read_text(work / "base/model.safetensors").substr(0, 5000));
  const Outcome broken = work.run({"hex", "base"});
  EXPECT_EQ(broken.exit_code, 3);
  EXPECT_NE(broken.err.find("name the file itself"), std::string::npos) << broken.err;
  EXPECT_EQ(work.run({"hex", "base/model.safetensors"}).exit_code, 0);
}

TEST(Hex, NamesCannotInject) {
  const Workspace work;
  const float value = 1.0F;
  const std::string name = "w\x1b[31m";
  VB_ASSERT_OK(write_safetensors(work / "base/model.safetensors",
                                 std::vector<NamedTensorView>{{name, {DType::f32, {1}, std::as_bytes(std::span(&value, 1))}}}));
  for (const std::vector<std::string>& args : {std::vector<std::string>{"hex", "base"}, {"hex", "base", name}, {"hex", "base", "--length", "200"}, {"inspect", "base"}}) {
    const Outcome text = work.run(args);
    EXPECT_EQ(text.exit_code, 0) << text.err;
    EXPECT_EQ(text.out.find('\x1b'), std::string::npos) << args.back();
  }
}

}  // namespace
}  // namespace vauban::test
