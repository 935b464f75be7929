/// Manual topics beside the commands'.
#pragma once

#include <span>
#include <string_view>

namespace vauban {

struct ManTopic {
  std::string_view name, summary, text;
};
std::span<const ManTopic> man_topics();

}  // namespace vauban
