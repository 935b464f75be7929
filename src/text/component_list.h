/// Finding the maker of a component in a list by its "type", the same way for all four kinds of component.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/json.h"
#include "base/result.h"
#include "text/fields.h"

namespace vauban {

template <class Component>
struct ComponentEntry {
  std::string_view type;
  Result<std::unique_ptr<Component>> (*make)(const Json& section);
};

/// Errors: corrupt for a section that is not an object with a type, unsupported for a type that is not in the list.
template <class Component>
Result<std::unique_ptr<Component>> make_component(std::span<const ComponentEntry<Component>> list, const Json& section,
                                                  std::string_view what) {
  VB_TRY(const std::string type, fields::type(section, what));
  for (const ComponentEntry<Component>& entry : list) {
    if (entry.type != type) continue;
    VB_TRY(std::unique_ptr<Component> made, entry.make(section), "in {} '{}'", what, type);
    return made;
  }
  std::string known;
  for (const ComponentEntry<Component>& entry : list) known += (known.empty() ? "" : ", ") + std::string(entry.type);
  return unsupported("{} '{}' is not built (built: {})", what, type, known);
}

/// The members of a Sequence. An empty list is fine and does nothing.
template <class Component>
Result<std::vector<std::unique_ptr<Component>>> make_members(std::span<const ComponentEntry<Component>> list,
                                                             const Json& section, std::string_view key,
                                                             std::string_view what) {
  VB_TRY(const Json::Array* const items, fields::array(section, key));
  std::vector<std::unique_ptr<Component>> members;
  for (const Json& item : *items) {
    VB_TRY(auto member, make_component(list, item, what));
    members.push_back(std::move(member));
  }
  return members;
}

}  // namespace vauban
