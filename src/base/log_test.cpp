#include "base/log.h"

#include <cstdlib>
#include <gtest/gtest.h>
#include <memory>

namespace vauban {
namespace {

/// What a logger of `level` writes for one info line and one warning.
std::string logged(LogLevel level) {
  char* text = nullptr;
  std::size_t size = 0;
  std::FILE* sink = ::open_memstream(&text, &size);
  const Logger log(level, sink);
  log.info("read {} rows", 3);
  log.warn("row '{}' has no id", "a\x1b[2J\nerror: forged");
  std::fclose(sink);
  const std::unique_ptr<char, void (*)(void*)> owner(text, std::free);
  return {text, size};
}

TEST(Logger, WritesFromItsLevelOnAndEscapesControlCharacters) {
  const std::string warning = "warning: row 'a\\x1b[2J\\x0aerror: forged' has no id\n";
  EXPECT_EQ(logged(LogLevel::info), "read 3 rows\n" + warning);
  EXPECT_EQ(logged(LogLevel::warning), warning);
  EXPECT_EQ(logged(LogLevel::silent), "");
}

}  // namespace
}  // namespace vauban
