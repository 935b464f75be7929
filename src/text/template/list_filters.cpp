// Filters over lists and dicts.
#include <algorithm>
#include <set>

#include "base/strings.h"
#include "text/template/code_points.h"
#include "text/template/evaluator.h"
#include "text/template/natives.h"
#include "text/template/objects.h"
#include "text/template/operators.h"
#include "text/template/python_text.h"

namespace vauban::jinja {
namespace {

/// What items are ordered by: an attribute of theirs, in lower case unless case counts.
struct Key {
  const Value* attribute = nullptr;  ///< null: the item itself
  bool ignore_case = true;

  Result<Value> of(const Value& item, Budget& budget) const {
    VB_TRY(Value key, attribute ? get_path(item, *attribute, budget) : Result<Value>(item));
    if (!ignore_case || !key.is_string()) return key;
    return new_text(budget, lower_text(key.text()));
  }
};

const Value* unless_none(const Value* value) { return value && !value->is_none() ? value : nullptr; }

/// Items beside their keys, which are lists of what `attribute` names ("a,b"): two equal ones, even undefined, are in order.
Result<std::vector<std::pair<Value, Value>>> keyed(const std::vector<Value>& items, const Value* attribute, bool ignore_case,
                                                   Budget& budget) {
  std::vector<Value> parts;
  if (attribute && attribute->is_string())
    for (const std::string_view part : split(attribute->text(), ',')) parts.emplace_back(part);
  else if (attribute)
    parts.push_back(*attribute);
  std::vector<std::pair<Value, Value>> rows;
  for (const Value& item : items) {
    std::vector<Value> keys;
    for (const Value& part : parts) {
      VB_TRY(Value key, (Key{&part, ignore_case}.of(item, budget)));
      keys.push_back(std::move(key));
    }
    if (parts.empty()) {
      VB_TRY(Value key, (Key{nullptr, ignore_case}.of(item, budget)));
      keys.push_back(std::move(key));
    }
    rows.emplace_back(Value::list(std::move(keys)), item);
  }
  return rows;
}

/// Stable, by the first of each pair. Errors: those of comparing.
Result<void> sort_rows(std::vector<std::pair<Value, Value>>& rows, bool reverse, Budget& budget) {
  std::optional<Error> failure;
  const auto before = [&](const auto& a, const auto& b) {
    if (failure) return false;
    const auto order = reverse ? compare(b.first, a.first, budget) : compare(a.first, b.first, budget);
    if (!order) failure = order.error();
    return order.value_or(0) < 0;
  };
  std::stable_sort(rows.begin(), rows.end(), before);
  if (failure) return *failure;
  return ok();
}

Result<Value> sort_filter(Evaluator& evaluator, const Value& self, const Arguments& arguments) {
  VB_TRY(const Bound bound, Bound::bind(arguments, {"reverse", "case_sensitive", "attribute"}));
  VB_TRY(const std::vector<Value> items, iterate(self, evaluator.budget()));
  VB_TRY(auto rows, keyed(items, unless_none(bound.get(2)), !bound.truth(1, false), evaluator.budget()));
  VB_CHECK(sort_rows(rows, bound.truth(0, false), evaluator.budget()));
  std::vector<Value> sorted;
  for (auto& [key, item] : rows) sorted.push_back(std::move(item));
  return new_list(evaluator.budget(), std::move(sorted));
}

Result<std::vector<Value>> pairs_of(const Value& dict, Budget& budget) {
  std::vector<Value> pairs;
  for (const auto& [key, value] : dict.dict().entries()) {
    VB_TRY(Value pair, new_list(budget, {key, value}, Kind::tuple));
    pairs.push_back(std::move(pair));
  }
  return pairs;
}

Result<Value> dictsort_filter(Evaluator& evaluator, const Value& self, const Arguments& arguments) {
  VB_TRY(const Bound bound, Bound::bind(arguments, {"case_sensitive", "by", "reverse"}));
  VB_TRY(const std::string by, bound.text(1, "key"));
  if (by != "key" && by != "value") return invalid_input("FilterArgumentError: dictsort goes by key or value, not '{}'", printable(by));
  if (self.is_undefined()) return undefined_error(self);
  if (!self.is_dict()) return invalid_input("TypeError: dictsort needs a mapping, found {}", self.type_name());
  VB_TRY(const std::vector<Value> pairs, pairs_of(self, evaluator.budget()));
  const Value place(by == "key" ? 0 : 1);
  VB_TRY(auto rows, keyed(pairs, &place, !bound.truth(0, false), evaluator.budget()));
  VB_CHECK(sort_rows(rows, bound.truth(2, false), evaluator.budget()));
  std::vector<Value> sorted;
  for (auto& [key, item] : rows) sorted.push_back(std::move(item));
  return new_list(evaluator.budget(), std::move(sorted));
}

Result<Value> items_filter(Evaluator& evaluator, const Value& self, const Arguments&) {
  if (self.is_undefined()) return generator({});
  if (!self.is_dict()) return invalid_input("TypeError: items needs a mapping, found {}", self.type_name());
  VB_TRY(std::vector<Value> pairs, pairs_of(self, evaluator.budget()));
  return generator(std::move(pairs));
}

Result<Value> groupby_filter(Evaluator& evaluator, const Value& self, const Arguments& arguments) {
  VB_TRY(const Bound bound, Bound::bind(arguments, {"attribute", "default", "case_sensitive"}, 1));
  Budget& budget = evaluator.budget();
  VB_TRY(const std::vector<Value> items, iterate(self, budget));
  const Key exact{&bound[0], false};
  std::vector<std::pair<Value, Value>> rows;
  for (const Value& item : items) {
    VB_TRY(Value key, exact.of(item, budget));
    if (key.is_undefined() && bound.get(1)) key = bound[1];
    rows.emplace_back(std::move(key), item);
  }
  const bool ignore_case = !bound.truth(2, false);
  const auto folded = [&](const Value& key) { return ignore_case && key.is_string() ? Value(lower_text(key.text())) : key; };
  std::vector<std::pair<Value, Value>> order;
  for (std::size_t i = 0; i < rows.size(); ++i) order.emplace_back(folded(rows[i].first), Value(static_cast<Integer>(i)));
  VB_CHECK(sort_rows(order, false, budget));
  std::vector<Value> groups;
  for (std::size_t i = 0; i < order.size();) {
    std::vector<Value> members;
    const Value grouper = rows[static_cast<std::size_t>(order[i].second.whole())].first;
    const Value key = order[i].first;
    while (i < order.size()) {
      VB_TRY(const bool same, equal(order[i].first, key, budget));
      if (!same) break;
      members.push_back(rows[static_cast<std::size_t>(order[i++].second.whole())].second);
    }
    VB_TRY(Value list, new_list(budget, std::move(members)));
    VB_TRY(Value group, new_list(budget, {grouper, std::move(list)}, Kind::tuple, "group"));
    groups.push_back(std::move(group));
  }
  return new_list(budget, std::move(groups));
}

Result<Value> unique_filter(Evaluator& evaluator, const Value& self, const Arguments& arguments) {
  VB_TRY(const Bound bound, Bound::bind(arguments, {"case_sensitive", "attribute"}));
  VB_TRY(const std::vector<Value> items, iterate(self, evaluator.budget()));
  const Key key{unless_none(bound.get(1)), !bound.truth(0, false)};
  Dict seen;
  std::vector<Value> kept;
  for (const Value& item : items) {
    VB_TRY(Value mark, key.of(item, evaluator.budget()));
    if (seen.find(mark)) continue;
    VB_CHECK(seen.set(std::move(mark), Value(true)));
    kept.push_back(item);
  }
  return generator(std::move(kept));
}

Result<Value> extreme(Evaluator& evaluator, const Value& self, const Arguments& arguments, bool largest) {
  VB_TRY(const Bound bound, Bound::bind(arguments, {"case_sensitive", "attribute"}));
  VB_TRY(const std::vector<Value> items, iterate(self, evaluator.budget()));
  if (items.empty()) return Value::undefined("an empty list has no smallest or largest item");
  const Key key{unless_none(bound.get(1)), !bound.truth(0, false)};
  std::size_t best = 0;
  VB_TRY(Value best_key, key.of(items[0], evaluator.budget()));
  for (std::size_t i = 1; i < items.size(); ++i) {
    VB_TRY(Value candidate, key.of(items[i], evaluator.budget()));
    VB_TRY(const int order, compare(candidate, best_key, evaluator.budget()));
    if (largest ? order <= 0 : order >= 0) continue;
    best = i;
    best_key = std::move(candidate);
  }
  return items[best];
}
Result<Value> min_filter(Evaluator& evaluator, const Value& self, const Arguments& arguments) {
  return extreme(evaluator, self, arguments, false);
}
Result<Value> max_filter(Evaluator& evaluator, const Value& self, const Arguments& arguments) {
  return extreme(evaluator, self, arguments, true);
}

Result<Value> sum_filter(Evaluator& evaluator, const Value& self, const Arguments& arguments) {
  VB_TRY(const Bound bound, Bound::bind(arguments, {"attribute", "start"}));
  VB_TRY(const std::vector<Value> items, iterate(self, evaluator.budget()));
  Value total = bound.get(1) ? bound[1] : Value(0);
  for (const Value& item : items) {
    VB_TRY(const Value term, (Key{unless_none(bound.get(0)), false}.of(item, evaluator.budget())));
    VB_TRY(total, arithmetic("+", total, term, evaluator.budget()));
  }
  return total;
}

Result<Value> join_filter(Evaluator& evaluator, const Value& self, const Arguments& arguments) {
  VB_TRY(const Bound bound, Bound::bind(arguments, {"d", "attribute"}));
  VB_TRY(const std::string separator, bound.get(0) ? to_text(bound[0], evaluator.budget()) : Result<std::string>(std::string()));
  VB_TRY(const std::vector<Value> items, iterate(self, evaluator.budget()));
  std::string out;
  for (std::size_t i = 0; i < items.size(); ++i) {
    VB_TRY(const Value part, (Key{unless_none(bound.get(1)), false}.of(items[i], evaluator.budget())));
    VB_TRY(const std::string text, to_text(part, evaluator.budget()));
    VB_CHECK(evaluator.budget().bytes(text.size() + separator.size()));
    if (i > 0) out += separator;
    out += text;
  }
  return new_text(evaluator.budget(), std::move(out));
}

Result<Value> list_filter(Evaluator& evaluator, const Value& self, const Arguments&) {
  VB_TRY(std::vector<Value> items, iterate(self, evaluator.budget()));
  return new_list(evaluator.budget(), std::move(items));
}

Result<Value> length_filter(Evaluator& evaluator, const Value& self, const Arguments&) {
  if (self.is(Kind::object) || self.is_number() || self.is_none())
    return invalid_input("TypeError: object of type '{}' has no length", self.type_name());
  if (self.is_dict()) return Value(static_cast<Integer>(self.dict().entries().size()));
  if (self.is_sequence()) return Value(static_cast<Integer>(self.items().size()));
  VB_CHECK(evaluator.budget().steps(self.text().size() / 64));
  VB_TRY(const std::string text, to_text(self, evaluator.budget()));
  return Value(static_cast<Integer>(to_code_points(text).size()));
}

Result<Value> first_filter(Evaluator& evaluator, const Value& self, const Arguments&) {
  VB_TRY(const std::vector<Value> items, iterate(self, evaluator.budget()));
  return items.empty() ? Value::undefined("there is no first item, the sequence is empty") : items.front();
}

Result<Value> last_filter(Evaluator& evaluator, const Value& self, const Arguments&) {
  if (self.type_name() == "generator") return invalid_input("TypeError: a generator cannot be reversed");
  VB_TRY(const std::vector<Value> items, iterate(self, evaluator.budget()));
  return items.empty() ? Value::undefined("there is no last item, the sequence is empty") : items.back();
}

Result<Value> reverse_filter(Evaluator& evaluator, const Value& self, const Arguments&) {
  if (self.is_string()) {
    std::u32string points = to_code_points(self.text());
    std::reverse(points.begin(), points.end());
    return new_text(evaluator.budget(), from_code_points(points));
  }
  VB_TRY(std::vector<Value> items, iterate(self, evaluator.budget()));
  std::reverse(items.begin(), items.end());
  return generator(std::move(items));
}

Result<Value> batch_filter(Evaluator& evaluator, const Value& self, const Arguments& arguments) {
  VB_TRY(const Bound bound, Bound::bind(arguments, {"linecount", "fill_with"}, 1));
  VB_TRY(const std::int64_t size, bound.whole(0, 1));
  VB_TRY(const std::vector<Value> items, iterate(self, evaluator.budget()));
  if (size < 1) return invalid_input("ValueError: a batch needs 1 item or more");
  const Value* fill = unless_none(bound.get(1));
  std::vector<Value> batches;
  for (std::size_t at = 0; at < items.size();) {
    const std::size_t end = std::min<std::size_t>(items.size(), at + static_cast<std::size_t>(size));
    std::vector<Value> batch(items.begin() + static_cast<std::ptrdiff_t>(at), items.begin() + static_cast<std::ptrdiff_t>(end));
    if (fill && batch.size() < static_cast<std::size_t>(size)) {
      VB_CHECK(evaluator.budget().bytes(static_cast<std::size_t>(size)));
      VB_CHECK(evaluator.budget().bytes(static_cast<std::size_t>(size) * sizeof(Value)));
      batch.resize(static_cast<std::size_t>(size), *fill);
    }
    VB_TRY(Value list, new_list(evaluator.budget(), std::move(batch)));
    batches.push_back(std::move(list));
    at = end;
  }
  return generator(std::move(batches));
}

/// `slices` columns of nearly equal length.
Result<Value> slice_filter(Evaluator& evaluator, const Value& self, const Arguments& arguments) {
  VB_TRY(const Bound bound, Bound::bind(arguments, {"slices", "fill_with"}, 1));
  VB_TRY(const std::int64_t slices, bound.whole(0, 1));
  VB_TRY(const std::vector<Value> items, iterate(self, evaluator.budget()));
  if (slices < 1 || slices > kMaxRange) return invalid_input("ValueError: expected 1 to {} slices", kMaxRange);
  const std::size_t count = static_cast<std::size_t>(slices), each = items.size() / count, longer = items.size() % count;
  const Value* fill = unless_none(bound.get(1));
  std::vector<Value> columns;
  auto at = items.begin();
  for (std::size_t i = 0; i < count; ++i) {
    const auto end = at + static_cast<std::ptrdiff_t>(each + (i < longer ? 1 : 0));
    std::vector<Value> column(at, end);
    if (fill && i >= longer) column.push_back(*fill);
    at = end;
    VB_TRY(Value list, new_list(evaluator.budget(), std::move(column)));
    columns.push_back(std::move(list));
  }
  return generator(std::move(columns));
}

}  // namespace

std::span<const Native> list_filters() {
  static constexpr Native kFilters[] = {
      {"batch", batch_filter},       {"slice", slice_filter},     {"first", first_filter},   {"last", last_filter},
      {"length", length_filter},     {"count", length_filter},    {"join", join_filter},     {"list", list_filter},
      {"reverse", reverse_filter},   {"sort", sort_filter},       {"dictsort", dictsort_filter},
      {"groupby", groupby_filter},   {"unique", unique_filter},   {"sum", sum_filter},       {"min", min_filter},
      {"max", max_filter},           {"items", items_filter},
  };
  return kFilters;
}

}  // namespace vauban::jinja
