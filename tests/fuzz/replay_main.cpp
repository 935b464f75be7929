// Runs a fuzz target over a corpus and over seeded mutations of it, where libFuzzer is not at hand.
//
//   fuzz_NAME [--mutations N] [--seed S] FILE_OR_FOLDER ...
//
// Exit 0 when every input returned. A fault, or an input that takes over a minute, exits 1, says which input it was and
// leaves it as crash-fuzz_NAME in the working folder.
#include <algorithm>
#include <array>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <unistd.h>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);
extern "C" __attribute__((weak)) void __sanitizer_set_death_callback(void (*callback)());  // present under ASan, UBSan

namespace {

namespace fs = std::filesystem;

constexpr std::size_t kLargestMutant = 1 << 16;
constexpr unsigned kSecondsPerInput = 60;

struct Options {
  std::uint64_t mutations = 200, seed = 1;
  std::vector<fs::path> paths;
};

struct Seed {
  std::string name, bytes;
};

/// What the fault handler may touch: plain memory that is filled before each input.
struct Current {
  std::array<char, 1024> label{}, crash_file{};
  const char* data = nullptr;
  std::size_t size = 0;
} current;

void put(int fd, const char* text, std::size_t size) {
  while (size > 0) {
    const ssize_t written = write(fd, text, size);
    if (written <= 0) return;
    text += written;
    size -= static_cast<std::size_t>(written);
  }
}

/// Async-signal-safe.
void report_fault() {
  constexpr std::array<char, 17> kPrefix = {"FAULT in input: "};
  put(STDERR_FILENO, kPrefix.data(), kPrefix.size() - 1);
  put(STDERR_FILENO, current.label.data(), std::strlen(current.label.data()));
  put(STDERR_FILENO, "\n", 1);
  const int fd = open(current.crash_file.data(), O_WRONLY | O_CREAT | O_TRUNC, 0644);
  if (fd < 0) return;
  put(fd, current.data, current.size);
  close(fd);
}

void on_signal(int) {
  report_fault();
  _exit(1);
}

void install_handlers(const char* program) {
  std::snprintf(current.crash_file.data(), current.crash_file.size(), "crash-%s", fs::path(program).filename().c_str());
  std::signal(SIGALRM, on_signal);
  if (__sanitizer_set_death_callback != nullptr) {
    __sanitizer_set_death_callback(report_fault);
    std::signal(SIGABRT, on_signal);
    return;
  }
  for (const int signal : {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL}) std::signal(signal, on_signal);
}

void run(const std::string& name, std::uint64_t mutation, const std::string& bytes) {
  std::snprintf(current.label.data(), current.label.size(), "%s, mutation %llu", name.c_str(),
                static_cast<unsigned long long>(mutation));
  // A copy of exactly this size, so that a sanitizer sees a read past its end.
  const std::vector<std::uint8_t> exact(bytes.begin(), bytes.end());
  current.data = bytes.data();
  current.size = bytes.size();
  alarm(kSecondsPerInput);
  LLVMFuzzerTestOneInput(exact.data(), exact.size());
  alarm(0);
}

std::size_t below(std::mt19937_64& random, std::size_t bound) {
  return bound == 0 ? 0 : static_cast<std::size_t>(random() % bound);
}

void overwrite_number(std::string& bytes, std::mt19937_64& random) {
  const std::uint64_t edges[] = {
      0, 1, 0xff, 0xffff, 0x7fffffff, 0xffffffff, std::uint64_t{1} << 62, ~std::uint64_t{0}, random() % 64};
  const std::uint64_t value = edges[below(random, std::size(edges))];
  const std::size_t width = std::size_t{1} << below(random, 4), at = below(random, bytes.size());
  for (std::size_t i = 0; i < width && at + i < bytes.size(); ++i)
    bytes[at + i] = static_cast<char>(value >> (8 * i) & 0xff);
}

void mutate_once(std::string& bytes, const std::vector<Seed>& seeds, std::mt19937_64& random) {
  const std::size_t at = below(random, bytes.size());
  switch (below(random, 6)) {
    case 0:
      if (!bytes.empty()) bytes[at] = static_cast<char>(bytes[at] ^ 1 << below(random, 8));
      return;
    case 1:
      if (!bytes.empty()) bytes[at] = static_cast<char>(random());
      return;
    case 2:
      return overwrite_number(bytes, random);
    case 3:
      bytes.erase(at, 1 + below(random, 16));
      return;
    case 4:
      bytes.insert(at, bytes.substr(below(random, bytes.size()), 1 + below(random, 32)));
      return;
    default: {
      const std::string& other = seeds[below(random, seeds.size())].bytes;
      bytes = bytes.substr(0, at) + other.substr(std::min(other.size(), below(random, other.size() + 1)));
    }
  }
}

std::string mutant(const Seed& seed, const std::vector<Seed>& seeds, std::mt19937_64& random) {
  std::string bytes = seed.bytes;
  for (std::size_t n = 1 + below(random, 4); n > 0; --n) mutate_once(bytes, seeds, random);
  bytes.resize(std::min(bytes.size(), kLargestMutant));
  return bytes;
}

Seed read_seed(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {path.string(), {std::istreambuf_iterator<char>(in), {}}};
}

/// Files as they are, folders one level deep; sorted, so that a seed means the same mutations everywhere.
std::vector<Seed> read_seeds(const std::vector<fs::path>& paths) {
  std::vector<fs::path> files;
  for (const fs::path& path : paths) {
    if (!fs::is_directory(path)) {
      if (fs::is_regular_file(path)) files.push_back(path);
      continue;
    }
    for (const auto& entry : fs::directory_iterator(path))
      if (entry.is_regular_file()) files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  std::vector<Seed> seeds;
  for (const fs::path& file : files) seeds.push_back(read_seed(file));
  return seeds;
}

Options parse(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    if (word == "--mutations" && i + 1 < argc)
      options.mutations = std::strtoull(argv[++i], nullptr, 10);
    else if (word == "--seed" && i + 1 < argc)
      options.seed = std::strtoull(argv[++i], nullptr, 10);
    else
      options.paths.emplace_back(word);
  }
  return options;
}

}  // namespace

int main(int argc, char** argv) {
  const Options options = parse(argc, argv);
  const std::vector<Seed> seeds = read_seeds(options.paths);
  if (seeds.empty()) {
    std::fprintf(stderr, "%s: no corpus file found\nusage: %s [--mutations N] [--seed S] FILE_OR_FOLDER ...\n", argv[0],
                 argv[0]);
    return 1;
  }
  install_handlers(argv[0]);
  for (const Seed& seed : seeds) run(seed.name, 0, seed.bytes);
  for (std::size_t i = 0; i < seeds.size(); ++i) {
    std::mt19937_64 random(options.seed * 1'000'003 + i);
    for (std::uint64_t n = 1; n <= options.mutations; ++n) run(seeds[i].name, n, mutant(seeds[i], seeds, random));
  }
  std::printf("%s: %zu corpus files, %llu mutations of each, seed %llu: no fault\n", argv[0], seeds.size(),
              static_cast<unsigned long long>(options.mutations), static_cast<unsigned long long>(options.seed));
  return 0;
}
