#include "format/tensor_out.h"

#include <algorithm>

#include "base/strings.h"

namespace vauban {

Result<TensorBytes> make_bytes(const TensorOut& tensor) {
  VB_TRY(const std::uint64_t expected, size_bytes(tensor.dtype, tensor.shape));
  VB_TRY(TensorBytes made, tensor.make(), "in tensor '{}'", printable(tensor.name));
  if (made.bytes.size() != expected)
    return internal("tensor '{}': {} {} takes {} bytes, {} were made", printable(tensor.name), to_string(tensor.dtype),
                    tensor.shape.to_string(), expected, made.bytes.size());
  return made;
}

Result<void> check_tensor_list(const std::vector<TensorOut>& tensors) {
  std::vector<std::string_view> names;
  for (const TensorOut& tensor : tensors) {
    VB_CHECK(size_bytes(tensor.dtype, tensor.shape), "in tensor '{}'", printable(tensor.name));
    names.push_back(tensor.name);
  }
  std::sort(names.begin(), names.end());
  const auto twice = std::adjacent_find(names.begin(), names.end());
  if (twice != names.end()) return invalid_input("tensor '{}' is given more than once", printable(*twice));
  return ok();
}

}  // namespace vauban
