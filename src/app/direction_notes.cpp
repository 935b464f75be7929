#include "app/direction_notes.h"

#include <cmath>

namespace vauban {
namespace {

constexpr double kUnitTolerance = 1e-3;  // trace-contract 7.2

double length_of(const std::vector<float>& values) {
  double squares = 0;
  for (const float value : values) squares += static_cast<double>(value) * static_cast<double>(value);
  return std::sqrt(squares);
}

bool says_its_site(const DirectionFile& file) {
  return file.provenance.contains("site") || file.provenance.contains("vauban.direction.site");
}

}  // namespace

std::vector<std::string> direction_notes(const DirectionFile& file, const std::vector<int>& layers, Site site,
                                         bool keeps_length, const Runtime& runtime) {
  std::vector<std::string> notes;
  const auto measured_on = file.provenance.find("model_digest");
  if (measured_on != file.provenance.end() && measured_on->second != runtime.model().digest)
    notes.emplace_back("the direction was measured on another model");
  if (says_its_site(file) && file.site() != to_string(site))
    notes.push_back(format("the direction was measured at site '{}' and is used at '{}'", file.site(), to_string(site)));
  for (const int layer : layers) {
    const LayerDirection* entry = keeps_length ? nullptr : file.find(layer);
    const double length = entry ? length_of(entry->direction) : 1;
    if (std::abs(length - 1) > kUnitTolerance)
      notes.push_back(format("direction.{} has length {:.4g} in the file: it is used with length 1", layer, length));
  }
  return notes;
}

Error explain_width(Error error, const std::string& path, const DirectionFile& file) {
  const bool of_width = error.code == ErrorCode::invalid_input && error.message.starts_with("primitive: expected");
  if (!of_width || !error.hint.empty()) return error;
  return with_hint(std::move(error),
                   format("'{}' has {} values per layer, for layers {} to {}: give one that `vauban measure` wrote for this "
                          "model and site",
                          path, file.width(), file.layers.front().layer, file.layers.back().layer));
}

}  // namespace vauban
