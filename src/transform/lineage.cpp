#include "transform/lineage.h"

#include <array>
#include <utility>

namespace vauban {
namespace {

std::array<std::pair<std::string, std::string>, 4> named(const Lineage& lineage) {
  return {{{"base_digest", lineage.base_digest},
           {"base", lineage.base},
           {"recipe", lineage.recipe},
           {"tool", lineage.tool}}};
}

}  // namespace

void add_lineage(std::vector<GgufKey>& keys, const Lineage& lineage) {
  for (const auto& [name, value] : named(lineage)) set_key(keys, GgufKey::text("vauban.lineage." + name, value));
}

void add_lineage(SafetensorsMetadata& metadata, const Lineage& lineage) {
  for (const auto& [name, value] : named(lineage)) metadata["vauban.lineage." + name] = value;
}

Json to_json(const Lineage& lineage) {
  Json json = Json::object();
  for (const auto& [name, value] : named(lineage)) json[name] = name == "base_digest" && value.empty() ? Json() : Json(value);
  return json;
}

}  // namespace vauban
