#include "tensor/tensor.h"

#include <cstring>
#include <numeric>

#include "base/result.h"
#include "support/test_data.h"

namespace vauban {
namespace {

/// A storage that counts its own life, and can play an arena or a device.
class FakeStorage final : public Storage {
 public:
  explicit FakeStorage(int* alive, bool on_device = false) : alive_(alive), on_device_(on_device) { ++*alive_; }
  ~FakeStorage() override { --*alive_; }
  std::byte* data() override { return on_device_ ? nullptr : reinterpret_cast<std::byte*>(values_); }
  Result<void> read(std::size_t offset, std::span<std::byte> out) override {
    std::memcpy(out.data(), reinterpret_cast<const std::byte*>(values_) + offset, out.size());
    return ok();
  }
  void reset() { ++epoch_; }

 private:
  float values_[4] = {1, 2, 3, 4};
  int* alive_;
  bool on_device_;
};

TEST(Tensor, SharesItsStorageUntilTheLastCopyGoes) {
  int alive = 0;
  {
    Tensor first(DType::f32, {4}, StorageRef(new FakeStorage(&alive)));
    Tensor second = first;
    first = Tensor();
    EXPECT_TRUE(first.empty());
    EXPECT_EQ(alive, 1);
    EXPECT_EQ(second.as<float>()[3], 4.0f);
  }
  EXPECT_EQ(alive, 0);
}

TEST(Tensor, HostMemoryIsZeroedAndAligned) {
  const Tensor tensor = make_host_tensor(DType::f32, {3, 7});
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(tensor.data()) % 64, 0u);
  EXPECT_EQ(to_f32(tensor), std::vector<float>(21, 0.0f));
  EXPECT_NE(make_host_tensor(DType::f32, {0, 7}).data(), nullptr);
}

TEST(Tensor, RowsAndReshapedAreViews) {
  std::vector<float> values(24);
  std::iota(values.begin(), values.end(), 0.0f);
  const Tensor tensor = host_tensor({4, 2, 3}, values);
  const Tensor middle = tensor.rows(1, 3);
  EXPECT_EQ(middle.shape(), (Shape{2, 2, 3}));
  EXPECT_EQ(middle.data(), tensor.data() + 24);
  EXPECT_EQ(to_f32(middle).front(), 6.0f);
  EXPECT_EQ(to_f32(middle.reshaped({12}).rows(11, 12)), std::vector<float>{17.0f});
}

TEST(Tensor, RowsOfBlocksStepByWholeBlocks) {
  const Tensor tensor = make_host_tensor(DType::q4_0, {5, 64});
  EXPECT_EQ(tensor.rows(2, 3).data() - tensor.data(), 2 * 36);
}

TEST(Tensor, MisuseIsAProgrammerError) {
  const Tensor tensor = make_host_tensor(DType::f32, {4, 2});
  EXPECT_DEATH(tensor.reshaped({3}), "number of elements");
  EXPECT_DEATH(tensor.rows(3, 5), "outside");
  EXPECT_DEATH(make_host_tensor(DType::q4_0, {64}).rows(1, 40), "cuts a block");
}

#ifndef NDEBUG
TEST(Tensor, ReadingAfterTheArenaWasResetIsCaught) {
  int alive = 0;
  auto* arena = new FakeStorage(&alive);
  const Tensor tensor(DType::f32, {4}, StorageRef(arena));
  EXPECT_NE(tensor.data(), nullptr);
  arena->reset();
  EXPECT_DEATH(tensor.data(), "step has ended");
  EXPECT_NE(Tensor(DType::f32, {4}, StorageRef(arena)).data(), nullptr);
}
#endif

TEST(ToF32, ReadsDeviceMemoryThroughTheStorage) {
  int alive = 0;
  const Tensor tensor(DType::f32, {2}, StorageRef(new FakeStorage(&alive, true)), 4);
  EXPECT_EQ(tensor.data(), nullptr);
  EXPECT_EQ(to_f32(tensor), (std::vector<float>{2, 3}));
}

TEST(ToF32, ConvertsEveryPlainType) {
  Tensor bytes = make_host_tensor(DType::i8, {2});
  bytes.as<std::int8_t>()[0] = -3;
  EXPECT_EQ(to_f32(bytes), (std::vector<float>{-3, 0}));
  Tensor wide = make_host_tensor(DType::f64, {1});
  wide.as<double>()[0] = 1.0 + 0x1p-40;
  EXPECT_EQ(to_f32(wide), std::vector<float>{1.0f});
  EXPECT_EQ(to_f64(wide), std::vector<double>{1.0 + 0x1p-40});
  Tensor half = make_host_tensor(DType::f16, {1});
  half.as<std::uint16_t>()[0] = 0xc100;
  EXPECT_EQ(to_f64(half), std::vector<double>{-2.5});
  EXPECT_EQ(to_f64(make_host_tensor(DType::q8_0, {32})), std::vector<double>(32, 0.0));
}

TEST(DecodeF32, ReadsBytesAtAnyAddress) {
  alignas(4) std::byte bytes[9] = {};
  const float values[] = {1.5f, -2.0f};
  std::memcpy(bytes + 1, values, sizeof values);
  const auto decoded = decode_f32({.dtype = DType::f32, .shape = {2}, .bytes = {bytes + 1, 8}});
  VB_ASSERT_OK(decoded);
  EXPECT_EQ(*decoded, (std::vector<float>{1.5f, -2.0f}));
}

TEST(DecodeF32, RefusesAWrongSizeAndATypeWithoutDecoder) {
  const std::byte bytes[8] = {};
  EXPECT_EQ(decode_f32({.dtype = DType::f32, .shape = {3}, .bytes = bytes}).error().code, ErrorCode::corrupt);
  EXPECT_EQ(decode_f32({.dtype = DType::f8_e4m3, .shape = {8}, .bytes = bytes}).error().code, ErrorCode::unsupported);
  EXPECT_EQ(decode_f32({.dtype = DType::i32, .shape = {2}, .bytes = bytes}).error().code, ErrorCode::unsupported);
}

}  // namespace
}  // namespace vauban
