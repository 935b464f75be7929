// Block codecs: any bytes decode, into exactly as many values as the blocks hold. The first byte chooses the format.
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <span>

#include "tensor/quant/format.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const auto formats = vauban::block_formats();
  const vauban::BlockFormat& format = formats[data[0] % formats.size()];
  const auto block_bytes = static_cast<std::size_t>(format.block_bytes), block = static_cast<std::size_t>(format.block);
  const std::size_t blocks = (size - 1) / block_bytes;
  // Exact allocations: a read or write beyond them is the sanitizer's to see.
  const auto in = std::make_unique<std::byte[]>(blocks * block_bytes);
  const auto out = std::make_unique<float[]>(blocks * block);
  if (blocks > 0) std::memcpy(in.get(), data + 1, blocks * block_bytes);
  format.decode(in.get(), out.get(), static_cast<std::int64_t>(blocks));
  return 0;
}
