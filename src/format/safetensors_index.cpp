// Sharded safetensors models: the index, and the join of its shards.
#include <cmath>
#include <set>

#include "base/strings.h"
#include "format/safetensors.h"

namespace vauban {

namespace {

constexpr std::size_t kMaxIndexBytes = std::size_t{64} << 20;

/// Shards lie beside their index: a separator or ".." would read a file that is no part of the model.
Result<void> check_shard_name(const std::string& name) {
  const bool plain = !name.empty() && name != "." && name != ".." &&
                     name.find_first_of(std::string_view("/\\\0", 3)) == std::string::npos;
  if (!plain) return corrupt("shard '{}': expected the name of a file beside the index", printable(name));
  return ok();
}

/// Some writers store the size as 1234.0; what counts is that it is a whole number of bytes.
Result<std::optional<std::int64_t>> read_total_size(const Json& index) {
  const Json* metadata = index.find("metadata");
  const Json* total = metadata ? metadata->find("total_size") : nullptr;
  if (total == nullptr) return std::optional<std::int64_t>();
  const double value = total->as_double();
  const bool whole = total->is_number() && value >= 0 && value < 0x1p62 && std::floor(value) == value;
  if (!whole) return corrupt("metadata.total_size: expected a whole number of bytes, found {}", total->type_name());
  return std::optional(total->as_int());
}

using Shards = std::map<std::string, std::set<std::string, std::less<>>>;

Shards shards_of(const SafetensorsIndex& index) {
  Shards shards;
  for (const auto& [tensor, shard] : index.weight_map) shards[shard].insert(tensor);
  return shards;
}

/// Exactly the tensors that the index gives to this shard. With it no tensor can lie in two shards.
Result<void> check_names(const std::vector<TensorEntry>& found, const std::set<std::string, std::less<>>& expected) {
  for (const TensorEntry& tensor : found)
    if (!expected.contains(tensor.name))
      return corrupt("holds tensor '{}', which the index does not place here", printable(tensor.name));
  if (found.size() == expected.size()) return ok();
  std::set<std::string_view> names;
  for (const TensorEntry& tensor : found) names.insert(tensor.name);
  for (const std::string& name : expected)
    if (!names.contains(name)) return corrupt("lacks tensor '{}', which the index places here", printable(name));
  return internal("{} tensors found, {} expected", found.size(), expected.size());
}

struct ShardMetadata {
  std::string shard;
  Json values;
};

Json join_metadata(const std::vector<ShardMetadata>& shards) {
  std::map<std::string, std::set<std::string>> values;
  for (const ShardMetadata& shard : shards)
    for (const auto& [key, value] : shard.values.entries()) values[key].insert(value.as_string());
  Json joined = Json::object();
  for (const ShardMetadata& shard : shards)
    for (const auto& [key, value] : shard.values.entries())
      joined[values[key].size() == 1 ? key : format("{}@{}", key, shard.shard)] = value;
  return joined;
}

Result<void> check_total(const SafetensorsIndex& index, const std::vector<TensorEntry>& tensors) {
  std::int64_t sum = 0;
  for (const TensorEntry& tensor : tensors) sum += static_cast<std::int64_t>(tensor.view.bytes.size());
  if (index.total_size && *index.total_size != sum)
    return corrupt("metadata.total_size says {} bytes, the shards hold {}", *index.total_size, sum);
  return ok();
}

Result<std::shared_ptr<const ModelFile>> join_shards(const SafetensorsIndex& index,
                                                     const std::filesystem::path& folder) {
  std::vector<std::shared_ptr<const MappedFile>> files;
  std::vector<TensorEntry> tensors;
  std::vector<ShardMetadata> metadata;
  for (const auto& [shard, expected] : shards_of(index)) {
    VB_TRY(const auto file, MappedFile::open(folder / shard));
    VB_TRY(SafetensorsContents contents, parse_safetensors(file->bytes()), "in {}", (folder / shard).string());
    VB_CHECK(check_names(contents.tensors, expected), "in {}", (folder / shard).string());
    for (TensorEntry& tensor : contents.tensors) {
      tensor.file = files.size();
      tensors.push_back(std::move(tensor));
    }
    files.push_back(file);
    metadata.push_back({shard, std::move(contents.metadata)});
  }
  VB_CHECK(check_total(index, tensors));
  return ModelFile::make(Container::safetensors, std::move(files), std::move(tensors), join_metadata(metadata));
}

}  // namespace

Result<SafetensorsIndex> parse_safetensors_index(std::string_view text) {
  VB_TRY(const Json json, Json::parse(text));
  const Json* map = json.find("weight_map");
  if (map == nullptr || !map->is_object())
    return corrupt("expected an object 'weight_map' from tensor names to shard files");
  if (map->size() == 0) return corrupt("'weight_map' is empty");
  SafetensorsIndex index;
  for (const auto& [tensor, shard] : map->entries()) {
    if (!shard.is_string())
      return corrupt("tensor '{}': expected the name of a shard, found {}", printable(tensor), shard.type_name());
    VB_CHECK(check_shard_name(shard.as_string()), "in weight_map, tensor '{}'", printable(tensor));
    index.weight_map.emplace(tensor, shard.as_string());
  }
  VB_TRY(index.total_size, read_total_size(json));
  return index;
}

Result<std::shared_ptr<const ModelFile>> open_safetensors_index(const std::filesystem::path& path) {
  VB_TRY(const std::string text, read_file(path, kMaxIndexBytes));
  VB_TRY(const SafetensorsIndex index, parse_safetensors_index(text), "in {}", path.string());
  auto model = join_shards(index, path.parent_path());
  if (!model) return with_context(std::move(model).error(), format("in the shards of {}", path.string()));
  return model;
}

}  // namespace vauban
