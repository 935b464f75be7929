/// format(): the one adapter to fmt (the compiler here has no std::format).
#pragma once

#include <fmt/core.h>
#include <string>
#include <utility>

namespace vauban {

template <class... Args>
std::string format(fmt::format_string<Args...> text, Args&&... args) {
  return fmt::format(text, std::forward<Args>(args)...);
}

}  // namespace vauban
