/// The list of runtimes. To add one: a folder with a Runtime implementation, and a line in runtimes.cpp.
#pragma once

#include <span>
#include <string_view>

namespace vauban {

struct RuntimeEntry {
  std::string_view id;  ///< "local", "replay"
  std::string_view summary;
  std::string_view opens;  ///< what it is made from
};

std::span<const RuntimeEntry> all_runtimes();

}  // namespace vauban
