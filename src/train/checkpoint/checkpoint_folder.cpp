#include "train/checkpoint/checkpoint_folder.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>
#include <vector>

#include "base/strings.h"

namespace vauban {

namespace {

constexpr std::string_view kPrefix = "step-", kSuffix = ".safetensors";
constexpr std::string_view kLatest = "latest", kBest = "best";
constexpr std::size_t kPointerBytes = 4096;

std::string name_of(std::int64_t step) { return format("{}{:09}{}", kPrefix, step, kSuffix); }

std::optional<std::int64_t> step_of(std::string_view name) {
  if (!name.starts_with(kPrefix) || !name.ends_with(kSuffix)) return {};
  const auto step = parse_int(name.substr(kPrefix.size(), name.size() - kPrefix.size() - kSuffix.size()));
  if (!step || name != name_of(*step)) return {};
  return *step;
}

Result<std::vector<std::int64_t>> list_steps(const std::filesystem::path& folder) {
  std::vector<std::int64_t> steps;
  std::error_code problem;
  for (std::filesystem::directory_iterator entry(folder, problem), end; !problem && entry != end;
       entry.increment(problem))
    if (const auto step = step_of(entry->path().filename().string())) steps.push_back(*step);
  if (problem) return io("cannot list '{}': {}", folder.string(), problem.message());
  std::sort(steps.begin(), steps.end());
  return steps;
}

}  // namespace

Result<CheckpointFolder> CheckpointFolder::open(const std::filesystem::path& folder, int keep_last, FileOps& ops) {
  if (keep_last < 1) return invalid_input("expected to keep at least 1 checkpoint, found {}", keep_last);
  std::error_code problem;
  std::filesystem::create_directories(folder, problem);
  if (problem) return io("cannot create '{}': {}", folder.string(), problem.message());
  VB_CHECK(remove_temporary_files(folder));
  return CheckpointFolder(folder, keep_last, ops);
}

Result<std::filesystem::path> CheckpointFolder::save(const TrainingState& state, const CheckpointSchema& schema,
                                                     bool is_best) {
  if (state.step < 0) return invalid_input("expected a step of at least 0, found {}", state.step);
  const std::string name = name_of(state.step);
  VB_CHECK(save_checkpoint(folder_ / name, state, schema, *ops_));
  if (is_best) VB_CHECK(write_file_atomic(folder_ / kBest, name + "\n", *ops_));
  VB_CHECK(write_file_atomic(folder_ / kLatest, name + "\n", *ops_));
  VB_CHECK(remove_older(state.step), "{} is saved", name);
  return folder_ / name;
}

Result<std::filesystem::path> CheckpointFolder::target_of(std::string_view pointer) const {
  const std::filesystem::path path = folder_ / pointer;
  auto text = read_file(path, kPointerBytes);
  if (!text && text.error().code == ErrorCode::not_found)
    return not_found("there is no {} checkpoint in '{}'", pointer, folder_.string());
  if (!text) return std::move(text).error();
  const std::string_view name = trim(*text);
  if (!step_of(name))
    return corrupt("'{}': expected the name of a checkpoint, found '{}'", path.string(), printable(name));
  std::error_code unreadable;
  if (!std::filesystem::is_regular_file(folder_ / name, unreadable))
    return with_hint(corrupt("'{}' names '{}', which is not there", path.string(), name),
                     "write the name of another checkpoint into it, or remove the run folder to begin again");
  return folder_ / name;
}

Result<std::filesystem::path> CheckpointFolder::latest() const { return target_of(kLatest); }
Result<std::filesystem::path> CheckpointFolder::best() const { return target_of(kBest); }

Result<void> CheckpointFolder::remove_older(std::int64_t step) const {
  VB_TRY(std::vector<std::int64_t> steps, list_steps(folder_));
  steps.erase(std::upper_bound(steps.begin(), steps.end(), step), steps.end());
  const auto kept = static_cast<std::size_t>(keep_last_);
  if (steps.size() <= kept) return ok();
  const auto best_path = best();
  if (!best_path && best_path.error().code != ErrorCode::not_found) return best_path.error();
  steps.resize(steps.size() - kept);
  for (const std::int64_t old : steps) {
    const std::filesystem::path path = folder_ / name_of(old);
    if (best_path && *best_path == path) continue;
    if (ops_->unlink(path.c_str()) < 0) return io("cannot remove '{}': {}", path.string(), std::strerror(errno));
  }
  return ok();
}

}  // namespace vauban
