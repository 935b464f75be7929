#include "text/inputs/encode_inputs.h"

#include <algorithm>

#include "text/inputs/window.h"

namespace vauban {
namespace {

/// Bounds on what overlapping windows may repeat.
constexpr std::size_t kMostWindowTokens = std::size_t{1} << 22, kMostWindows = std::size_t{1} << 16;

std::size_t tokens_in(const Frame& frame) {
  return static_cast<std::size_t>(
      std::count_if(frame.begin(), frame.end(), [](const FramePart& part) { return part.kind == FramePart::Kind::token; }));
}

bool holds(const Frame& frame, FramePart::Kind kind) {
  return std::any_of(frame.begin(), frame.end(), [&](const FramePart& part) { return part.kind == kind; });
}

/// Writes one window.
class Writer {
 public:
  Writer(const Tokenizer& tokenizer, bool add_special) : tokenizer_(tokenizer), add_special_(add_special) {}

  ModelInput write(const Frame& frame, const Encoding& first, const Encoding* second) {
    out_ = {};
    for (std::size_t i = 0; i < frame.size(); ++i) {
      const FramePart& part = frame[i];
      const auto text = [&](const FramePart& of) { return of.kind == FramePart::Kind::first ? &first : second; };
      if (part.kind == FramePart::Kind::token) {
        const bool before_text = i + 1 < frame.size() && frame[i + 1].kind != FramePart::Kind::token;
        if (add_special_ && !(before_text && is_second_bos(part.token, *text(frame[i + 1])))) put(part);
        continue;
      }
      put(*text(part), part.kind == FramePart::Kind::first ? 0 : 1, part.type_id);
    }
    return std::move(out_);
  }

 private:
  /// The rule of special_tokens.h: never two.
  bool is_second_bos(const AddedAround& token, const Encoding& text) const {
    return tokenizer_.bos() == token.id && !text.ids.empty() && text.ids.front() == token.id;
  }

  void put(const FramePart& part) {
    out_.tokens.ids.push_back(part.token.id);
    out_.tokens.pieces.push_back(part.token.text);
    out_.tokens.offsets.push_back({0, 0});
    out_.type_ids.push_back(part.type_id);
    out_.sequences.push_back(-1);
    out_.attended.push_back(true);
  }

  void put(const Encoding& text, std::int8_t sequence, std::int32_t type_id) {
    const std::size_t count = text.ids.size();
    out_.tokens.ids.insert(out_.tokens.ids.end(), text.ids.begin(), text.ids.end());
    out_.tokens.pieces.insert(out_.tokens.pieces.end(), text.pieces.begin(), text.pieces.end());
    out_.tokens.offsets.insert(out_.tokens.offsets.end(), text.offsets.begin(), text.offsets.end());
    out_.type_ids.insert(out_.type_ids.end(), count, type_id);
    out_.sequences.insert(out_.sequences.end(), count, sequence);
    out_.attended.insert(out_.attended.end(), count, true);
  }

  const Tokenizer& tokenizer_;
  bool add_special_;
  ModelInput out_;
};

/// Both texts of an input, each as its windows.
struct Windows {
  std::vector<Encoding> first, second;  ///< second: empty without a second text
};

Result<Windows> cut(Encoding first, std::optional<Encoding> second, const InputRules& rules, std::size_t added) {
  Windows out;
  if (!rules.truncation) {
    out.first.push_back(std::move(first));
    if (second) out.second.push_back(*std::move(second));
    return out;
  }
  const InputTruncation& rule = *rules.truncation;
  if (rule.max_length < added || (rule.stride > 0 && rule.stride >= rule.max_length - added))
    return invalid_input("truncation to {} tokens with a stride of {} leaves no room beside the {} tokens that are added",
                         rule.max_length, rule.stride, added);
  const auto length = second ? std::optional(second->ids.size()) : std::nullopt;
  VB_TRY(const KeptTokens kept, kept_tokens(first.ids.size(), length, rule.max_length - added, rule.strategy));
  const auto windows = [&](const Encoding& text, std::size_t most) -> Result<std::vector<Encoding>> {
    if (most > 0 && most < text.ids.size() && rule.stride >= most)
      return invalid_input("truncation: a stride of {} leaves windows of {} tokens nothing new", rule.stride, most);
    if (text.ids.size() > most && most > 0 && (text.ids.size() - most) / (most - rule.stride) > kMostWindowTokens / most)
      return with_hint(invalid_input("truncation: windows of {} tokens with a stride of {} repeat a text of {} tokens too often", most,
                                     rule.stride, text.ids.size()),
                       "a smaller stride");
    return windows_of(text, most, rule.stride, rule.side);
  };
  VB_TRY(out.first, windows(first, kept.first));
  if (second) {
    VB_TRY(out.second, windows(*second, kept.second));
  }
  return out;
}

Result<EncodedInput> encode_input(const Tokenizer& tokenizer, const TextInput& input, const InputRules& rules,
                                  const EncodeOptions& options) {
  const Frame& frame = input.pair ? rules.pair : rules.single;
  if (!holds(frame, FramePart::Kind::first) || (input.pair && !holds(frame, FramePart::Kind::second)))
    return unsupported("a post-processor whose template leaves out a text");
  const EncodeOptions bare{.add_special = false, .parse_special = options.parse_special, .finished = false};
  VB_TRY(Encoding first, tokenizer.encode(input.text, bare));
  std::optional<Encoding> second;
  if (input.pair) {
    VB_TRY(second, tokenizer.encode(*input.pair, bare));
  }
  VB_TRY(Windows windows, cut(std::move(first), std::move(second), rules, options.add_special ? tokens_in(frame) : 0));
  for (Encoding& window : windows.first) tokenizer.finish(window, input.text);
  for (Encoding& window : windows.second) tokenizer.finish(window, *input.pair);

  Writer writer(tokenizer, options.add_special);
  EncodedInput out;
  const std::size_t across = std::max<std::size_t>(windows.second.size(), 1);
  if (windows.first.size() * across > kMostWindows)
    return with_hint(invalid_input("truncation: {} windows of the first text and {} of the second make too many together",
                                   windows.first.size(), windows.second.size()),
                     "a smaller stride, or a greater max_length");
  const auto window = [&](std::size_t a, std::size_t b) {
    return writer.write(frame, windows.first[a], windows.second.empty() ? nullptr : &windows.second[b]);
  };
  out.input = window(0, 0);
  for (std::size_t a = 1; a < windows.first.size(); ++a)
    for (std::size_t b = 0; b < across; ++b) out.overflowing.push_back(window(a, b));
  for (std::size_t b = 1; b < across; ++b) out.overflowing.push_back(window(0, b));
  return out;
}

void pad(ModelInput& input, std::size_t length, const InputPadding& rule) {
  const std::size_t count = input.tokens.ids.size();
  if (count >= length) return;
  const auto fill = [&](auto& list, const auto& value) {
    list.insert(rule.side == Side::left ? list.begin() : list.end(), length - count, value);
  };
  fill(input.tokens.ids, rule.token.id);
  fill(input.tokens.pieces, rule.token.text);
  fill(input.tokens.offsets, TokenSpan{});
  fill(input.type_ids, rule.type_id);
  fill(input.sequences, std::int8_t{-1});
  fill(input.attended, false);
}

void pad_all(std::vector<EncodedInput>& inputs, const InputPadding& rule) {
  std::size_t length = rule.length.value_or(0);
  if (!rule.length)
    for (const EncodedInput& input : inputs) length = std::max(length, input.input.tokens.ids.size());
  length = (length + rule.multiple_of - 1) / rule.multiple_of * rule.multiple_of;
  for (EncodedInput& input : inputs) {
    pad(input.input, length, rule);
    for (ModelInput& window : input.overflowing) pad(window, length, rule);
  }
}

}  // namespace

Result<std::vector<EncodedInput>> encode_inputs(const Tokenizer& tokenizer, std::span<const TextInput> inputs,
                                                const InputRules& rules, const EncodeOptions& options) {
  std::vector<EncodedInput> out;
  for (const TextInput& input : inputs) {
    VB_TRY(EncodedInput encoded, encode_input(tokenizer, input, rules, options), "in input {}", out.size());
    out.push_back(std::move(encoded));
  }
  if (rules.padding) pad_all(out, *rules.padding);
  return out;
}

}  // namespace vauban
