#include "transform/convert/tokenizer_probe.h"

#include <algorithm>

#include "base/strings.h"

namespace vauban {
namespace {

constexpr std::size_t kRun = 24;  ///< tokens per text made of the vocabulary
constexpr std::size_t kMaxTextsPerOrder = 4096, kTextsWanted = 1500;
constexpr std::uint32_t kOrders[] = {2654435761u, 2246822519u, 3266489917u, 668265263u, 374761393u, 1u, 40503u, 2891336453u};

std::string shown_ids(const std::vector<std::int32_t>& ids) {
  std::vector<std::string> parts;
  for (std::size_t i = 0; i < ids.size() && i < 24; ++i) parts.push_back(std::to_string(ids[i]));
  return join(parts, " ");
}

Result<std::string> difference_on(const Tokenizer& source, const Tokenizer& made, std::string_view text, bool parse_special = false) {
  const EncodeOptions plain{.add_special = true, .parse_special = parse_special};
  VB_TRY(const Encoding expected, source.encode(text, plain));
  VB_TRY(const Encoding found, made.encode(text, plain));
  if (expected.ids == found.ids) return std::string();
  return format("'{}' gives {} before and {} after", printable(text, 60), shown_ids(expected.ids), shown_ids(found.ids));
}

/// Ids of ordinary tokens, each once, in an order that `multiplier` scrambles.
std::vector<std::int32_t> ordinary_ids(const Tokenizer& tokenizer, std::uint32_t multiplier) {
  std::vector<std::int32_t> ids;
  for (std::int32_t id = 0; id < tokenizer.vocab_size(); ++id)
    if (tokenizer.piece(id) && !tokenizer.is_special(id)) ids.push_back(id);
  std::stable_sort(ids.begin(), ids.end(), [multiplier](std::int32_t a, std::int32_t b) {
    const auto scrambled = [multiplier](std::int32_t id) { return static_cast<std::uint32_t>(id) * multiplier; };
    return scrambled(a) < scrambled(b);
  });
  return ids;
}

/// Texts of `ids`, kRun at a time.
Result<std::string> difference_on_runs(const Tokenizer& source, const Tokenizer& made, std::span<const std::int32_t> ids) {
  const std::size_t runs = std::min(kMaxTextsPerOrder, (ids.size() + kRun - 1) / kRun);
  for (std::size_t run = 0; run < runs; ++run) {
    const std::size_t begin = run * kRun;
    VB_TRY(const std::string text, source.decode(ids.subspan(begin, std::min(kRun, ids.size() - begin))));
    VB_TRY(std::string difference, difference_on(source, made, text));
    if (!difference.empty()) return difference;
  }
  return std::string();
}

}  // namespace

const std::vector<std::string>& probe_texts() {
  static const std::vector<std::string> texts{
      "", " ", "  ", "   ", "\n", "\n\n", " \n", "\t", "\t\t x", "a", " a", "  a", "a ", "a  ", " a b  c   d",
      "Hello world", " Hello, World!", "hello  world \n\n again", "don't can't I'M WE'LL they've it's 'tis y'all'd",
      "x=1;y=22;z=333;w=4444;v=55555", "3.14159 1,000,000 0x1F 2^10", "007 1234567890123", "foo_bar fooBar FOO-BAR foo/bar",
      "if (a<b) { return a+b; } // end\r\n", "\r\nline\r\n\r\nline", "...!!!??? --- *** ###", "$5.00 + 10% = ~`^|",
      "caf\xC3\xA9 na\xC3\xAFve \xC3\x9C\x62\x65r stra\xC3\x9F\x65", "e\xCC\x81 combining", "\xCE\x95\xCE\xBB\xCE\xBB\xCE\xB7\xCE\xBD\xCE\xB9\xCE\xBA\xCE\xAC",
      "\xD0\x9F\xD1\x80\xD0\xB8\xD0\xB2\xD0\xB5\xD1\x82, \xD0\xBC\xD0\xB8\xD1\x80", "\xE4\xBD\xA0\xE5\xA5\xBD\xE4\xB8\x96\xE7\x95\x8C",
      "\xE3\x81\x93\xE3\x82\x93\xE3\x81\xAB\xE3\x81\xA1\xE3\x81\xAF", "\xD8\xA7\xD9\x84\xD8\xB3\xD9\x84\xD8\xA7\xD9\x85",
      "\xE0\xA4\xA8\xE0\xA4\xAE\xE0\xA4\xB8\xE0\xA5\x8D\xE0\xA4\xA4\xE0\xA5\x87", "\xF0\x9F\x98\x80\xF0\x9F\x91\xA9\xE2\x80\x8D\xF0\x9F\x92\xBB",
      "a\xC2\xA0\x62 \xE2\x80\x83wide", "\xE2\x96\x81under \xE2\x96\x81\xE2\x96\x81", "zero\xE2\x80\x8Bwidth", "\x01\x02\x7F",
      "\xEF\xBC\x91\xEF\xBC\x92 \xC2\xBD \xE2\x85\xA7", "one two three four five six seven eight nine ten",
      "Once upon a time, there was a little girl named Lily. She loved to play outside.\n\"Look!\" said Tim's mom."};
  return texts;
}

Result<std::string> first_difference(const Tokenizer& source, const Tokenizer& made) {
  for (const std::string& text : probe_texts()) {
    VB_TRY(const std::string difference, difference_on(source, made, text));
    if (!difference.empty()) return difference;
  }
  std::size_t texts = 0;
  for (const std::uint32_t multiplier : kOrders) {
    const std::vector<std::int32_t> ids = ordinary_ids(source, multiplier);
    VB_TRY(std::string difference, difference_on_runs(source, made, ids));
    if (!difference.empty()) return difference;
    texts += ids.size() / kRun;
    if (texts >= kTextsWanted) break;
  }
  return std::string();
}

Result<std::string> first_special_difference(const Tokenizer& source, const Tokenizer& made) {
  constexpr int kMostSpecials = 256;
  int asked = 0;
  for (std::int32_t id = 0; id < source.vocab_size() && asked < kMostSpecials; ++id) {
    if (!source.is_special(id)) continue;
    ++asked;
    VB_TRY(const std::string piece, source.piece(id));
    VB_TRY(std::string difference, difference_on(source, made, "a " + piece + " b" + piece, true));
    if (!difference.empty()) return difference;
  }
  return std::string();
}

}  // namespace vauban
