/// The k best values of a row, as a summary keeps them.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <span>
#include <vector>

#include "base/json.h"

namespace vauban {

struct TopValue {
  std::int32_t id = 0;
  float value = 0;
};

/// By value, descending; equal values by id, ascending. NaN never ranks. At most row.size() of them.
inline std::vector<TopValue> top_values(std::span<const float> row, int k) {
  std::vector<TopValue> best;
  for (std::size_t i = 0; i < row.size(); ++i)
    if (!std::isnan(row[i])) best.push_back({static_cast<std::int32_t>(i), row[i]});
  const auto count = std::min(best.size(), static_cast<std::size_t>(k));
  const auto better = [](const TopValue& a, const TopValue& b) {
    return a.value != b.value ? a.value > b.value : a.id < b.id;
  };
  std::partial_sort(best.begin(), best.begin() + static_cast<std::ptrdiff_t>(count), best.end(), better);
  best.resize(count);
  best.shrink_to_fit();
  return best;
}

/// {"position": 4, "top": [{"id": 7, "value": -0.25}, ...]}; an infinite value is null, which JSON cannot write.
inline Json top_json(std::int64_t position, std::span<const TopValue> top) {
  Json list = Json::array();
  for (const TopValue& entry : top)
    list.push_back(
        Json::object({{"id", entry.id}, {"value", std::isfinite(entry.value) ? Json(entry.value) : Json()}}));
  return Json::object({{"position", position}, {"top", std::move(list)}});
}

}  // namespace vauban
