// Bytes as a configuration: TOML as such, a struct with every kind of field, and a suite file. What is read must survive
// being written down: the dump of a config reads back to an equal dump.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "base/config/dump.h"
#include "base/config/reader.h"
#include "base/config/toml.h"
#include "suite/suite.h"
#include "suite/suite_fields.h"

namespace vauban {
namespace {

struct Inner {
  std::string name;
  std::optional<std::int64_t> count;
  std::optional<double> share;
};
void fields(Inner& c, FieldVisitor& f) {
  f("name", c.name, {.help = "a word", .required = true, .aliases = {"id"}});
  f("count", c.count, {.help = "a number", .min = 0, .max = 10});
  f("share", c.share, {.help = "a part", .min = 0, .max = 1});
}

struct Everything {
  bool on = false;
  int small = 1;
  std::int64_t big = 0;
  std::uint64_t bits = 0;
  float real = 0;
  double ratio = 0;
  std::string word = "a", path;
  std::vector<std::string> words;
  std::vector<int> numbers;
  std::vector<double> ratios;
  std::vector<std::vector<double>> basis;
  std::map<std::string, std::string> pairs;
  Json any;
  Inner table;
  std::optional<Inner> maybe;
  std::vector<Inner> list;
};
void fields(Everything& c, FieldVisitor& f) {
  f("on", c.on, {.help = "a switch"});
  f("small", c.small, {.help = "a number", .min = -4, .max = 4});
  f("big", c.big, {.help = "a number"});
  f("bits", c.bits, {.help = "a number"});
  f("real", c.real, {.help = "a number"});
  f("ratio", c.ratio, {.help = "a number", .min = 0});
  f("word", c.word, {.help = "one of two", .choices = {"a", "b"}});
  f("path", c.path, {.help = "a file", .file = true});
  f("words", c.words, {.help = "words"});
  f("numbers", c.numbers, {.help = "numbers"});
  f("ratios", c.ratios, {.help = "numbers"});
  f("basis", c.basis, {.help = "rows"});
  f("pairs", c.pairs, {.help = "names and values"});
  f("any", c.any, {.help = "whatever"});
  f("table", c.table, {.help = "a table"});
  f("maybe", c.maybe, {.help = "a table, or none"});
  f("list", c.list, {.help = "tables"});
  f.ignored("old", "has no effect");
}

template <class C>
void read_and_write(std::string_view text) {
  const auto config = read_toml<C>(text, "fuzz.toml");
  if (!config) {
    if (describe(config.error()).empty()) std::abort();
    return;
  }
  const std::string dumped = to_toml(*config);
  const auto again = read_toml<C>(dumped, "fuzz.toml");
  if (!again || to_toml(*again) != dumped) std::abort();
}

void read_suite(std::string_view text) {
  const auto suite = parse_suite(text, "fuzz.toml");
  if (!suite) return;
  if (suite->prompts.empty()) std::abort();
  read_and_write<SuiteFile>(text);
  const auto stored = storable_suite(text, "fuzz.toml");
  if (!stored || !parse_suite(*stored, "fuzz.toml")) std::abort();
}

}  // namespace
}  // namespace vauban

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  (void)vauban::parse_toml(text, "fuzz.toml");
  vauban::read_and_write<vauban::Everything>(text);
  vauban::read_suite(text);
  return 0;
}
