/// make_tiny_model OUT_DIR [--perturb X] [--seed N]: writes the tiny test model, or a changed copy of it.
#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

#include "base/strings.h"
#include "support/tiny_model.h"

namespace {

using namespace vauban;

struct Arguments {
  std::string folder;
  test::TinyModelOptions options;
};

Result<Arguments> parse(const std::vector<std::string_view>& words) {
  Arguments out;
  for (std::size_t i = 0; i < words.size(); ++i) {
    const bool is_option = words[i] == "--perturb" || words[i] == "--seed";
    if (is_option && i + 1 == words.size()) return invalid_input("{} needs a value", words[i]);
    if (words[i] == "--perturb") {
      VB_TRY(out.options.perturb, parse_double(words[++i]), "in option --perturb");
    } else if (words[i] == "--seed") {
      VB_TRY(const std::int64_t seed, parse_int(words[++i]), "in option --seed");
      out.options.seed = static_cast<std::uint64_t>(seed);
    } else if (words[i].starts_with("-") || !out.folder.empty()) {
      return invalid_input("unexpected argument '{}'", words[i]);
    } else {
      out.folder = words[i];
    }
  }
  if (out.folder.empty()) return invalid_input("expected the folder to write");
  return out;
}

}  // namespace

int main(int argc, char** argv) {
  const Result<Arguments> arguments = parse({argv + 1, argv + argc});
  if (!arguments) {
    std::fprintf(stderr, "%s\nusage: make_tiny_model OUT_DIR [--perturb X] [--seed N]\n",
                 describe(arguments.error()).c_str());
    return 2;
  }
  const Result<void> written = test::write_tiny_model(arguments->folder, arguments->options);
  if (!written) {
    std::fprintf(stderr, "%s\n", describe(written.error()).c_str());
    return 3;
  }
  return 0;
}
