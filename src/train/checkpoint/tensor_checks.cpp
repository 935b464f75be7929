#include "train/checkpoint/tensor_checks.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <optional>

#include "base/strings.h"
#include "train/checkpoint/digests.h"

namespace vauban {

namespace {

/// Index of the first element whose exponent bits are all ones: NaN or infinity.
template <class Bits>
std::optional<std::size_t> first_not_finite(std::span<const std::byte> bytes, Bits exponent) {
  for (std::size_t i = 0; i < bytes.size() / sizeof(Bits); ++i) {
    Bits value;
    std::memcpy(&value, bytes.data() + i * sizeof(Bits), sizeof(Bits));
    if ((value & exponent) == exponent) return i;
  }
  return {};
}

std::optional<std::size_t> first_not_finite(const TensorView& tensor) {
  switch (tensor.dtype) {
    case DType::f16:
      return first_not_finite<std::uint16_t>(tensor.bytes, 0x7C00);
    case DType::bf16:
      return first_not_finite<std::uint16_t>(tensor.bytes, 0x7F80);
    case DType::f32:
      return first_not_finite<std::uint32_t>(tensor.bytes, 0x7F800000);
    case DType::f64:
      return first_not_finite<std::uint64_t>(tensor.bytes, 0x7FF0000000000000);
    default:
      return {};
  }
}

std::string text(const StoredSpec& spec) { return format("{} {}", to_string(spec.dtype), spec.shape.to_string()); }

bool has_control_character(std::string_view text) {
  return std::any_of(text.begin(), text.end(),
                     [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; });
}

/// The name with its first `from` replaced, or "" when there is none.
std::string partner(const std::string& name, std::string_view from, std::string_view to) {
  const std::size_t at = name.find(from);
  return at == std::string::npos ? "" : std::string(name).replace(at, from.size(), to);
}

Result<void> check_partner(const NamedTensors& tensors, const std::string& name, const std::string& other) {
  const auto found = tensors.find(other);
  if (found == tensors.end())
    return invalid_input("the adapter is not complete: '{}' has no '{}'", printable(name), printable(other));
  return ok();
}

Result<void> check_rank(const NamedTensors& tensors, const std::string& a, const std::string& b) {
  const Shape &down = tensors.at(a).shape(), &up = tensors.at(b).shape();
  if (down.rank() < 2 || up.rank() < 2 || down[0] != up[1])
    return invalid_input("'{}' {} and '{}' {} do not share a rank", printable(a), down.to_string(), printable(b),
                         up.to_string());
  return ok();
}

}  // namespace

std::span<const std::byte> host_bytes(const Tensor& tensor) {
  const auto bits =
      static_cast<std::size_t>(tensor.shape().elements()) * static_cast<std::size_t>(info(tensor.dtype()).bits);
  return {tensor.data(), bits / 8 / static_cast<std::size_t>(info(tensor.dtype()).block)};
}

Result<void> check_specs(const NamedTensors& tensors, const std::map<std::string, StoredSpec>& expected) {
  for (const auto& [name, spec] : expected) {
    const auto found = tensors.find(name);
    if (found == tensors.end())
      return invalid_input("tensor '{}' is missing: expected {}", printable(name), text(spec));
    const StoredSpec is{found->second.dtype(), found->second.shape()};
    if (is != spec) return invalid_input("tensor '{}': expected {}, found {}", printable(name), text(spec), text(is));
    if (found->second.empty()) return invalid_input("tensor '{}' has no memory", printable(name));
  }
  for (const auto& [name, tensor] : tensors)
    if (!expected.contains(name)) return invalid_input("tensor '{}' does not belong to this run", printable(name));
  return ok();
}

Result<void> check_finite(const TensorView& tensor) {
  const auto index = first_not_finite(tensor);
  if (index) return invalid_input("element {} of {} is NaN or infinite", *index, tensor.shape.to_string());
  return ok();
}

Result<void> check_finite(const NamedTensors& tensors) {
  for (const auto& [name, tensor] : tensors)
    VB_CHECK(check_finite({tensor.dtype(), tensor.shape(), host_bytes(tensor)}), "in tensor '{}'", printable(name));
  return ok();
}

Result<void> check_lora_pairs(const NamedTensors& tensors) {
  for (const auto& [name, tensor] : tensors) {
    for (const auto& [down, up] : {std::pair("lora_A", "lora_B"), std::pair("lora_embedding_A", "lora_embedding_B")}) {
      if (const std::string b = partner(name, down, up); !b.empty()) {
        VB_CHECK(check_partner(tensors, name, b));
        VB_CHECK(check_rank(tensors, name, b));
      }
      if (const std::string a = partner(name, up, down); !a.empty()) VB_CHECK(check_partner(tensors, name, a));
    }
  }
  return ok();
}

Result<void> check_names(const NamedTensors& tensors) {
  for (const auto& [name, tensor] : tensors) {
    if (name.empty()) return invalid_input("a tensor has no name");
    if (name.starts_with(kTrainingPrefix))
      return invalid_input("tensor '{}': names that begin with {} are for training state", printable(name),
                           kTrainingPrefix);
    if (has_control_character(name)) return invalid_input("tensor '{}': control characters in a name", printable(name));
  }
  return ok();
}

}  // namespace vauban
