#include "trace/artifact_store.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <unistd.h>

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

/// A rename is durable only once its folder is.
Result<void> sync_folder(const std::filesystem::path& folder, FileOps& ops) {
  const int fd = ops.open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
  if (fd < 0) return io("cannot open the folder '{}': {}", folder.string(), std::strerror(errno));
  const int failure = ops.fsync(fd) == 0 ? 0 : errno;
  ops.close(fd);
  if (failure != 0) return io("cannot sync the folder '{}': {}", folder.string(), std::strerror(failure));
  return ok();
}

/// Removes a file at the end of a scope, unless it has been moved away by then.
struct RemoveAtEnd {
  std::filesystem::path path;
  ~RemoveAtEnd() {
    std::error_code ignored;
    std::filesystem::remove(path, ignored);
  }
};

}  // namespace

Result<std::unique_ptr<ArtifactStore>> ArtifactStore::open(std::filesystem::path run_folder, FileOps& ops) {
  std::error_code problem;
  std::filesystem::create_directories(run_folder / kFolder, problem);
  if (problem)
    return io("cannot make the folder '{}' for payloads: {}", (run_folder / kFolder).string(), problem.message());
  return std::unique_ptr<ArtifactStore>(new ArtifactStore(std::move(run_folder), ops));
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
  const std::lock_guard lock(mutex_);
  // Named by process too: two of them may fill one folder.
  const RemoveAtEnd temporary{run_folder_ / format("{}.incoming-{}-{}", kFolder, ::getpid(), next_temporary_++)};
  VB_CHECK(write_safetensors(temporary.path, {tensor}, {}, ops_), "in payload '{}'", tensor_name);
  StoredPayload stored;
  VB_TRY(stored.digest, sha256_file(temporary.path.string()));
  stored.path = format("{}{}{}", kFolder, stored.digest, kExtension);
  if (verify(stored.path, stored.digest)) return stored;
  const std::filesystem::path target = run_folder_ / stored.path;
  if (ops_.rename(temporary.path.c_str(), target.c_str()) != 0)
    return io("cannot rename '{}' to '{}': {}", temporary.path.string(), target.string(), std::strerror(errno));
  VB_CHECK(sync_folder(run_folder_ / kFolder, ops_));
  return stored;
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
