#include "tensor/dtype.h"

#include "base/result.h"
#include "support/test_data.h"

namespace vauban {
namespace {

TEST(DType, NamesAreUniqueAndRoundTrip) {
  for (const DTypeInfo& entry : all_dtypes()) {
    const auto found = dtype_from_name(entry.name);
    VB_ASSERT_OK(found);
    EXPECT_EQ(*found, entry.id) << entry.name;
  }
}

TEST(DType, EverySafetensorsNameRoundTrips) {
  int known = 0;
  for (const DTypeInfo& entry : all_dtypes()) {
    if (entry.safetensors.empty()) continue;
    const auto found = dtype_from_safetensors(entry.safetensors);
    VB_ASSERT_OK(found);
    EXPECT_EQ(*found, entry.id);
    ++known;
  }
  EXPECT_EQ(known, 22);  // the list of model-files.md section 1
}

TEST(DType, BlockSizesAreGgmls) {  // model-files.md 2.1: block and bytes
  const struct {
    int type, block, bytes;
  } rows[] = {{0, 1, 4},  {1, 1, 2},  {2, 32, 18}, {3, 32, 20}, {6, 32, 22}, {7, 32, 24}, {8, 32, 34},
              {24, 1, 1}, {25, 1, 2}, {26, 1, 4},  {27, 1, 8},  {28, 1, 8},  {30, 1, 2},
              {10, 256, 84}, {11, 256, 110}, {12, 256, 144}, {13, 256, 176}, {14, 256, 210}, {15, 256, 292},
              {16, 256, 66}, {17, 256, 74}, {18, 256, 98}, {19, 256, 50}, {20, 32, 18}, {21, 256, 110},
              {22, 256, 82}, {23, 256, 136}, {29, 256, 56}, {34, 256, 54}, {35, 256, 66}, {39, 32, 17}};
  for (const auto& row : rows) {
    const auto dtype = dtype_from_ggml(row.type);
    VB_ASSERT_OK(dtype);
    EXPECT_EQ(info(*dtype).block, row.block);
    EXPECT_EQ(info(*dtype).bits, row.bytes * 8);
    EXPECT_EQ(is_quantised(*dtype), row.block > 1);
  }
}

TEST(DType, NamesAGgmlTypeThatIsKnownButNotBuilt) {
  const auto refused = dtype_from_ggml(40);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::unsupported);
  EXPECT_NE(refused.error().message.find("nvfp4"), std::string::npos);
}

TEST(DType, RefusesRemovedAndInventedGgmlTypes) {
  for (const int type : {4, 5, 31, 32, 33, 36, 37, 38, 43, 1000, -1}) {
    const auto refused = dtype_from_ggml(type);
    ASSERT_FALSE(refused) << type;
    EXPECT_EQ(refused.error().code, ErrorCode::corrupt) << type;
  }
}

TEST(DType, RefusesUnknownNames) {
  EXPECT_FALSE(dtype_from_name("F32"));
  EXPECT_FALSE(dtype_from_name(""));
  EXPECT_FALSE(dtype_from_safetensors("f32"));
  EXPECT_FALSE(dtype_from_safetensors(""));  // the column is empty for block types: must not match one of them
}

}  // namespace
}  // namespace vauban
