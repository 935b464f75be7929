// Bytes as a chat template. What parses must render, or refuse, within its limits, and twice alike.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "base/result.h"
#include "text/template/from_json.h"
#include "text/template/program.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  namespace jinja = vauban::jinja;
  const auto program = jinja::Program::parse({reinterpret_cast<const char*>(data), size});
  if (!program) return 0;
  const auto variables = jinja::from_json_text(
      R"({"messages":[{"role":"user","content":"h\u00e9 <b>"},{"role":"assistant","content":null}],"tools":[{"n":[1,2.5]}],"x":7})");
  if (!variables) std::abort();
  const jinja::Limits limits{.steps = 20'000, .bytes = 1 << 20, .depth = 300};
  const auto render = [&] { return (*program)->render(*variables, std::chrono::system_clock::time_point(), limits); };
  const auto first = render(), second = render();
  if (first.has_value() != second.has_value()) std::abort();
  if (!first) return 0;
  if (first->text != second->text || first->text.size() > (1U << 20)) std::abort();
  for (const jinja::GenerationSpan& span : first->generations)
    if (span.begin > span.end || span.end > first->text.size()) std::abort();
  return 0;
}
