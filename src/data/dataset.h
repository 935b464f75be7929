/// Dataset: the examples of data files, tokenised and in the order of the files. Immutable after load().
///
/// Files: JSONL records (data/records/record.h lists the formats) and plain text. With format "auto", .txt, .text and .md
/// are plain text, and .jsonl, .ndjson and .json are JSONL of the kind that their first record shows.
/// Nothing is skipped: the first bad record in the order of the files is an error with its file and line.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/context.h"
#include "base/json.h"
#include "data/dataset_options.h"
#include "data/example.h"
#include "text/chat_template.h"
#include "text/tokenizer.h"

namespace vauban {

struct DatasetCounts {
  std::int64_t records = 0;    ///< lines, or documents of plain text
  std::int64_t examples = 0;   ///< more than records where texts were split
  std::int64_t truncated = 0;  ///< examples that lost their tail to max_length
  std::int64_t dropped = 0;    ///< examples left out because no target was left
  std::int64_t tokens = 0, target_tokens = 0;       ///< of the examples that were kept
  std::map<std::string, std::int64_t> unused_keys;  ///< keys of records that the format does not read, and how often
};
Json to_json(const DatasetCounts& counts);

/// Which part is kept from training. Exactly one of the two.
struct HeldOut {
  std::optional<double> fraction;      ///< of the records, above 0 and below 1; rounded, at least one
  std::optional<std::int64_t> count;   ///< records, at least 1
  std::uint64_t seed = 0;
};

struct DatasetSplit;

class Dataset {
 public:
  /// `chat_template` may be nullptr: formats that need one then refuse. The pool tokenises; the result does not depend on
  /// its size. Errors: invalid_input (bad record, options that do not fit, a file or data set without a record), those of
  /// opening a file, corrupt for bad JSON, cancelled.
  static Result<Dataset> load(std::span<const std::filesystem::path> files, const DatasetOptions& options,
                              const Tokenizer& tokenizer, const ChatTemplate* chat_template, const Context& context);

  const std::vector<Example>& examples() const { return examples_; }
  std::vector<std::int64_t> lengths() const;  ///< ids of each example
  /// Of a part of a split: records, examples and tokens of that part; the rest stays with the whole.
  const DatasetCounts& counts() const { return counts_; }
  /// SHA-256 over the bytes of the files, the options, the tokenizer and the template; of a part also over the split.
  /// Where the files lie does not matter. A checkpoint keeps it, to refuse to resume on other data.
  const std::string& digest() const { return digest_; }

  /// The same records for the same data, seed and share, each part in the order of the files. Examples of one record stay
  /// together, so no half of a document is evaluated that was trained on. Leaves this data set empty.
  /// Errors: invalid_input when a part would be empty (this is then unchanged).
  Result<DatasetSplit> split(const HeldOut& held_out) &&;

 private:
  friend class DatasetLoader;
  void add(Example example, std::int64_t record);  ///< records in ascending order
  std::vector<Example> examples_;
  std::vector<std::int64_t> record_of_;  ///< beside examples_, ascending
  std::int64_t learnable_records_ = 0;   ///< records that have examples
  DatasetCounts counts_;
  std::string digest_;
};

struct DatasetSplit {
  Dataset train, held_out;
};

}  // namespace vauban
