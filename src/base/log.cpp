#include "base/log.h"

#include "base/strings.h"

namespace vauban {

void Logger::write(std::string_view prefix, std::string_view message) const {
  constexpr std::size_t kMaxLineBytes = 4000;
  const std::string line = format("{}{}\n", prefix, printable(message, kMaxLineBytes));
  std::fwrite(line.data(), 1, line.size(), sink_);  // one call, which locks the stream
  std::fflush(sink_);
}

}  // namespace vauban
