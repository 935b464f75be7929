#include <algorithm>

#include "base/result.h"
#include "base/strings.h"
#include "vauban/trace.h"

namespace vauban {
namespace {

constexpr std::string_view kExpected = "expected positions 'all', 'last', 'decode', '3', '3-7' or '1,4,9'";

Error refused(std::string_view text, std::string_view why = "") {
  return invalid_input("{}, found '{}'{}", kExpected, printable(text, 60), why);
}

/// Digits only: a sign would make "3--7" ambiguous.
Result<std::int64_t> position_from(std::string_view digits, std::string_view whole) {
  if (digits.empty() || digits.find_first_not_of("0123456789") != std::string_view::npos) return refused(whole);
  auto value = parse_int(digits);
  if (!value) return refused(whole, ", which is too large");
  return *value;
}

Positions of_kind(Positions::Kind kind) {
  Positions positions;
  positions.kind = kind;
  return positions;
}

Result<Positions> range_from(std::string_view text, std::size_t dash) {
  Positions positions = of_kind(Positions::Kind::range);
  VB_TRY(positions.begin, position_from(text.substr(0, dash), text));
  VB_TRY(positions.end, position_from(text.substr(dash + 1), text));
  if (positions.begin > positions.end) return refused(text, ", whose end lies before its begin");
  return positions;
}

Result<Positions> list_from(std::string_view text) {
  Positions positions = of_kind(Positions::Kind::list);
  for (const std::string_view part : split(text, ',')) {
    VB_TRY(const std::int64_t value, position_from(part, text));
    if (!positions.values.empty() && value <= positions.values.back())
      return refused(text, ", which is not in ascending order");
    positions.values.push_back(value);
  }
  return positions;
}

}  // namespace

bool Positions::contains(std::int64_t position, std::int64_t last_position, std::int64_t prompt_rows) const {
  switch (kind) {
    case Kind::all:
      return true;
    case Kind::last:
      return position == last_position;
    case Kind::range:
      return begin <= position && position <= end;
    case Kind::list:
      return std::find(values.begin(), values.end(), position) != values.end();
    case Kind::decode:
      return position >= prompt_rows;
  }
  return false;
}

std::string Positions::to_string() const {
  switch (kind) {
    case Kind::all:
      return "all";
    case Kind::last:
      return "last";
    case Kind::range:
      return format("{}-{}", begin, end);
    case Kind::decode:
      return "decode";
    case Kind::list:
      break;
  }
  std::vector<std::string> parts;
  for (const std::int64_t value : values) parts.push_back(format("{}", value));
  return join(parts, ",");
}

Result<Positions> positions_from(std::string_view text) {
  if (text == "all") return of_kind(Positions::Kind::all);
  if (text == "last") return of_kind(Positions::Kind::last);
  if (text == "decode") return of_kind(Positions::Kind::decode);
  const std::size_t dash = text.find('-');
  return dash == std::string_view::npos ? list_from(text) : range_from(text, dash);
}

}  // namespace vauban
