#include "report/execution.h"

#include <algorithm>
#include <set>
#include <tuple>

#include "base/format.h"

namespace vauban {
namespace {

Execution execution_of(const Trace& trace) {
  const TraceParts& parts = trace.parts();
  Execution execution{.side = parts.trace_id.starts_with("candidate:") ? "candidate" : "baseline",
                      .backend = parts.backend,
                      .device = parts.device.label,
                      .requested_device = parts.metadata.get_string("requested_device").value_or(""),
                      .numerics = std::string(to_string(parts.numerics)),
                      .invariant_bits = {},
                      .model_notes = {}};
  const Json* bits = parts.metadata.find("invariant_bits");
  if (bits && bits->is_bool()) execution.invariant_bits = bits->as_bool();
  if (const Json* notes = parts.metadata.find("model_notes"); notes && notes->is_array())
    for (const Json& note : notes->items())
      if (note.is_string()) execution.model_notes.push_back(note.as_string());
  return execution;
}

auto key_of(const Execution& e) {
  return std::tie(e.side, e.backend, e.device, e.requested_device, e.numerics, e.invariant_bits, e.model_notes);
}

template <class T>
Json or_null(const std::optional<T>& value) {
  return value ? Json(*value) : Json();
}

}  // namespace

void count_execution(std::vector<Execution>& known, const Trace& trace) {
  Execution found = execution_of(trace);
  // Sorted: a resumed run may have appended in another order.
  auto entry = std::ranges::lower_bound(known, key_of(found), {}, key_of);
  if (entry == known.end() || key_of(*entry) != key_of(found)) entry = known.insert(entry, std::move(found));
  ++entry->answers;
}

bool bits_are_invariant(const std::vector<Execution>& executions) {
  return std::ranges::none_of(executions, [](const Execution& e) { return e.invariant_bits == false; });
}

Json to_json(const std::vector<Execution>& executions) {
  Json list = Json::array();
  for (const Execution& e : executions)
    list.push_back(Json::object({{"side", e.side},
                                 {"backend", e.backend},
                                 {"device", e.device},
                                 {"requested_device", e.requested_device.empty() ? Json() : Json(e.requested_device)},
                                 {"numerics", e.numerics},
                                 {"invariant_bits", or_null(e.invariant_bits)},
                                 {"model_notes", Json(e.model_notes)},
                                 {"answers", e.answers}}));
  return list;
}

std::vector<std::string> execution_limits(const std::vector<Execution>& executions, bool has_floor) {
  std::set<std::string> places;
  for (const Execution& e : executions)
    if (e.invariant_bits == false) places.insert(format("backend '{}' on {}", e.backend, e.device));
  std::set<std::string> notes;
  for (const Execution& e : executions)
    for (const std::string& note : e.model_notes) notes.insert(format("the {}: {}", e.side, note));
  std::vector<std::string> limits(notes.begin(), notes.end());
  for (const std::string& place : places)
    limits.push_back(
        format("{} does not promise the same bits in another batch or with other threads: {}", place,
               has_floor ? "effects count above the measured noise floor"
                         : "small effects and changed answers need a measured noise floor (--baseline-floor N)"));
  return limits;
}

}  // namespace vauban
