#include "format/hf_writer.h"

#include <fcntl.h>

#include <cerrno>
#include <cstring>

#include "base/json_file.h"
#include "base/strings.h"

namespace vauban {

namespace fs = std::filesystem;

namespace {

/// The folder as it grows; removed with the object unless it was put in place.
class UnfinishedFolder {
 public:
  static Result<UnfinishedFolder> create(const fs::path& target, FileOps& ops) {
    const fs::path parent = target.has_parent_path() ? target.parent_path() : fs::path(".");
    UnfinishedFolder folder(parent / format(".{}.unfinished", target.filename().string()), ops);
    std::error_code failed;
    fs::remove_all(folder.path_, failed);  // of a run that was killed
    if (!fs::create_directory(folder.path_, failed))
      return io("cannot make the folder {}: {}", folder.path_.string(), failed ? failed.message() : "it exists");
    return folder;
  }
  UnfinishedFolder(UnfinishedFolder&& other) noexcept : path_(std::move(other.path_)), ops_(other.ops_) {
    other.path_.clear();
  }
  ~UnfinishedFolder() {
    std::error_code ignored;
    if (!path_.empty()) fs::remove_all(path_, ignored);
  }
  fs::path operator/(std::string_view name) const { return path_ / name; }
  const fs::path& path() const { return path_; }

  Result<void> put_in_place(const fs::path& target) {
    VB_CHECK(sync(path_));
    if (ops_.rename(path_.c_str(), target.c_str()) != 0)  // replaces an empty folder
      return io("cannot rename {} to {}: {}", path_.string(), target.string(), std::strerror(errno));
    path_.clear();
    return sync(target.has_parent_path() ? target.parent_path() : fs::path("."));
  }

 private:
  UnfinishedFolder(fs::path path, FileOps& ops) : path_(std::move(path)), ops_(ops) {}

  Result<void> sync(const fs::path& folder) {
    const int fd = ops_.open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
    if (fd < 0) return io("cannot open the folder {}: {}", folder.string(), std::strerror(errno));
    const bool synced = ops_.fsync(fd) == 0;
    const std::string why = synced ? "" : std::strerror(errno);
    ops_.close(fd);
    if (!synced) return io("cannot sync the folder {}: {}", folder.string(), why);
    return ok();
  }

  fs::path path_;
  FileOps& ops_;
};

struct Shards {
  std::vector<std::vector<TensorOut>> parts;
  std::uint64_t total_bytes = 0;
};

/// In the given order; a tensor larger than the limit gets a shard of its own.
Result<Shards> split_tensors(const std::vector<TensorOut>& tensors, std::uint64_t limit) {
  Shards shards;
  std::uint64_t in_part = 0;
  for (const TensorOut& tensor : tensors) {
    VB_TRY(const std::uint64_t size, size_bytes(tensor.dtype, tensor.shape), "in tensor '{}'", printable(tensor.name));
    if (shards.parts.empty() || (in_part > 0 && in_part + size > limit)) {
      shards.parts.emplace_back();
      in_part = 0;
    }
    shards.parts.back().push_back(tensor);
    in_part += size;
    shards.total_bytes += size;
  }
  return shards;
}

std::string shard_name(const Shards& shards, std::size_t i) {
  return format("model-{:05}-of-{:05}.safetensors", i + 1, shards.parts.size());
}

Json index_of(const Shards& shards) {
  Json weight_map = Json::object();
  for (std::size_t i = 0; i < shards.parts.size(); ++i)
    for (const TensorOut& tensor : shards.parts[i]) weight_map[tensor.name] = shard_name(shards, i);
  return Json::object(
      {{"metadata", Json::object({{"total_size", shards.total_bytes}})}, {"weight_map", std::move(weight_map)}});
}

Result<void> write_weights(const UnfinishedFolder& out, const HfFolder& folder, FileOps& ops) {
  VB_CHECK(check_tensor_list(folder.tensors));
  VB_TRY(const Shards shards, split_tensors(folder.tensors, folder.shard_bytes));
  if (shards.parts.size() <= 1)
    return stream_safetensors(out / "model.safetensors", folder.tensors, folder.metadata, ops);
  for (std::size_t i = 0; i < shards.parts.size(); ++i)
    VB_CHECK(stream_safetensors(out / shard_name(shards, i), shards.parts[i], folder.metadata, ops));
  return write_json_file(out / "model.safetensors.index.json", index_of(shards), ops);
}

/// As write_json_file writes it.
Result<std::uint64_t> json_file_bytes(const Json& json) {
  VB_TRY(const std::string text, json.dump(2));
  return text.size() + 1;
}

Result<void> check_name(std::string_view name) {
  if (name.empty() || name.find('/') != std::string_view::npos || name == "." || name == "..")
    return invalid_input("'{}' is no plain file name", printable(name));
  return ok();
}

Result<void> check_target(const fs::path& path) {
  std::error_code failed;
  const fs::file_status status = fs::symlink_status(path, failed);
  if (!fs::exists(status)) return ok();
  if (fs::is_directory(status) && fs::is_empty(path, failed) && !failed) return ok();
  return with_hint(invalid_input("{} exists already", path.string()),
                   "a model folder is only written as a new one: remove it or give another name");
}

}  // namespace

Result<void> write_hf_folder(const fs::path& path, const HfFolder& folder, FileOps& ops,
                             const std::function<Result<void>(const fs::path&)>& check) {
  const fs::path target = path.has_filename() ? path : path.parent_path();  // "out/" is "out"
  VB_CHECK(check_target(target));
  VB_TRY(UnfinishedFolder out, UnfinishedFolder::create(target, ops));
  VB_CHECK(write_weights(out, folder, ops));
  for (const auto& [name, text] : folder.text_files) {
    VB_CHECK(check_name(name));
    VB_CHECK(write_file_atomic(out / name, text, ops));
  }
  for (const auto& [name, json] : folder.json_files) {
    VB_CHECK(check_name(name));
    VB_CHECK(write_json_file(out / name, json, ops));
  }
  if (check) VB_CHECK(check(out.path()));
  return out.put_in_place(target);
}

Result<std::uint64_t> hf_folder_size_bytes(const HfFolder& folder) {
  VB_CHECK(check_tensor_list(folder.tensors));
  VB_TRY(const Shards shards, split_tensors(folder.tensors, folder.shard_bytes));
  std::uint64_t total = shards.total_bytes;
  for (const std::vector<TensorOut>& part : shards.parts) {
    VB_TRY(const std::string head, safetensors_head(part, folder.metadata));
    total += head.size();
  }
  if (shards.parts.size() > 1) {
    VB_TRY(const std::uint64_t index, json_file_bytes(index_of(shards)));
    total += index;
  }
  for (const auto& [name, text] : folder.text_files) total += text.size();
  for (const auto& [name, json] : folder.json_files) {
    VB_TRY(const std::uint64_t bytes, json_file_bytes(json), "in {}", name);
    total += bytes;
  }
  return total;
}

}  // namespace vauban
