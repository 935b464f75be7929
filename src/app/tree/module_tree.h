/// The tensors of a file as a tree of modules, by the dots of their names.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "format/model_file.h"

namespace vauban {

struct TreeNode {
  std::string name;                  ///< the part of the name between two dots
  const TensorEntry* tensor = nullptr;  ///< of a leaf
  std::int64_t tensors = 0, parameters = 0, bytes = 0;  ///< of everything below; parameters: elements as stored
  std::map<std::string, std::int64_t> types;            ///< dtype -> bytes
  std::vector<TreeNode> children;    ///< numbers by value, others as they come
};

/// A name has at most 24 parts; what exceeds that stays in the last. The file must outlive the tree.
TreeNode module_tree(const ModelFile& file);

/// Without what lies below `depth` levels; 0: all. A module that is cut keeps its sums and has no `children`.
Json to_json(const TreeNode& node, int depth = 0);

/// One line per module. `fold`: numbered modules that hold the same tensors in shape and type are one line.
std::string tree_text(const TreeNode& root, int depth, bool fold);

}  // namespace vauban
