#include "text/training/word_counts.h"

#include <algorithm>
#include <mutex>

#include "base/files.h"
#include "base/json.h"
#include "base/strings.h"
#include "text/unicode.h"

namespace vauban {
namespace {

constexpr std::string_view kTask = "count words";

/// Part of a file that can be counted on its own.
struct Block {
  std::size_t file = 0, begin = 0, size = 0;
};

struct CorpusFile {
  std::string name;
  std::shared_ptr<const MappedFile> map;
  bool jsonl = false;

  std::string_view text() const {
    const auto bytes = map->bytes();
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }
};

Result<std::vector<CorpusFile>> open_files(const CorpusOptions& corpus) {
  std::vector<CorpusFile> files;
  for (const std::filesystem::path& path : corpus.files) {
    VB_TRY(auto map, MappedFile::open(path));
    files.push_back({path.string(), std::move(map), path.extension() == ".jsonl"});
  }
  return files;
}

std::size_t block_size(std::string_view rest, const CorpusFile& file, const WordRule& rule, std::size_t wanted) {
  for (std::size_t size = std::max<std::size_t>(wanted, 1); size < rest.size(); size *= 2) {
    const std::string_view block = rest.substr(0, size);
    const std::size_t cut = file.jsonl ? block.rfind('\n') + 1 : rule.last_cut(block);  // npos + 1 is 0
    if (cut > 0) return cut;
  }
  return rest.size();
}

class Counter {
 public:
  Counter(const CorpusOptions& corpus, const WordRule& rule, const Context& context, std::vector<CorpusFile> files)
      : corpus_(corpus), rule_(rule), context_(context), files_(std::move(files)) {}

  Result<CorpusWords> run() {
    CorpusWords out;
    for (const CorpusFile& file : files_) out.bytes += file.text().size();
    for (std::size_t i = 0; i < files_.size(); ++i) VB_CHECK(count_file(i, out.bytes), "in {}", files_[i].name);
    context_.progress.finish(kTask);
    out.words = words_.sorted();
    return out;
  }

 private:
  Result<void> count_file(std::size_t index, std::uint64_t total) {
    const std::string_view text = files_[index].text();
    const std::size_t batch = 8 * static_cast<std::size_t>(context_.pool.size());
    std::vector<Block> blocks;
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t size = block_size(text.substr(at), files_[index], rule_, corpus_.block_bytes);
      blocks.push_back({index, at, size});
      at += size;
      if (blocks.size() < batch && at < text.size()) continue;
      VB_CHECK(count_blocks(blocks));
      for (const Block& block : blocks) done_ += block.size;
      blocks.clear();
      context_.progress.update(kTask, done_, total, "bytes");
      VB_CHECK(context_.cancel.check());
    }
    return ok();
  }

  Result<void> count_blocks(const std::vector<Block>& blocks) {
    std::vector<Result<void>> results(blocks.size());
    context_.pool.parallel_for(blocks.size(), 1, [&](std::size_t begin, std::size_t end) {
      for (std::size_t i = begin; i < end; ++i) {
        WordTable table;
        results[i] = count_block(blocks[i], table);
        const std::lock_guard lock(mutex_);
        words_.add(table);
      }
    });
    for (Result<void>& result : results)
      if (!result) return std::move(result);
    return ok();
  }

  Result<void> count_block(const Block& block, WordTable& table) const {
    const CorpusFile& file = files_[block.file];
    const std::string_view text = file.text().substr(block.begin, block.size);
    if (const auto bad = first_invalid_utf8(text))
      return with_hint(invalid_input("expected UTF-8, byte {} is not", block.begin + *bad),
                       "convert the file, or drop its broken lines, before training");
    return file.jsonl ? count_lines(block, text, table) : rule_.cut(text, table);
  }

  Result<void> count_lines(const Block& block, std::string_view text, WordTable& table) const {
    std::size_t at = block.begin;
    for (const std::string_view line : split(text, '\n')) {
      if (!trim(line).empty()) VB_CHECK(count_row(line, table), "in the line at byte {}", at);
      at += line.size() + 1;
    }
    return ok();
  }

  /// A string is one text; of a conversation (a list of messages) each message's content is one.
  Result<void> count_row(std::string_view line, WordTable& table) const {
    VB_TRY(const Json row, Json::parse(line));
    const Json* text = row.find(corpus_.jsonl_field);
    if (text && text->is_array()) {
      for (const Json& message : text->items()) VB_CHECK(count_text(message.find("content"), "content", table));
      return ok();
    }
    return count_text(text, corpus_.jsonl_field, table);
  }

  Result<void> count_text(const Json* text, std::string_view field, WordTable& table) const {
    if (!text || !text->is_string())
      return invalid_input("expected a string '{}', found {}", field, text ? text->type_name() : "nothing");
    return rule_.cut(text->as_string(), table);
  }

  const CorpusOptions& corpus_;
  const WordRule& rule_;
  const Context& context_;
  std::vector<CorpusFile> files_;
  std::mutex mutex_;
  WordTable words_;
  std::uint64_t done_ = 0;
};

}  // namespace

void WordTable::add(std::string_view word, std::uint64_t count) {
  const auto found = counts_.find(word);
  if (found == counts_.end())
    counts_.emplace(word, count);
  else
    found->second += count;
}

void WordTable::add(const WordTable& other) {
  for (const auto& [word, count] : other.counts_) add(word, count);
}

std::vector<WordCount> WordTable::sorted() const {
  std::vector<WordCount> out;
  out.reserve(counts_.size());
  for (const auto& [word, count] : counts_) out.push_back({word, count});
  std::sort(out.begin(), out.end(), [](const WordCount& a, const WordCount& b) { return a.word < b.word; });
  return out;
}

Result<CorpusWords> count_words(const CorpusOptions& corpus, const WordRule& rule, const Context& context) {
  if (corpus.files.empty()) return invalid_input("expected at least one file of text");
  VB_TRY(std::vector<CorpusFile> files, open_files(corpus));
  return Counter(corpus, rule, context, std::move(files)).run();
}

}  // namespace vauban
