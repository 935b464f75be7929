/// Leaf fields: what type a LeafRef points to, and the moves between that value and a ConfigNode.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "base/config/fields.h"
#include "base/config/node.h"

namespace vauban {

enum class ScalarKind { boolean, integer, number, string };
enum class LeafShape { scalar, list, matrix, string_map, free_form };

struct LeafInfo {
  ScalarKind kind = ScalarKind::string;  ///< of the value, or of the elements; of no meaning for free_form
  LeafShape shape = LeafShape::scalar;
  bool optional = false;
  bool is_unsigned = false;
};
LeafInfo leaf_info(const LeafRef& leaf);

/// "an integer", "a list of strings", "any value"
std::string type_phrase(const LeafInfo& info);

/// Why a node was refused, and where inside of it.
struct ValueFault {
  SourcePos pos;
  std::string where;  ///< below the field: "[2]", ".key", or ""
  std::string message;
  std::string hint;
};

/// Checks type, range and choices, then writes the value. The leaf is unchanged after a fault.
std::optional<ValueFault> assign_leaf(const LeafRef& leaf, const ConfigNode& node, const FieldSpec& spec);

/// The value as a node; null for an optional without a value.
ConfigNode leaf_node(const LeafRef& leaf);

/// Replaces every string of a string, optional string or list of strings; does nothing for other types.
void map_strings(const LeafRef& leaf, const std::function<std::string(const std::string&)>& change);

/// "1 to 65536 tokens", "at least 0", "" without a range.
std::string range_phrase(const FieldSpec& spec, ScalarKind kind);

/// "one of refuse, comply"; an empty choice shows as "".
std::string choices_phrase(const FieldSpec& spec);

}  // namespace vauban
