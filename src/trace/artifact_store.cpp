#include "trace/artifact_store.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>

#include "base/sha256.h"
#include "base/strings.h"
#include "format/safetensors.h"
#include "format/safetensors_writer.h"
#include "tensor/tensor.h"

namespace vauban {
namespace {

constexpr std::string_view kFolder = "artifacts/";
constexpr std::string_view kExtension = ".safetensors";
constexpr std::size_t kDigestDigits = 64;

/// The digest in "artifacts/<digest>.safetensors", or "" when the path has another form.
std::string_view digest_of(std::string_view path) {
  if (!path.starts_with(kFolder) || !path.ends_with(kExtension)) return {};
  if (path.size() != kFolder.size() + kDigestDigits + kExtension.size()) return {};
  const std::string_view digest = path.substr(kFolder.size(), kDigestDigits);
  return digest.find_first_not_of("0123456789abcdef") == std::string_view::npos ? digest : std::string_view();
}

Result<NamedTensorView> named_view(std::string_view name, std::string_view dtype, std::span<const std::int64_t> shape,
                                   std::span<const std::byte> bytes) {
  NamedTensorView tensor;
  tensor.name = name;
  VB_TRY(tensor.view.dtype, dtype_from_name(dtype));
  VB_TRY(tensor.view.shape, Shape::from(shape));
  tensor.view.bytes = bytes;
  return tensor;
}

/// Also of a folder: a rename is durable only once its folder is.
Result<void> sync_path(const std::filesystem::path& path, int flags, FileOps& ops) {
  const int fd = ops.open(path.c_str(), O_RDONLY | O_CLOEXEC | flags, 0);
  if (fd < 0) return io("cannot open '{}': {}", path.string(), std::strerror(errno));
  const int failure = ops.fsync(fd) == 0 ? 0 : errno;
  ops.close(fd);
  if (failure != 0) return io("cannot sync '{}': {}", path.string(), std::strerror(failure));
  return ok();
}

/// The calls of another FileOps, but for the syncs, which come later.
class UnsyncedOps final : public FileOps {
 public:
  explicit UnsyncedOps(FileOps& ops) : ops_(ops) {}
  int open(const char* path, int flags, unsigned mode) override { return ops_.open(path, flags, mode); }
  long write(int fd, const void* data, std::size_t size) override { return ops_.write(fd, data, size); }
  int fsync(int) override { return 0; }
  int close(int fd) override { return ops_.close(fd); }
  int rename(const char* from, const char* to) override { return ops_.rename(from, to); }
  int unlink(const char* path) override { return ops_.unlink(path); }

 private:
  FileOps& ops_;
};

Result<void> write_payload(const std::filesystem::path& target, std::string_view head, std::span<const std::byte> bytes,
                           FileOps& ops) {
  VB_TRY(AtomicFile file, AtomicFile::create(target, ops));
  VB_CHECK(file.write(head));
  VB_CHECK(file.write(bytes));
  return file.commit();
}

}  // namespace

Result<std::unique_ptr<ArtifactStore>> ArtifactStore::open(std::filesystem::path run_folder, FileOps& ops,
                                                           Durable durable) {
  std::error_code problem;
  std::filesystem::create_directories(run_folder / kFolder, problem);
  if (problem)
    return io("cannot make the folder '{}' for payloads: {}", (run_folder / kFolder).string(), problem.message());
  return std::unique_ptr<ArtifactStore>(new ArtifactStore(std::move(run_folder), ops, durable));
}

Result<std::filesystem::path> ArtifactStore::locate(std::string_view path) const {
  if (digest_of(path).empty())
    return invalid_input("expected a payload path of the form '{}<64 hex digits>{}', found '{}'", kFolder, kExtension,
                         printable(path, 120));
  return run_folder_ / path;
}

Result<StoredPayload> ArtifactStore::put(std::string_view tensor_name, std::string_view dtype,
                                         std::span<const std::int64_t> shape, std::span<const std::byte> bytes) {
  VB_TRY(const NamedTensorView tensor, named_view(tensor_name, dtype, shape, bytes), "in payload '{}'", tensor_name);
  VB_TRY(const std::string head, safetensors_head({tensor}), "in payload '{}'", tensor_name);
  Sha256 hash;
  hash.update(head);
  hash.update(bytes);
  StoredPayload stored;
  stored.digest = hash.finish_hex();
  stored.path = format("{}{}{}", kFolder, stored.digest, kExtension);
  const std::lock_guard lock(mutex_);
  if (verify(stored.path, stored.digest)) return stored;
  const std::filesystem::path target = run_folder_ / stored.path;
  UnsyncedOps later(ops_);
  VB_CHECK(write_payload(target, head, bytes, durable_ == Durable::at_sync ? static_cast<FileOps&>(later) : ops_),
           "in payload '{}'", tensor_name);
  if (durable_ == Durable::at_sync) unsynced_.push_back(target);
  return stored;
}

Result<void> ArtifactStore::sync() {
  const std::lock_guard lock(mutex_);
  if (unsynced_.empty()) return ok();
  for (const std::filesystem::path& path : unsynced_) VB_CHECK(sync_path(path, 0, ops_));
  VB_CHECK(sync_path(run_folder_ / kFolder, O_DIRECTORY, ops_));
  unsynced_.clear();
  return ok();
}

Result<void> ArtifactStore::verify(std::string_view path, std::string_view digest) const {
  VB_TRY(const std::filesystem::path file, locate(path));
  VB_TRY(const std::string found, sha256_file(file.string()));
  if (found != digest) return corrupt("payload '{}': expected SHA-256 {}, found {}", path, digest, found);
  if (found != digest_of(path)) return corrupt("payload '{}': its content has the SHA-256 {}", path, found);
  return ok();
}

Result<Payload> ArtifactStore::read(std::string_view path) const {
  VB_CHECK(verify(path, digest_of(path)));
  VB_TRY(const std::filesystem::path file, locate(path));
  VB_TRY(const std::shared_ptr<const ModelFile> opened, open_safetensors(file));
  if (opened->tensors().size() != 1)
    return corrupt("payload '{}': expected one tensor, found {}", path, opened->tensors().size());
  const TensorEntry& tensor = opened->tensors().front();
  const auto dims = tensor.view.shape.dims();
  return Payload{.tensor_name = tensor.name,
                 .dtype = std::string(to_string(tensor.view.dtype)),
                 .shape = {dims.begin(), dims.end()},
                 .bytes = {tensor.view.bytes.begin(), tensor.view.bytes.end()}};
}

Result<StoredPayload> MemoryStore::put(std::string_view tensor_name, std::string_view dtype,
                                       std::span<const std::int64_t> shape, std::span<const std::byte> bytes) {
  VB_CHECK(named_view(tensor_name, dtype, shape, bytes));
  Sha256 hash;
  hash.update(format("{}\n{}\n", tensor_name, dtype));
  for (const std::int64_t dim : shape) hash.update(format("{},", dim));
  hash.update(bytes);
  StoredPayload stored;
  stored.digest = hash.finish_hex();
  stored.path = "memory/" + stored.digest;
  const std::lock_guard lock(mutex_);
  payloads_.insert_or_assign(stored.path, Payload{.tensor_name = std::string(tensor_name),
                                                  .dtype = std::string(dtype),
                                                  .shape = {shape.begin(), shape.end()},
                                                  .bytes = {bytes.begin(), bytes.end()}});
  return stored;
}

Result<std::vector<float>> payload_values(const Payload& payload) {
  VB_TRY(const NamedTensorView tensor, named_view(payload.tensor_name, payload.dtype, payload.shape, payload.bytes));
  if (tensor.view.dtype != DType::f32 && tensor.view.dtype != DType::f16)
    return unsupported("payload '{}': expected f32 or f16 values, found {}", payload.tensor_name, payload.dtype);
  return decode_f32(tensor.view);
}

}  // namespace vauban
