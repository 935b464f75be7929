/// SourcePlace: where in a config text a value stands, for the messages of checks that come after reading.
#pragma once

#include <string>
#include <string_view>

#include "base/config/node.h"
#include "base/result.h"

namespace vauban {

class SourcePlace {
 public:
  SourcePlace(std::string_view file, const ConfigNode& node) : file_(file), node_(&node) {}

  /// The member or element; this place itself where there is none (a default stands nowhere in the text).
  SourcePlace operator[](std::string_view key) const {
    if (const ConfigNode::Table* table = node_->table())
      for (const ConfigEntry& entry : *table)
        if (entry.key == key) return {file_, entry.value};
    return *this;
  }
  SourcePlace operator[](std::size_t index) const {
    const ConfigNode::Array* items = node_->array();
    return items && index < items->size() ? SourcePlace(file_, (*items)[index]) : *this;
  }
  std::string text() const { return format("{}:{}:{}", file_, node_->pos.line, node_->pos.column); }

  template <class... Args>
  Error fault(fmt::format_string<Args...> text_format, Args&&... args) const {
    return invalid_input("{}: {}", text(), vauban::format(text_format, std::forward<Args>(args)...));
  }

 private:
  std::string_view file_;
  const ConfigNode* node_;
};

}  // namespace vauban
