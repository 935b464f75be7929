/// For tests: the tokenizer keys of a GGUF file as Json. (The real reader is in the layer format, which text may not
/// see.)
#pragma once

#include <cstring>
#include <string>
#include <string_view>

#include "base/json.h"

namespace vauban::test {

class GgufKeys {
 public:
  explicit GgufKeys(std::string_view file) : file_(file) {}

  Json read() {
    take<std::uint32_t>();  // magic
    take<std::uint32_t>();  // version
    take<std::uint64_t>();  // tensors
    Json out = Json::object();
    for (auto left = take<std::uint64_t>(); left > 0; --left) {
      const std::string key = text();
      Json value = this->value(take<std::uint32_t>());
      if (key.starts_with("tokenizer.")) out[key] = std::move(value);
    }
    return out;
  }

 private:
  template <class T>
  T take() {
    T out{};
    std::memcpy(&out, file_.substr(at_).data(), sizeof out);
    at_ += sizeof out;
    return out;
  }
  std::string text() {
    const auto size = take<std::uint64_t>();
    at_ += size;
    return std::string(file_.substr(at_ - size, size));
  }
  Json value(std::uint32_t type) {
    switch (type) {
      case 0:
        return take<std::uint8_t>();
      case 1:
        return take<std::int8_t>();
      case 2:
        return take<std::uint16_t>();
      case 3:
        return take<std::int16_t>();
      case 4:
        return take<std::uint32_t>();
      case 5:
        return take<std::int32_t>();
      case 6:
        return take<float>();
      case 7:
        return take<std::uint8_t>() != 0;
      case 8:
        return text();
      case 10:
        return take<std::uint64_t>();
      case 11:
        return take<std::int64_t>();
      case 12:
        return take<double>();
      default:
        break;
    }
    Json list = Json::array();
    const auto item = take<std::uint32_t>();
    for (auto left = take<std::uint64_t>(); left > 0; --left) list.push_back(value(item));
    return list;
  }

  std::string_view file_;
  std::size_t at_ = 0;
};

}  // namespace vauban::test
