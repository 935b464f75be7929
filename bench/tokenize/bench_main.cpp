// tokenize_bench text OUT_FILE MEGABYTES FILE...         writes the mixed text, documents divided by NUL bytes
// tokenize_bench encode TOKENIZER TEXT REPETITIONS       encodes it on one thread; prints one line of JSON
#include <algorithm>
#include <ctime>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "base/sha256.h"
#include "base/strings.h"
#include "text/tokenizer.h"
#include "tokenize/mixed_text.h"

namespace {

using namespace vauban;

/// Processor time: one thread does all the work, and other programs of the machine do not count.
double cpu_seconds() { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }

std::string read_whole(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

int write_text(const std::vector<std::string>& arguments) {
  std::vector<std::string> english;
  for (std::size_t i = 4; i < arguments.size(); ++i) english.push_back(read_whole(arguments[i]));
  const auto megabytes = static_cast<std::size_t>(parse_int(arguments[3]).value_or(0));
  std::ofstream out(arguments[2], std::ios::binary);
  for (const std::string& document : bench::mixed_text(english, megabytes * 1'000'000, 4096)) out << document << '\0';
  return out.good() ? 0 : 1;
}

int encode(const std::vector<std::string>& arguments) {
  const std::string& path = arguments[2];
  const std::string file = read_whole(path), all = read_whole(arguments[3]);
  const double began = cpu_seconds();
  const auto tokenizer = path.ends_with(".json") ? load_tokenizer_json(file) : load_sentencepiece(file);
  if (!tokenizer) {
    std::fprintf(stderr, "%s\n", describe(tokenizer.error()).c_str());
    return 1;
  }
  const double load_s = cpu_seconds() - began;
  std::vector<double> times;
  std::size_t tokens = 0;
  std::string digest;
  for (std::int64_t repetition = parse_int(arguments[4]).value_or(1); repetition > 0; --repetition) {
    tokens = 0;
    Sha256 hash;
    double taken = 0;
    for (const std::string_view document : split(all, '\0')) {
      if (document.empty()) continue;
      const double start = cpu_seconds();
      const auto got = (*tokenizer)->encode(document, {.add_special = false, .parse_special = true});
      taken += cpu_seconds() - start;
      if (!got) {
        std::fprintf(stderr, "%s\n", describe(got.error()).c_str());
        return 1;
      }
      tokens += got->ids.size();
      hash.update(std::string_view(reinterpret_cast<const char*>(got->ids.data()), got->ids.size() * sizeof(std::int32_t)));
    }
    times.push_back(taken);
    digest = hash.finish_hex();
  }
  std::sort(times.begin(), times.end());
  const double median = times[times.size() / 2];
  std::printf("{\"who\":\"vauban\",\"MB_per_s\":%.2f,\"best\":%.2f,\"tokens\":%zu,\"load_s\":%.2f,\"sha256_of_ids\":\"%s\"}\n",
              static_cast<double>(all.size()) / 1e6 / median, static_cast<double>(all.size()) / 1e6 / times.front(), tokens,
              load_s, digest.c_str());
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> arguments(argv, argv + argc);
  if (arguments.size() >= 5 && arguments[1] == "text") return write_text(arguments);
  if (arguments.size() == 5 && arguments[1] == "encode") return encode(arguments);
  std::fprintf(stderr, "usage: %s text OUT_FILE MEGABYTES FILE... | encode TOKENIZER TEXT REPETITIONS\n", argv[0]);
  return 2;
}
