#include "base/process_memory.h"

#include <charconv>
#include <cstdio>
#include <string_view>

#include "base/files.h"
#include "base/strings.h"

namespace vauban {

std::optional<std::int64_t> peak_resident_bytes() {
  const Result<std::string> status = read_file("/proc/self/status");
  if (!status) return std::nullopt;
  constexpr std::string_view kKey = "VmHWM:";
  for (const std::string_view line : split(*status, '\n')) {
    if (!line.starts_with(kKey)) continue;
    const std::string_view value = trim(line.substr(kKey.size()));  // "1636 kB"
    std::int64_t kib = 0;
    const auto [end, problem] = std::from_chars(value.data(), value.data() + value.size(), kib);
    if (problem != std::errc{} || trim(value.substr(static_cast<std::size_t>(end - value.data()))) != "kB")
      return std::nullopt;
    return kib * 1024;
  }
  return std::nullopt;
}

bool reset_peak_resident() {
  std::FILE* file = std::fopen("/proc/self/clear_refs", "w");
  if (!file) return false;
  const bool written = std::fputs("5", file) >= 0;
  return std::fclose(file) == 0 && written;
}

}  // namespace vauban
