#include "backends/torch/alone/result_file.h"

#include <cmath>
#include <filesystem>
#include <fstream>

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

/// The value of the first "name : value" line of a file of /proc; "" without one.
std::string proc_value(const std::filesystem::path& path, std::string_view name) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);)
    if (line.starts_with(name) && line.find(':') != std::string::npos)
      return std::string(trim(std::string_view(line).substr(line.find(':') + 1)));
  return "";
}

std::string gpu_name() {
  std::error_code absent;
  for (const auto& gpu : std::filesystem::directory_iterator("/proc/driver/nvidia/gpus", absent))
    if (const std::string name = proc_value(gpu.path() / "information", "Model"); !name.empty()) return name;
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
  const std::string name = kind == "cpu" ? proc_value("/proc/cpuinfo", "model name") : kind == "cuda" ? gpu_name() : "";
  return name.empty() ? "unknown" : name;
}

}  // namespace vauban::proof
