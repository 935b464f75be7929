#include "app/transform_report.h"

#include <map>

namespace vauban {
namespace {

Json tensors_json(const std::vector<TensorPlan>& plan) {
  Json list = Json::array();
  for (const TensorPlan& tensor : plan)
    list.push_back(Json::object({{"name", tensor.name},
                                 {"shape", Json(std::vector<std::int64_t>(tensor.shape.dims().begin(), tensor.shape.dims().end()))},
                                 {"from", to_string(tensor.from)},
                                 {"to", to_string(tensor.to)},
                                 {"bytes", tensor.bytes}}));
  return list;
}

std::string types_text(const std::vector<TensorPlan>& plan) {
  std::map<std::string, int> counts;
  for (const TensorPlan& tensor : plan) ++counts[std::string(to_string(tensor.to))];
  std::string text;
  for (const auto& [type, count] : counts) text += format("{}{} x {}", text.empty() ? "" : ", ", type, count);
  return text;
}

std::string report_text(const TransformReport& report, const std::string& out, bool planned) {
  std::string text;
  if (planned)
    for (const TensorPlan& tensor : report.plan)
      text += format("  {:<48}{:<8}{:<8}{:<16}{:>14}\n", tensor.name, to_string(tensor.from), to_string(tensor.to),
                     tensor.shape.to_string(), tensor.bytes);
  text += format("{:<18}{}\n", planned ? "would write" : "wrote", out);
  text += format("{:<18}{}\n{:<18}{:.4f}\n", "tensor bytes", report.totals.bytes, "bits per weight", report.totals.bits_per_weight);
  text += format("{:<18}{}\n", "types", types_text(report.plan));
  text += format("{:<18}{}\n", "file bytes", report.file_bytes);
  if (planned) return text + format("{:<18}{} bytes beside the mapped source\n", "memory", report.peak_bytes);
  return text + format("{:<18}{}\n", "digest", report.digest);
}

}  // namespace

Json report_json(const TransformReport& report, const std::string& in, const std::string& out, bool planned) {
  return Json::object({{"in", in},
                       {"out", out},
                       {"plan", planned},
                       {"bytes", report.file_bytes},
                       {"tensor_bytes", report.totals.bytes},
                       {"parameters", report.totals.parameters},
                       {"bits_per_weight", report.totals.bits_per_weight},
                       {"memory_bytes", report.peak_bytes},
                       {"digest", planned ? Json() : Json(report.digest)},
                       {"lineage", to_json(report.lineage)},
                       {"notes", Json(report.notes)},
                       {"tensors", tensors_json(report.plan)}});
}

Result<void> print_report(Session& session, const TransformReport& report, const std::string& in, const std::string& out,
                          bool planned) {
  for (const std::string& note : report.notes) session.out().note(note);
  if (session.out().json()) return session.out().print_json(report_json(report, in, out, planned));
  session.out().text(report_text(report, out, planned));
  return ok();
}

}  // namespace vauban
