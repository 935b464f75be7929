/// The TOML reader, through the largest declared file: a suite.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "suite/suite.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto suite = vauban::parse_suite(text, "fuzz.toml");
  if (suite && suite->prompts.empty()) __builtin_trap();  // a suite that is read has prompts
  if (!suite && vauban::describe(suite.error()).empty()) __builtin_trap();
  return 0;
}
