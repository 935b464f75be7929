#include "format/model_file.h"

#include <algorithm>
#include <array>
#include <mutex>

#include "base/sha256.h"
#include "base/strings.h"

namespace vauban {

namespace {

/// Computed by the first thread that asks; the others wait for it.
struct LazyDigest {
  std::once_flag once;
  std::string hex;

  template <class Compute>
  const std::string& get(Compute compute) {
    std::call_once(once, [&] { hex = compute(); });
    return hex;
  }
};

void update_u64(Sha256& hash, std::uint64_t value) {
  std::array<std::byte, 8> bytes{};
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::byte>(value >> (8 * i) & 0xff);
  hash.update(std::span<const std::byte>(bytes));
}

std::string hash_tensor(const TensorEntry& tensor) {
  Sha256 hash;
  hash.update(tensor.name);
  hash.update(std::string_view("\0", 1));
  hash.update(to_string(tensor.view.dtype));
  update_u64(hash, static_cast<std::uint64_t>(tensor.view.shape.rank()));
  for (const std::int64_t dim : tensor.view.shape.dims()) update_u64(hash, static_cast<std::uint64_t>(dim));
  hash.update(tensor.view.bytes);
  return hash.finish_hex();
}

Result<void> check_entries(const std::vector<TensorEntry>& sorted, std::size_t files) {
  for (std::size_t i = 0; i < sorted.size(); ++i) {
    if (i > 0 && sorted[i].name == sorted[i - 1].name)
      return corrupt("tensor '{}' is stored more than once", printable(sorted[i].name));
    if (sorted[i].file >= files)
      return internal("tensor '{}' names file {} of {}", printable(sorted[i].name), sorted[i].file, files);
  }
  return ok();
}

}  // namespace

std::string_view to_string(Container container) { return container == Container::gguf ? "gguf" : "safetensors"; }

struct ModelFile::State {
  Container container;
  std::vector<std::shared_ptr<const MappedFile>> files;
  std::vector<TensorEntry> tensors;
  Json metadata;
  std::unique_ptr<LazyDigest[]> file_digests, tensor_digests;
  LazyDigest digest;
};

ModelFile::ModelFile(std::unique_ptr<State> state) : state_(std::move(state)) {}
ModelFile::~ModelFile() = default;

Result<std::shared_ptr<const ModelFile>> ModelFile::make(Container container,
                                                         std::vector<std::shared_ptr<const MappedFile>> files,
                                                         std::vector<TensorEntry> tensors, Json metadata) {
  std::sort(tensors.begin(), tensors.end(), [](const TensorEntry& a, const TensorEntry& b) { return a.name < b.name; });
  VB_CHECK(check_entries(tensors, files.size()));
  auto state = std::make_unique<State>();
  state->file_digests = std::make_unique<LazyDigest[]>(files.size());
  state->tensor_digests = std::make_unique<LazyDigest[]>(tensors.size());
  state->container = container;
  state->files = std::move(files);
  state->tensors = std::move(tensors);
  state->metadata = std::move(metadata);
  return std::shared_ptr<const ModelFile>(new ModelFile(std::move(state)));
}

Container ModelFile::container() const { return state_->container; }
const std::vector<std::shared_ptr<const MappedFile>>& ModelFile::files() const { return state_->files; }
const std::vector<TensorEntry>& ModelFile::tensors() const { return state_->tensors; }
const Json& ModelFile::metadata() const { return state_->metadata; }

const TensorEntry* ModelFile::find(std::string_view name) const {
  const auto& all = state_->tensors;
  const auto at = std::lower_bound(all.begin(), all.end(), name,
                                   [](const TensorEntry& a, std::string_view b) { return a.name < b; });
  return at != all.end() && at->name == name ? &*at : nullptr;
}

std::string ModelFile::file_digest(std::size_t index) const {
  return state_->file_digests[index].get([&] { return sha256_hex(state_->files[index]->bytes()); });
}

std::string ModelFile::tensor_digest(const TensorEntry& tensor) const {
  const TensorEntry* own = find(tensor.name);
  // A caller may ask about an entry that it changed or took from elsewhere: that one is hashed, never looked up.
  if (own == nullptr || own->view.bytes.data() != tensor.view.bytes.data() ||
      own->view.bytes.size() != tensor.view.bytes.size() || own->view.dtype != tensor.view.dtype ||
      own->view.shape != tensor.view.shape)
    return hash_tensor(tensor);
  const auto index = static_cast<std::size_t>(own - state_->tensors.data());
  return state_->tensor_digests[index].get([&] { return hash_tensor(*own); });
}

std::string ModelFile::digest() const {
  return state_->digest.get([&] {
    Sha256 hash;
    for (const TensorEntry& tensor : state_->tensors) {
      hash.update(tensor_digest(tensor));
      hash.update("\n");
    }
    return hash.finish_hex();
  });
}

}  // namespace vauban
