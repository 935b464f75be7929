// tensors: what a file stores, filtered, sorted and measured.
#include <cmath>
#include <cstring>
#include <limits>

#include "base/result.h"
#include "cli/workspace.h"
#include "format/safetensors.h"
#include "format/safetensors_writer.h"

namespace vauban::test {
namespace {

TEST(Tensors, PlantedValuesAreCounted) {
  const Workspace work;
  const std::filesystem::path file = work / "base/model.safetensors";
  {
    const auto opened = open_safetensors(file);
    VB_ASSERT_OK(opened);
    std::vector<NamedTensorView> out;
    std::vector<float> norm;
    for (const TensorEntry& tensor : (*opened)->tensors()) {
      out.push_back({tensor.name, tensor.view});
      if (tensor.name != "model.norm.weight") continue;
      norm.assign(static_cast<std::size_t>(tensor.view.shape.elements()), 0.0F);
      norm[0] = 3.0F;
      norm[1] = -5.0F;
      norm[2] = std::numeric_limits<float>::quiet_NaN();
      out.back().view = {DType::f32, tensor.view.shape, std::as_bytes(std::span(norm))};
    }
    VB_ASSERT_OK(write_safetensors(file, out));
  }
  const Json answer = work.run({"tensors", "base", "model.norm.*", "--stats", "--json"}).json();
  ASSERT_EQ(at(answer, {"tensors"}).size(), 1u);
  const Json& row = at(answer, {"tensors"}).items()[0];
  const std::int64_t n = at(row, {"values"}).as_int();
  EXPECT_EQ(at(row, {"stats", "zeros"}).as_int(), n - 3);
  EXPECT_EQ(at(row, {"stats", "nan_count"}).as_int(), 1);
  EXPECT_EQ(at(row, {"stats", "min"}).as_double(), -5.0);
  EXPECT_EQ(at(row, {"stats", "max"}).as_double(), 3.0);
  EXPECT_NEAR(at(row, {"stats", "mean"}).as_double(), -2.0 / static_cast<double>(n - 1), 1e-12);
}

TEST(Tensors, OffsetsPointAtTheBytes) {
  const Workspace work;
  const Json answer = work.run({"tensors", "base", "--sort", "offset", "--json"}).json();
  const std::string bytes = read_text(work / "base/model.safetensors");
  const auto opened = open_safetensors(work / "base/model.safetensors");
  VB_ASSERT_OK(opened);
  std::int64_t last = -1;
  for (const Json& row : at(answer, {"tensors"}).items()) {
    const std::int64_t offset = at(row, {"offset"}).as_int();
    EXPECT_GT(offset, last);
    last = offset;
    const TensorEntry* tensor = (*opened)->find(at(row, {"name"}).as_string());
    ASSERT_NE(tensor, nullptr);
    EXPECT_EQ(std::memcmp(bytes.data() + offset, tensor->view.bytes.data(), tensor->view.bytes.size()), 0);
  }
  EXPECT_EQ(at(answer, {"tensors"}).size(), (*opened)->tensors().size());
}

TEST(Tensors, SortsFiltersAndRefuses) {
  const Workspace work;
  const Json answer = work.run({"tensors", "base", "--sort", "bytes", "--top", "2", "--json"}).json();
  ASSERT_EQ(at(answer, {"tensors"}).size(), 2u);
  EXPECT_GE(at(at(answer, {"tensors"}).items()[0], {"bytes"}).as_int(), at(at(answer, {"tensors"}).items()[1], {"bytes"}).as_int());
  EXPECT_EQ(work.run({"tensors", "base", "nothing.*"}).exit_code, 2);
  EXPECT_EQ(work.run({"tensors", "base", "--dtype", "q8_0"}).exit_code, 2);
  EXPECT_NE(work.run({"tensors", "base", "*norm*", "--stats"}).out.find("model.norm.weight"), std::string::npos);
}

}  // namespace
}  // namespace vauban::test
