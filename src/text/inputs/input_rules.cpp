#include "text/inputs/input_rules.h"

#include <algorithm>
#include <limits>

#include "text/fields.h"

namespace vauban {
namespace {

constexpr std::int64_t kMostTokens = std::int64_t{1} << 40, kMostPadded = std::int64_t{1} << 20;

Result<Side> read_side(const Json& section) {
  VB_TRY(const std::string name, fields::string_or(section, "direction", "Right"));
  if (name == "Right") return Side::right;
  if (name == "Left") return Side::left;
  return corrupt("key 'direction': expected Left or Right, found '{}'", name);
}

Result<InputTruncation::Strategy> read_strategy(const Json& section) {
  VB_TRY(const std::string name, fields::string(section, "strategy"));
  if (name == "LongestFirst") return InputTruncation::Strategy::longest_first;
  if (name == "OnlyFirst") return InputTruncation::Strategy::only_first;
  if (name == "OnlySecond") return InputTruncation::Strategy::only_second;
  return corrupt("key 'strategy': expected LongestFirst, OnlyFirst or OnlySecond, found '{}'", name);
}

Result<InputTruncation> read_truncation_section(const Json& section) {
  InputTruncation out;
  VB_TRY(const std::int64_t most, fields::integer(section, "max_length", 0, kMostTokens));
  VB_TRY(const std::int64_t stride, fields::integer(section, "stride", 0, kMostTokens));
  if (stride > 0 && stride >= most) return corrupt("key 'stride': {} of {} tokens leaves a window nothing new", stride, most);
  out.max_length = static_cast<std::size_t>(most);
  out.stride = static_cast<std::size_t>(stride);
  VB_TRY(out.strategy, read_strategy(section));
  VB_TRY(out.side, read_side(section));
  return out;
}

/// "BatchLongest", or {"Fixed": length}.
Result<std::optional<std::size_t>> read_length(const Json& section) {
  const Json* const strategy = section.find("strategy");
  if (strategy && *strategy == Json("BatchLongest")) return std::nullopt;
  if (!strategy || !strategy->is_object()) return corrupt("key 'strategy': expected BatchLongest or {{\"Fixed\": length}}");
  VB_TRY(const std::int64_t length, fields::integer(*strategy, "Fixed", 0, kMostPadded));
  return static_cast<std::size_t>(length);
}

Result<InputPadding> read_padding_section(const Json& section) {
  constexpr std::int64_t kMostId = std::numeric_limits<std::int32_t>::max();
  InputPadding out;
  VB_TRY(out.length, read_length(section));
  VB_TRY(out.side, read_side(section));
  VB_TRY(const std::int64_t id, fields::integer(section, "pad_id", 0, kMostId));
  VB_TRY(const std::int64_t type, fields::integer(section, "pad_type_id", 0, kMostId));
  VB_TRY(out.token.text, fields::string(section, "pad_token"));
  if (fields::present(section, "pad_to_multiple_of")) {
    VB_TRY(const std::int64_t multiple, fields::integer(section, "pad_to_multiple_of", 0, kMostPadded));
    out.multiple_of = static_cast<std::size_t>(std::max<std::int64_t>(multiple, 1));
  }
  out.token.id = static_cast<std::int32_t>(id);
  out.type_id = static_cast<std::int32_t>(type);
  return out;
}

}  // namespace

InputRules rules_around(const std::vector<AddedAround>& before, const std::vector<AddedAround>& after) {
  InputRules out;
  const auto put = [&](Frame& frame, FramePart::Kind text, std::int32_t type_id) {
    for (const AddedAround& token : before) frame.push_back({FramePart::Kind::token, token, type_id});
    frame.push_back({text, {}, type_id});
    for (const AddedAround& token : after) frame.push_back({FramePart::Kind::token, token, type_id});
  };
  put(out.single, FramePart::Kind::first, 0);
  put(out.pair, FramePart::Kind::first, 0);
  put(out.pair, FramePart::Kind::second, 1);
  return out;
}

Result<std::optional<InputTruncation>> read_truncation(const Json& document) {
  const Json* const section = fields::present(document, "truncation");
  if (!section) return std::nullopt;
  VB_TRY(const InputTruncation out, read_truncation_section(*section), "in section 'truncation'");
  return out;
}

Result<std::optional<InputPadding>> read_padding(const Json& document) {
  const Json* const section = fields::present(document, "padding");
  if (!section) return std::nullopt;
  VB_TRY(InputPadding out, read_padding_section(*section), "in section 'padding'");
  return out;
}

}  // namespace vauban
