// A parser with a fault, on purpose: the replay must notice it.
#include <cstdint>
#include <cstdlib>
#include <string_view>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (text.find("fault") != std::string_view::npos) std::abort();
  return 0;
}
