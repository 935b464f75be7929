/// What the torch backend does with the bytes of a weight: which it reads where they are mapped, which it copies.
#include <cstring>
#include <fstream>

#include "backends/torch/torch_ops.h"
#include "base/result.h"
#include "format/safetensors.h"
#include "support/test_data.h"
#include "tensor/quant/format.h"

namespace vauban::test {
namespace {

using torch_backend::TorchOps;
using torch_backend::TorchStorage;

/// A safetensors file with a (4, 8) matrix of `type`, whose data begin `shift` bytes after a multiple of 8.
struct MappedMatrix {
  TempDir folder;
  std::shared_ptr<const ModelFile> file;
  TensorView view;

  MappedMatrix(const std::string& type, std::size_t element_bytes, std::size_t shift = 0) {
    const std::size_t size = 32 * element_bytes;
    std::string header = format(R"({{"w":{{"dtype":"{}","shape":[4,8],"data_offsets":[0,{}]}}}})", type, size);
    while (header.size() % 8 != shift) header += ' ';
    std::string bytes(8, '\0');
    const std::uint64_t length = header.size();
    std::memcpy(bytes.data(), &length, 8);
    bytes += header;
    for (std::size_t i = 0; i < 32; ++i) {
      const float value = 0.25F * static_cast<float>(i) - 2.0F;
      std::uint16_t half = type == "F16" ? f32_to_f16(value) : f32_to_bf16(value);
      bytes.append(element_bytes == 4 ? reinterpret_cast<const char*>(&value) : reinterpret_cast<const char*>(&half), element_bytes);
    }
    std::ofstream(folder / "w.safetensors", std::ios::binary) << bytes;
    auto opened = open_safetensors(folder / "w.safetensors");
    VB_EXPECT_OK(opened);
    file = *opened;
    view = file->find("w")->view;
  }
};

class TorchWeights : public testing::Test {
 protected:
  TorchOps exact_{{.device = at::kCPU, .native = false, .training = false, .threads = 1}};
  TorchOps native_{{.device = at::kCPU, .native = true, .training = false, .threads = 1}};

  static Weight load(TorchOps& ops, const MappedMatrix& matrix) {
    auto loaded = ops.load_weight("w", matrix.view, matrix.file);
    VB_EXPECT_OK(loaded);
    return *std::move(loaded);
  }
  static at::ScalarType type_of(const Weight& weight) {
    return dynamic_cast<TorchStorage&>(*weight.tensor.storage()).tensor().scalar_type();
  }
  static bool lies_inside(const Weight& weight, const TensorView& view) {
    const std::byte* data = weight.tensor.data();
    return data >= view.bytes.data() && data < view.bytes.data() + view.bytes.size();
  }
};

TEST_F(TorchWeights, NativeMatricesOfEveryFloatTypeStayInTheMappedFileAndInTheirType) {
  const struct {
    const char* name;
    std::size_t bytes;
    at::ScalarType type;
  } cases[] = {{"F32", 4, at::kFloat}, {"F16", 2, at::kHalf}, {"BF16", 2, at::kBFloat16}};
  for (const auto& c : cases) {
    SCOPED_TRACE(c.name);
    const MappedMatrix matrix(c.name, c.bytes);
    const Weight weight = load(native_, matrix);
    EXPECT_EQ(weight.tensor.data(), matrix.view.bytes.data());
    EXPECT_EQ(type_of(weight), c.type);
    EXPECT_EQ(to_f64(weight.tensor), decode_f64(matrix.view).value());
  }
}

TEST_F(TorchWeights, ExactMatricesStayMappedInF32AndAreWidenedWhereSmallAndNarrow) {
  const MappedMatrix wide("F32", 4);
  EXPECT_EQ(load(exact_, wide).tensor.data(), wide.view.bytes.data());
  for (const char* type : {"F16", "BF16"}) {
    const MappedMatrix narrow(type, 2);
    const Weight weight = load(exact_, narrow);
    EXPECT_FALSE(lies_inside(weight, narrow.view));
    EXPECT_EQ(type_of(weight), at::kFloat);
    EXPECT_EQ(to_f64(weight.tensor), decode_f64(narrow.view).value()) << "widening is exact";
  }
}

TEST_F(TorchWeights, MatricesAtAnOddAddressAreCopiedInTheirType) {
  const MappedMatrix matrix("BF16", 2, 1);
  const Weight weight = load(native_, matrix);
  EXPECT_FALSE(lies_inside(weight, matrix.view));
  EXPECT_EQ(type_of(weight), at::kBFloat16);
  EXPECT_EQ(to_f64(weight.tensor), decode_f64(matrix.view).value());
}

TEST_F(TorchWeights, TheMappedFileLivesAsLongAsTheWeight) {
  std::weak_ptr<const ModelFile> file;
  Weight weight;
  {
    const MappedMatrix matrix("F32", 4);
    file = matrix.file;
    weight = load(exact_, matrix);
  }
  EXPECT_FALSE(file.expired());
  EXPECT_EQ(to_f64(weight.tensor)[31], 5.75);
  weight = {};
  EXPECT_TRUE(file.expired());
}

TEST_F(TorchWeights, UsingAMappedMatrixDoesNotWriteToIt) {
  const MappedMatrix matrix("F32", 4);
  const std::vector<double> before = decode_f64(matrix.view).value();
  const Weight weight = load(exact_, matrix);
  exact_.begin_step();
  const std::vector<float> ones(8, 1.0F);
  const Tensor y = exact_.linear(host_tensor({1, 8}, ones), weight, nullptr);
  VB_EXPECT_OK(exact_.end_step());
  EXPECT_EQ(to_f64(y)[0], -9.0);  // 8 * -2 + 0.25 * 28
  EXPECT_EQ(decode_f64(matrix.view).value(), before);
}

}  // namespace
}  // namespace vauban::test
