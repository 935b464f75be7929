#include "data/dataset_loader.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <mutex>

#include "base/sha256.h"
#include "base/strings.h"

namespace vauban {
namespace {

constexpr const char* kTask = "tokenising";
constexpr std::size_t kGrain = 16;             // records that one worker takes at a time
constexpr std::uint64_t kProgressEvery = 512;  // records

std::string_view as_text(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

std::string place(const SourceFile& file, const RawRecord& raw) {
  return format("at {}:{}", printable(file.path.string()), raw.line);
}

Result<Truncation> truncation_from(std::string_view word) {
  if (word == "truncate") return Truncation::keep_head;
  if (word == "error") return Truncation::error;
  if (word == "split") return Truncation::split;
  return invalid_input("expected truncation 'truncate', 'error' or 'split', found '{}'", printable(word));
}

/// "2026-01-31", the beginning of that day in UTC.
Result<std::chrono::system_clock::time_point> parse_date(std::string_view text) {
  const auto wrong = [&] { return invalid_input("expected a date as YYYY-MM-DD, found '{}'", printable(text, 40)); };
  if (text.size() != 10 || text[4] != '-' || text[7] != '-') return wrong();
  const std::array parts{text.substr(0, 4), text.substr(5, 2), text.substr(8)};
  std::array<std::int64_t, 3> numbers{};
  for (std::size_t i = 0; i < 3; ++i) {
    if (parts[i].find_first_not_of("0123456789") != std::string_view::npos) return wrong();
    const auto number = parse_int(parts[i]);
    if (!number) return wrong();
    numbers[i] = *number;
  }
  const std::chrono::year_month_day date{std::chrono::year(static_cast<int>(numbers[0])),
                                         std::chrono::month(static_cast<unsigned>(numbers[1])),
                                         std::chrono::day(static_cast<unsigned>(numbers[2]))};
  if (!date.ok()) return wrong();
  return std::chrono::system_clock::time_point(std::chrono::sys_days(date));
}

Result<std::string> piece_or_empty(const Tokenizer& tokenizer, std::optional<std::int32_t> id) {
  if (!id) return std::string();
  return tokenizer.piece(*id);
}

bool ends_in(const std::filesystem::path& path, std::initializer_list<std::string_view> endings) {
  return std::ranges::find(endings, path.extension().string()) != endings.end();
}

Result<void> check_columns(const std::map<std::string, std::string>& columns) {
  std::vector<std::string> known;
  for (const RecordFormat& each : record_formats())
    for (const auto* keys : {&each.required, &each.optional})
      for (const std::string_view key : *keys) known.emplace_back(key);
  for (const auto& [key, name] : columns) {
    if (std::ranges::find(known, key) != known.end()) continue;
    return invalid_input("'columns' names '{}', which no format reads; expected one of {}", printable(key, 40), join(known, ", "));
  }
  return ok();
}

/// The error of the first bad record, whichever worker comes first.
class FirstError {
 public:
  /// Whether a record before `index` was bad, so that this one no longer matters.
  bool beaten(std::size_t index) const { return index > index_.load(std::memory_order_relaxed); }
  void set(std::size_t index, Error error) {
    const std::lock_guard lock(mutex_);
    if (beaten(index)) return;
    index_.store(index, std::memory_order_relaxed);
    error_ = std::move(error);
  }
  Result<void> take() && {
    if (error_) return *std::move(error_);
    return ok();
  }

 private:
  std::atomic<std::size_t> index_{static_cast<std::size_t>(-1)};
  std::mutex mutex_;
  std::optional<Error> error_;
};

}  // namespace

Result<void> DatasetLoader::prepare() {
  VB_TRY(tokenize_options_.truncation, truncation_from(options_.truncation));
  if (options_.max_length < 0 || options_.max_length == 1)
    return invalid_input("expected max_length 0 (any) or at least 2 (one token to read, one to predict), found {}",
                         options_.max_length);
  if (tokenize_options_.truncation == Truncation::split && options_.max_length == 0)
    return invalid_input("truncation 'split' needs max_length: the tokens of a block");
  tokenize_options_.max_length = options_.max_length;
  tokenize_options_.append_eos = options_.append_eos;
  VB_CHECK(check_columns(options_.columns));
  if (!options_.template_variables.is_null() && !options_.template_variables.is_object())
    return invalid_input("expected a table of template_variables, found {}", options_.template_variables.type_name());
  for (const char* const reserved : {"messages", "add_generation_prompt"})
    if (options_.template_variables.find(reserved))
      return invalid_input("expected template_variables without '{}': the data decides about it", reserved);
  record_context_.chat_template = chat_template_;
  record_context_.template_variables = options_.template_variables;
  record_context_.columns = options_.columns;
  if (options_.date) {
    VB_TRY(record_context_.render.now, parse_date(*options_.date));
  }
  VB_TRY(record_context_.bos, piece_or_empty(tokenizer_, tokenizer_.bos()));
  VB_TRY(record_context_.eos, piece_or_empty(tokenizer_, tokenizer_.eos()));
  return ok();
}

/// nullptr means plain text.
Result<const RecordFormat*> DatasetLoader::format_of(const SourceFile& file) const {
  if (options_.format == "plain_text") return nullptr;
  const auto named = std::ranges::find(record_formats(), options_.format, &RecordFormat::name);
  if (named != record_formats().end()) return &*named;
  if (options_.format != "auto") return invalid_input("unknown format '{}'", printable(options_.format));
  if (ends_in(file.path, {".txt", ".text", ".md"})) return nullptr;
  if (!ends_in(file.path, {".jsonl", ".ndjson", ".json"}))
    return with_hint(invalid_input("cannot tell the format from the ending '{}'", printable(file.path.extension().string(), 40)),
                     "set format: chat, prompt_completion, instruction, text or plain_text");
  const std::vector<RawRecord> lines = json_lines(as_text(file.bytes->bytes()));
  if (lines.empty()) return invalid_input("expected at least one record, found none");
  VB_TRY(const Json first, Json::parse(lines.front().text), "in line {}", lines.front().line);
  VB_TRY(const RecordFormat* const found, detect_format(first, record_context_), "in line {}", lines.front().line);
  return found;
}

Result<void> DatasetLoader::open(const std::filesystem::path& path) {
  auto file = std::make_unique<SourceFile>();
  file->path = path;
  VB_TRY(file->bytes, MappedFile::open(path));
  VB_TRY(file->format, format_of(*file), "in {}", printable(path.string()));
  const std::string_view text = as_text(file->bytes->bytes());
  if (file->format) {
    file->records = json_lines(text);
  } else {
    file->plain = plain_text(text);
    file->records = plain_documents(file->plain, options_.separator);
  }
  if (file->records.empty()) return invalid_input("expected at least one record in {}, found none", printable(path.string()));
  if (tokenize_options_.truncation == Truncation::split && file->format && !file->format->whole_text)
    return with_hint(invalid_input("truncation 'split' is for texts; {} holds records of the format '{}'",
                                   printable(path.string()), file->format->name),
                     "use \"truncate\" or \"error\"");
  files_.push_back(std::move(file));
  return ok();
}

Result<DatasetLoader::Done> DatasetLoader::read(const SourceFile& file, const RawRecord& raw) const {
  Done done;
  TrainingText text;
  if (file.format) {
    VB_TRY(const Json record, Json::parse(raw.text));
    VB_CHECK(check_keys(record, *file.format, record_context_));
    VB_TRY(text, file.format->read(record, record_context_));
    done.unused_keys = unused_keys(record, *file.format, record_context_);
  } else {
    text = {.text = std::string(raw.text), .targets = {{0, raw.text.size()}}};
  }
  VB_TRY(done.record, tokenize(text, tokenizer_, tokenize_options_));
  return done;
}

Result<std::vector<DatasetLoader::Done>> DatasetLoader::tokenize_all() const {
  std::vector<Done> all(records_.size());
  FirstError error;
  std::atomic<std::uint64_t> done{0};
  context_.pool.parallel_for(records_.size(), kGrain, [&](std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end; ++i) {
      if (context_.cancel.cancelled() || error.beaten(i)) return;
      const auto& [file, raw] = records_[i];
      auto record = read(*file, *raw);
      if (!record)
        error.set(i, with_context(std::move(record).error(), place(*file, *raw)));
      else
        all[i] = *std::move(record);
      const std::uint64_t so_far = ++done;
      if (so_far % kProgressEvery == 0) context_.progress.update(kTask, so_far, records_.size(), "records");
    }
  });
  context_.progress.finish(kTask);
  VB_CHECK(context_.cancel.check());
  VB_CHECK(std::move(error).take());
  return all;
}

/// Everything that decides about the examples, but not where the files lie.
Result<std::string> DatasetLoader::digest() const {
  Json columns = Json::object();
  for (const auto& [key, name] : options_.columns) columns[key] = name;
  Json files = Json::array();
  for (const auto& file : files_) files.push_back(sha256_hex(file->bytes->bytes()));
  Json kinds = Json::array();  // what "auto" found may depend on the ending
  for (const auto& file : files_) kinds.push_back(file->format ? file->format->name : "plain_text");
  const Json all = Json::object({{"version", 1},
                                 {"files", files},
                                 {"kinds", kinds},
                                 {"max_length", options_.max_length},
                                 {"truncation", options_.truncation},
                                 {"separator", options_.separator},
                                 {"append_eos", options_.append_eos},
                                 {"columns", columns},
                                 {"template_variables", options_.template_variables},
                                 {"date", Json::optional(options_.date ? &*options_.date : nullptr)},
                                 {"tokenizer", tokenizer_.digest()},
                                 {"chat_template", chat_template_ ? Json(chat_template_->digest()) : Json()}});
  VB_TRY(const std::string text, all.dump());
  return sha256_hex(text);
}

Result<Dataset> DatasetLoader::load(std::span<const std::filesystem::path> files) {
  if (files.empty()) return invalid_input("expected at least one data file, found none");
  VB_CHECK(prepare());
  for (const std::filesystem::path& path : files) VB_CHECK(open(path));
  for (const auto& file : files_)
    for (const RawRecord& raw : file->records) records_.emplace_back(file.get(), &raw);
  VB_TRY(std::vector<Done> all, tokenize_all());
  Dataset out;
  VB_TRY(out.digest_, digest());
  out.counts_.records = static_cast<std::int64_t>(records_.size());
  for (std::size_t i = 0; i < all.size(); ++i) {
    out.counts_.truncated += all[i].record.truncated;
    out.counts_.dropped += all[i].record.dropped;
    for (const std::string& key : all[i].unused_keys) ++out.counts_.unused_keys[key];
    for (Example& example : all[i].record.examples) out.add(std::move(example), static_cast<std::int64_t>(i));
  }
  return out;
}

Result<Dataset> Dataset::load(std::span<const std::filesystem::path> files, const DatasetOptions& options,
                              const Tokenizer& tokenizer, const ChatTemplate* chat_template, const Context& context) {
  return DatasetLoader(options, tokenizer, chat_template, context).load(files);
}

}  // namespace vauban
