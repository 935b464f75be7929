// The list of families that can be converted: a new one is a file in this folder and a line here.
#include <array>
#include <string>

#include "base/strings.h"
#include "transform/convert/family.h"
#include "transform/convert/gpt2_family.h"
#include "transform/convert/llama_family.h"
#include "transform/convert/phi3_family.h"

namespace vauban {
namespace {

const std::array<ConvertFamily, 3>& families() {
  static const std::array<ConvertFamily, 3> list = {
      llama_convert_family(),
      gpt2_convert_family(),
      phi3_convert_family(),
  };
  return list;
}

}  // namespace

std::span<const ConvertFamily> convert_families() { return families(); }

Result<const ConvertFamily*> find_convert_family(std::string_view architecture) {
  std::vector<std::string> known;
  for (const ConvertFamily& family : families()) {
    if (family.architecture == architecture) return &family;
    known.emplace_back(family.architecture);
  }
  return unsupported("converting the architecture '{}' is not built; known: {}", architecture, join(known, ", "));
}

}  // namespace vauban
