#include "app/tree/module_tree.h"

#include <algorithm>

#include "app/shown_text.h"
#include "base/format.h"
#include "base/strings.h"
#include "model/decoder/description.h"

namespace vauban {
namespace {

constexpr std::size_t kMaxParts = 24;  // a name may be longer than a stack is deep

std::vector<std::string_view> parts_of(std::string_view name) {
  std::vector<std::string_view> parts;
  while (parts.size() + 1 < kMaxParts) {
    const std::size_t dot = name.find('.');
    if (dot == std::string_view::npos) break;
    parts.push_back(name.substr(0, dot));
    name.remove_prefix(dot + 1);
  }
  parts.push_back(name);
  return parts;
}

bool is_number(std::string_view text) {
  return !text.empty() && text.size() < 10 && std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
}

/// A module with a weight and a tensor of its very name (GGUF's "output" beside "output.weight") are two nodes.
TreeNode& module_of(TreeNode& parent, std::string_view name) {
  // Names come sorted, so that a module's tensors come in a row, unless a longer name stands between.
  for (auto it = parent.children.rbegin(); it != parent.children.rend(); ++it)
    if (it->name == name && !it->tensor) return *it;
  return parent.children.emplace_back(TreeNode{.name = std::string(name), .tensor = nullptr, .types = {}, .children = {}});
}

void count(TreeNode& node, const TensorEntry& tensor) {
  const auto bytes = static_cast<std::int64_t>(tensor.view.bytes.size());
  ++node.tensors;
  node.parameters += tensor.view.shape.elements();
  node.bytes += bytes;
  node.types[std::string(to_string(tensor.view.dtype))] += bytes;
}

void sort(TreeNode& node) {
  std::ranges::stable_sort(node.children, [](const TreeNode& a, const TreeNode& b) {
    if (!is_number(a.name) || !is_number(b.name)) return false;
    return std::pair(a.name.size(), a.name) < std::pair(b.name.size(), b.name);
  });
  for (TreeNode& child : node.children) sort(child);
}

bool alike(const TreeNode& a, const TreeNode& b) {
  if (a.tensors != b.tensors || a.bytes != b.bytes || a.types != b.types || a.children.size() != b.children.size()) return false;
  if ((a.tensor == nullptr) != (b.tensor == nullptr)) return false;
  if (a.tensor && (a.tensor->view.dtype != b.tensor->view.dtype || a.tensor->view.shape != b.tensor->view.shape)) return false;
  for (std::size_t i = 0; i < a.children.size(); ++i)
    if (a.children[i].name != b.children[i].name || !alike(a.children[i], b.children[i])) return false;
  return true;
}

std::string ranges_text(const std::vector<std::int64_t>& numbers) {
  constexpr std::size_t kShown = 5;
  std::vector<std::string> ranges;
  for (std::size_t i = 0; i < numbers.size();) {
    std::size_t end = i + 1;
    while (end < numbers.size() && numbers[end] == numbers[end - 1] + 1) ++end;
    if (ranges.size() == kShown) {
      ranges.emplace_back("...");
      break;
    }
    ranges.push_back(end == i + 1 ? std::to_string(numbers[i]) : format("{}-{}", numbers[i], numbers[end - 1]));
    i = end;
  }
  return join(ranges, ", ");
}

struct Line {
  std::string label, what;
  std::int64_t parameters = 0, bytes = 0;
};

class Printer {
 public:
  Printer(int depth, bool fold) : depth_(depth), fold_(fold) {}

  void print(const TreeNode& node, const std::string& margin, const std::string& rest, std::string label, std::int64_t alike_count, int level) {
    const TreeNode* shown_node = &node;
    // A module with one child is written in one line: lm_head.weight.
    while (shown_node->children.size() == 1 && level > 0 && (!cut(level) || shown_node->children.front().tensor)) {
      shown_node = &shown_node->children.front();
      label += "." + shown(shown_node->name);
    }
    std::string what = shown_node->tensor
                           ? format("{} {}", shown_node->tensor->view.shape.to_string(), to_string(shown_node->tensor->view.dtype))
                           : format("{} {}", with_commas(shown_node->tensors), shown_node->tensors == 1 ? "tensor" : "tensors");
    if (!shown_node->tensor) what += " " + types(*shown_node);
    if (alike_count > 1) what += ", each";
    lines_.push_back({margin + label, what, shown_node->parameters, shown_node->bytes});
    if (!cut(level)) children(*shown_node, rest, level + 1);
  }

  std::string text() const {
    std::size_t label = 0, what = 0;
    for (const Line& line : lines_) {
      label = std::max(label, std::min<std::size_t>(columns(line.label), 64));
      what = std::max(what, std::min<std::size_t>(columns(line.what), 40));
    }
    std::string out;
    for (const Line& line : lines_)
      out += padded(line.label, label) + "  " + padded(line.what, what) + format("  {:>15}  {:>17} B\n", with_commas(line.parameters), with_commas(line.bytes));
    return out;
  }

 private:
  bool cut(int level) const { return depth_ > 0 && level >= depth_; }

  static std::string padded(const std::string& text, std::size_t width) {
    const std::size_t used = columns(text);
    return text + std::string(used < width ? width - used : 0, ' ');
  }
  static std::string types(const TreeNode& node) {
    std::vector<std::string> names;
    for (const auto& [name, bytes] : node.types) names.push_back(name);
    return join(names, "+");
  }

  void children(const TreeNode& node, const std::string& margin, int level) {
    struct Group {
      const TreeNode* first;
      std::vector<std::int64_t> numbers;
    };
    std::vector<Group> groups;
    for (const TreeNode& child : node.children) {
      const bool numbered = is_number(child.name);
      const auto same = [&](const Group& g) { return !g.numbers.empty() && alike(*g.first, child); };
      const auto found = fold_ && numbered ? std::ranges::find_if(groups, same) : groups.end();
      Group& group = found == groups.end() ? groups.emplace_back(Group{&child, {}}) : *found;
      if (numbered) group.numbers.push_back(*parse_int(child.name));
    }
    for (std::size_t i = 0; i < groups.size(); ++i) {
      const bool last = i + 1 == groups.size();
      const auto alike_count = static_cast<std::int64_t>(groups[i].numbers.size());
      const std::string label = alike_count > 1 ? format("{} ({} alike)", ranges_text(groups[i].numbers), alike_count) : shown(groups[i].first->name);
      print(*groups[i].first, margin + (last ? "└─ " : "├─ "), margin + (last ? "   " : "│  "), label, alike_count, level);
    }
  }

  int depth_;
  bool fold_;
  std::vector<Line> lines_;
};

}  // namespace

TreeNode module_tree(const ModelFile& file) {
  TreeNode root;
  for (const TensorEntry& tensor : file.tensors()) {
    const std::vector<std::string_view> parts = parts_of(tensor.name);
    TreeNode* node = &root;
    count(*node, tensor);
    for (std::size_t i = 0; i + 1 < parts.size(); ++i) {
      node = &module_of(*node, parts[i]);
      count(*node, tensor);
    }
    TreeNode& leaf = node->children.emplace_back(TreeNode{.name = std::string(parts.back()), .tensor = &tensor, .types = {}, .children = {}});
    count(leaf, tensor);
  }
  sort(root);
  return root;
}

Json to_json(const TreeNode& node, int depth) {
  Json types = Json::object();
  for (const auto& [name, bytes] : node.types) types[name] = bytes;
  Json out = Json::object({{"name", node.name}, {"parameters", node.parameters}, {"bytes", node.bytes}, {"tensors", node.tensors}, {"types", std::move(types)}});
  if (node.tensor) {
    const std::span<const std::int64_t> dims = node.tensor->view.shape.dims();
    out["tensor"] = node.tensor->name;
    out["dtype"] = to_string(node.tensor->view.dtype);
    out["shape"] = Json(std::vector<std::int64_t>(dims.begin(), dims.end()));
    return out;
  }
  if (depth == 1) return out;
  Json children = Json::array();
  for (const TreeNode& child : node.children) children.push_back(to_json(child, depth > 0 ? depth - 1 : 0));
  out["children"] = std::move(children);
  return out;
}

std::string tree_text(const TreeNode& root, int depth, bool fold) {
  Printer printer(depth, fold);
  printer.print(root, "", "", shown(root.name), 1, 0);
  return printer.text();
}

}  // namespace vauban
