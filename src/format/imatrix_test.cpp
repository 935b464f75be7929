// Importance matrices: llama-imatrix's own files, both layouts, and what must be refused.
#include "format/imatrix.h"

#include <cmath>
#include <cstring>

#include "base/json.h"
#include "base/result.h"
#include "support/test_data.h"

namespace vauban {
namespace {

using test::shared_data;

TEST(Imatrix, GgufGivesTheMeansOfItsSums) {
  VB_NEED_SHARED("compress/kld_imatrix/imatrix.gguf");
  const auto matrix = open_imatrix(shared_data() / "compress/kld_imatrix/imatrix.gguf");
  VB_ASSERT_OK(matrix);
  EXPECT_EQ(matrix->weights.size(), 14u);
  EXPECT_EQ(matrix->chunks, 30);
  EXPECT_EQ(matrix->datasets, std::vector<std::string>{"text.txt"});
  const auto check = Json::parse(test::read_text(shared_data() / "compress/kld_imatrix/check.json"));
  VB_ASSERT_OK(check);
  int compared = 0;
  const Json* entries = check->find("imatrix")->find("entries");
  for (const auto& [name, answer] : entries->entries()) {
    const auto values = matrix->find(name);
    ASSERT_EQ(static_cast<std::int64_t>(values.size()), answer.find("n")->as_int()) << name;
    const auto& first = answer.find("first")->items();
    for (std::size_t i = 0; i < first.size(); ++i, ++compared)
      EXPECT_FLOAT_EQ(values[i], static_cast<float>(first[i].as_double() / answer.find("count")->as_double())) << name << " " << i;
  }
  EXPECT_GT(compared, 14);
}

TEST(Imatrix, BothLayoutsSayTheSame) {
  VB_NEED_SHARED("compress/kld_imatrix/imatrix.dat");
  const auto modern = open_imatrix(shared_data() / "compress/kld_imatrix/imatrix.gguf");
  const auto legacy = open_imatrix(shared_data() / "compress/kld_imatrix/imatrix.dat");
  VB_ASSERT_OK(modern);
  VB_ASSERT_OK(legacy);
  EXPECT_EQ(legacy->chunks, modern->chunks);
  EXPECT_EQ(legacy->datasets, modern->datasets);
  ASSERT_EQ(legacy->weights.size(), modern->weights.size());
  for (const auto& [name, values] : modern->weights) {
    const auto other = legacy->find(name);
    ASSERT_EQ(other.size(), values.size()) << name;
    for (std::size_t i = 0; i < values.size(); ++i)
      EXPECT_NEAR(other[i], values[i], 1e-6f * std::fabs(values[i])) << "two f32 divisions more: " << name << " " << i;
  }
}

TEST(Imatrix, EveryCutOfAFileIsRefusedOrRead) {
  VB_NEED_SHARED("compress/kld_imatrix/imatrix.dat");
  const std::string whole = test::read_text(shared_data() / "compress/kld_imatrix/imatrix.dat");
  int read = 0;
  for (std::size_t size = 0; size < whole.size(); size += 7)
    if (parse_imatrix(std::as_bytes(std::span(whole.data(), size)))) ++read;
  EXPECT_LE(read, 1) << "only the cut before the number of chunks is a whole file";
}

std::string dat(std::int32_t entries, std::int32_t values, float value) {
  std::string bytes;
  const auto put = [&bytes](auto number) { bytes.append(reinterpret_cast<const char*>(&number), sizeof number); };
  put(entries);
  put(std::int32_t{1});
  bytes += "w";
  put(std::int32_t{4});
  put(values);
  put(value);
  return bytes;
}

Result<ImportanceMatrix> parse(const std::string& text) { return parse_imatrix(std::as_bytes(std::span(text))); }

TEST(Imatrix, RefusesWhatNoMeanSquareIs) {
  const auto good = parse(dat(1, 1, 8.0f));
  VB_ASSERT_OK(good);
  EXPECT_EQ(good->find("w").front(), 2.0f) << "stored times the number of calls";
  EXPECT_TRUE(good->find("v").empty());
  for (const std::string& bytes : {dat(1, 1, -1.0f), dat(1, 1, NAN), dat(1, 1, INFINITY), dat(0, 1, 1.0f), dat(-1, 1, 1.0f), dat(1, 0, 1.0f),
                                   dat(1, -5, 1.0f), dat(1, 2'000'000'000, 1.0f), dat(2, 1, 1.0f), std::string(), std::string("GGUF"), std::string("abc")})
    EXPECT_FALSE(parse(bytes).has_value()) << bytes.size();
}

}  // namespace
}  // namespace vauban
