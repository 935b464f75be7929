/// For the tests of training: the services it needs, and words from strings.
#pragma once

#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

#include "base/context.h"
#include "base/result.h"
#include "support/test_data.h"
#include "text/training/word_counts.h"

namespace vauban::test {

struct TrainingBench {
  explicit TrainingBench(int threads = 1) : pool(threads) {}
  ThreadPool pool;
  SilentProgress progress;
  CancelToken cancel;
  Context context{.pool = pool, .clock = system_clock(), .progress = progress, .cancel = cancel};
};

inline std::vector<WordCount> words_of(std::initializer_list<std::pair<const char*, std::uint64_t>> list) {
  WordTable table;
  for (const auto& [word, count] : list) table.add(word, count);
  return table.sorted();
}

inline void write_bytes(const std::filesystem::path& path, std::string_view bytes) {
  std::ofstream(path, std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

inline Result<CorpusWords> count_file(const std::filesystem::path& path, const WordRule& rule, int threads = 1,
                                      std::size_t block_bytes = std::size_t{1} << 18) {
  TrainingBench bench(threads);
  return count_words({.files = {path}, .block_bytes = block_bytes}, rule, bench.context);
}

}  // namespace vauban::test
