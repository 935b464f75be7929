#include "train/checkpoint/digests.h"

#include <algorithm>
#include <array>
#include <cstdint>

#include "base/sha256.h"

namespace vauban {

namespace {

constexpr std::string_view kZero("\0", 1);

void update_u64(Sha256& hash, std::uint64_t value) {
  std::array<char, 8> bytes;
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<char>(value >> (8 * i) & 0xFF);
  hash.update(std::string_view(bytes.data(), bytes.size()));
}

}  // namespace

std::string content_digest(std::vector<NamedTensorView> tensors) {
  std::sort(tensors.begin(), tensors.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  Sha256 hash;
  for (const NamedTensorView& tensor : tensors) {
    hash.update(tensor.name);
    hash.update(kZero);
    hash.update(to_string(tensor.view.dtype));
    update_u64(hash, static_cast<std::uint64_t>(tensor.view.shape.rank()));
    for (const std::int64_t dim : tensor.view.shape.dims()) update_u64(hash, static_cast<std::uint64_t>(dim));
    hash.update(tensor.view.bytes);
  }
  return hash.finish_hex();
}

std::string metadata_digest(const SafetensorsMetadata& metadata) {
  Sha256 hash;
  for (const auto& [key, value] : metadata) {
    if (key == kMetadataDigest) continue;
    for (const std::string_view part : {std::string_view(key), kZero, std::string_view(value), kZero})
      hash.update(part);
  }
  return hash.finish_hex();
}

}  // namespace vauban
