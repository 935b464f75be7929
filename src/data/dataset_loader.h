/// DatasetLoader: the steps of Dataset::load. Private to the data layer.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "base/files.h"
#include "data/dataset.h"
#include "data/records/raw_records.h"
#include "data/records/record.h"
#include "data/tokenize.h"

namespace vauban {

/// A file, cut into records. `format` is nullptr for plain text.
struct SourceFile {
  std::filesystem::path path;
  std::shared_ptr<const MappedFile> bytes;
  std::string plain;  ///< the records of plain text point into it
  const RecordFormat* format = nullptr;
  std::vector<RawRecord> records;
};

class DatasetLoader {
 public:
  DatasetLoader(const DatasetOptions& options, const Tokenizer& tokenizer, const ChatTemplate* chat_template,
                const Context& context)
      : options_(options), tokenizer_(tokenizer), chat_template_(chat_template), context_(context) {}

  Result<Dataset> load(std::span<const std::filesystem::path> files);

 private:
  struct Done {
    TokenizedRecord record;
    std::vector<std::string> unused_keys;
  };

  Result<void> prepare();
  Result<void> open(const std::filesystem::path& path);
  Result<const RecordFormat*> format_of(const SourceFile& file) const;
  Result<std::vector<Done>> tokenize_all() const;
  Result<Done> read(const SourceFile& file, const RawRecord& raw) const;
  Result<std::string> digest() const;

  const DatasetOptions& options_;
  const Tokenizer& tokenizer_;
  const ChatTemplate* chat_template_;
  const Context& context_;
  RecordContext record_context_;
  TokenizeOptions tokenize_options_;
  std::vector<std::unique_ptr<SourceFile>> files_;
  std::vector<std::pair<const SourceFile*, const RawRecord*>> records_;  ///< of all files, in order
};

}  // namespace vauban
