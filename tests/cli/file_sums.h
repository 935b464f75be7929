/// Sums over a safetensors file from the JSON of its header alone, without our reader.
#pragma once

#include <cstdint>
#include <cstring>
#include <filesystem>
#include <functional>
#include <map>
#include <string>

#include "base/json.h"
#include "support/test_data.h"

namespace vauban::test {

struct FileSums {
  std::int64_t tensors = 0, parameters = 0, bytes = 0;
  std::map<std::string, std::int64_t> bytes_by_type;  ///< "F32"
};

/// Of the tensors whose names `chosen` takes.
inline FileSums file_sums(const std::filesystem::path& file, const std::function<bool(const std::string&)>& chosen = {}) {
  const std::string bytes = read_text(file);
  std::uint64_t length = 0;
  std::memcpy(&length, bytes.data(), sizeof length);
  const auto header = Json::parse(std::string_view(bytes).substr(8, length));
  FileSums sums;
  for (const auto& [name, entry] : header->entries()) {
    if (name == "__metadata__" || (chosen && !chosen(name))) continue;
    std::int64_t elements = 1;
    for (const Json& dim : entry.find("shape")->items()) elements *= dim.as_int();
    const Json::Array& offsets = entry.find("data_offsets")->items();
    const std::int64_t size = offsets[1].as_int() - offsets[0].as_int();
    ++sums.tensors;
    sums.parameters += elements;
    sums.bytes += size;
    sums.bytes_by_type[entry.find("dtype")->as_string()] += size;
  }
  return sums;
}

}  // namespace vauban::test
