#include "backends/cpu/primitive_gate.h"

#include <algorithm>

#include "base/json.h"

namespace vauban {
namespace {

/// The text of a member, or "".
std::string text_of(const Json& record, std::string_view key) {
  const Json* value = record.find(key);
  return value && value->is_string() ? std::string(value->as_string()) : "";
}

/// Why the checks do not let the kernels pass; "" when they do.
std::string open_check(const Json& record) {
  const Json* checks = record.find("checks");
  for (const std::string_view name : kPrimitiveGateChecks) {
    const Json* check = checks && checks->is_object() ? checks->find(name) : nullptr;
    const std::string status = check && check->is_object() ? text_of(*check, "status") : "absent";
    if (status != "pass") return format("check '{}' is '{}'", name, status);
  }
  return "";
}

bool judged(const Json& record, CpuTarget target) {
  const Json* targets = record.find("targets");
  if (!targets || !targets->is_array()) return false;
  return std::ranges::any_of(
      targets->items(), [&](const Json& name) { return name.is_string() && name.as_string() == to_string(target); });
}

std::string why_not(const PrimitiveGateBuild& build, CpuTarget target) {
  if (build.record.empty()) return "there is no record (docs/gates/primitive-cpu.json)";
  const Result<Json> record = Json::parse(build.record);
  if (!record || !record->is_object()) return "the record is not a JSON object";
  if (text_of(*record, "sources_sha256") != build.sources_sha256) return "the record judged other sources";
  if (text_of(*record, "architecture") != build.architecture) return "the record was made on another architecture";
  if (text_of(*record, "compiler") != build.compiler) return "the record judged what another compiler made";
  if (!judged(*record, target)) return format("the record did not judge the '{}' kernels", to_string(target));
  return open_check(*record);
}

}  // namespace

PrimitiveGateVerdict judge_primitive_gate(const PrimitiveGateBuild& build, CpuTarget target) {
  std::string reason = why_not(build, target);
  return {.passed = reason.empty(), .reason = std::move(reason)};
}

std::string_view primitive_label(PrimitivePath path, CpuTarget target) {
  if (path == PrimitivePath::scalar) return "scalar";
  return judge_primitive_gate(primitive_gate_build(), target).passed ? "simd" : "simd-experimental";
}

PrimitivePath default_primitive_path(CpuTarget target) {
  return judge_primitive_gate(primitive_gate_build(), target).passed ? PrimitivePath::simd : PrimitivePath::scalar;
}

}  // namespace vauban
