/// Counting the words of a training text: the only thing that training keeps of it.
///
/// Files are mapped and read in blocks, so a text may be larger than memory; the words and their counts may not. Blocks
/// are counted in parallel and joined by addition: threads and block size never change the result.
/// A file `*.jsonl` holds one {"text": ...} a line, each a text of its own (or {"messages": [{"content": ...}, ...]}, each
/// message one); any other file is one text.
/// Errors: not_found, io; invalid_input, with the byte offset, for a file that is not UTF-8, and, with the line, for a
/// line without the field. Nothing is skipped or repaired. cancelled.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/context.h"
#include "base/result.h"

namespace vauban {

struct WordCount {
  std::string word;
  std::uint64_t count = 0;
  friend bool operator==(const WordCount&, const WordCount&) = default;
};

class WordTable {
 public:
  void add(std::string_view word, std::uint64_t count = 1);
  void add(const WordTable& other);
  /// In the order of their bytes.
  std::vector<WordCount> sorted() const;

 private:
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
  };
  std::unordered_map<std::string, std::uint64_t, Hash, std::equal_to<>> counts_;
};

/// How a text falls into words. Immutable, shared between threads.
class WordRule {
 public:
  virtual ~WordRule() = default;
  /// `text`: valid UTF-8. Errors: resource for a regular expression that backtracks too much.
  virtual Result<void> cut(std::string_view text, WordTable& out) const = 0;
  /// The last position where `block`, the beginning of a longer text, can be cut without changing any word; 0: none.
  virtual std::size_t last_cut(std::string_view block) const = 0;
};

struct CorpusOptions {
  std::vector<std::filesystem::path> files;
  std::string jsonl_field = "text";
  std::size_t block_bytes = std::size_t{1} << 18;  ///< doubled where a text gives no place to cut
};

struct CorpusWords {
  std::vector<WordCount> words;
  std::uint64_t bytes = 0;  ///< of the files
};

Result<CorpusWords> count_words(const CorpusOptions& corpus, const WordRule& rule, const Context& context);

}  // namespace vauban
