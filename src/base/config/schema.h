/// Config struct -> JSON Schema (draft 2020-12) of its TOML or JSON document: types, choices, ranges, defaults,
/// required keys, aliases (one spelling at a time), no unknown keys, descriptions.
#pragma once

#include <string_view>

#include "base/config/fields.h"
#include "base/json.h"

namespace vauban {

namespace detail {
Json json_schema(const StructType& type, std::string_view title);
}  // namespace detail

template <HasFields C>
Json json_schema(std::string_view title) {
  return detail::json_schema(detail::struct_type<C>(), title);
}

}  // namespace vauban
