#include "app/layer_choice.h"

#include "base/strings.h"
#include "vauban/trace.h"

namespace vauban {
namespace {

std::vector<int> held(const DirectionFile& file) {
  std::vector<int> layers;
  for (const LayerDirection& entry : file.layers) layers.push_back(entry.layer);
  return layers;
}

Result<std::vector<int>> chosen(const DirectionFile& file, std::string_view flag) {
  if (file.chosen) return std::vector<int>{*file.chosen};
  if (file.layers.size() == 1) return held(file);
  return with_hint(invalid_input("the direction file holds {} layers and names no chosen one", file.layers.size()),
                   flag == "--layers" ? "say which with --layers 3, --layers 3-5 or --layers all" : format("say which with {} 3", flag));
}

/// Positions have the grammar that layers need.
Result<std::vector<int>> numbered(const std::string& text, const DirectionFile& file, std::string_view flag) {
  const auto read = positions_from(text);
  const bool numbers = read && (read->kind == Positions::Kind::range || read->kind == Positions::Kind::list);
  if (!numbers)
    return invalid_input("{}: expected {}, found '{}'", flag,
                         flag == "--layers" ? "all, chosen, 3, 3-5 or 2,4,7" : "chosen or a number", printable(text, 60));
  std::vector<int> layers;
  for (const LayerDirection& entry : file.layers)
    if (read->contains(entry.layer, -1, 0)) layers.push_back(entry.layer);
  const std::int64_t asked = read->kind == Positions::Kind::list ? static_cast<std::int64_t>(read->values.size())
                                                                 : read->end - read->begin + 1;
  if (static_cast<std::int64_t>(layers.size()) == asked) return layers;
  std::vector<std::string> names;
  for (const int layer : held(file)) names.push_back(format("{}", layer));
  return not_found("{} {}: the direction file holds layers {}", flag, text, join(names, ", "));
}

}  // namespace

Result<std::vector<int>> layers_from(const std::string& text, const DirectionFile& file, std::string_view flag) {
  if (text == "chosen") return chosen(file, flag);
  if (text == "all") return held(file);
  return numbered(text, file, flag);
}

}  // namespace vauban
