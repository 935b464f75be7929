#include "torch/alone/result_file.h"

#include <cmath>
#include <filesystem>
#include <fstream>

#include "base/processor.h"
#include "base/strings.h"

namespace vauban::proof {
namespace {

std::string json_text(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      out += format("\\u{:04x}", static_cast<unsigned>(c));
    } else {
      out += c;
    }
  }
  return out + '"';
}

std::string number(double value) { return std::isfinite(value) ? format("{}", value) : "null"; }

std::string line_of(const Check& check) {
  return format(R"(    {{"id": {}, "row": {}, "relation": {}, "bound": {}, "measured": {}, "passed": {}, "note": {}}})",
                json_text(check.id), json_text(check.row), json_text(check.relation), number(check.bound), number(check.measured),
                check.passed, json_text(check.note));
}

std::string gpu_name() {
  std::error_code absent;
  for (const auto& gpu : std::filesystem::directory_iterator("/proc/driver/nvidia/gpus", absent)) {
    std::ifstream file(gpu.path() / "information");
    for (std::string line; std::getline(file, line);)
      if (line.starts_with("Model:")) return std::string(trim(std::string_view(line).substr(6)));
  }
  return "";
}

}  // namespace

std::string result_json(const Provenance& p, std::span<const Check> checks) {
  std::string lines;
  for (const Check& check : checks) lines += (lines.empty() ? "" : ",\n") + line_of(check);
  return format(
      "{{\n  \"date\": {},\n  \"device\": {{\"kind\": {}, \"label\": {}, \"name\": {}}},\n"
      "  \"versions\": {{\"libtorch\": {}, \"compiler\": {}}},\n  \"source_digest\": {},\n  \"checks\": [\n{}\n  ]\n}}\n",
      json_text(p.date), json_text(p.device_kind), json_text(p.device_label), json_text(p.device_name), json_text(p.libtorch),
      json_text(p.compiler), json_text(p.source_digest), lines);
}

std::string device_name(std::string_view kind) {
  const std::string name = kind == "cpu" ? processor_name() : kind == "cuda" ? gpu_name() : "";
  return name.empty() ? "unknown" : name;
}

}  // namespace vauban::proof
