#include "format/imatrix.h"

#include <cmath>
#include <cstring>
#include <set>

#include "base/files.h"
#include "base/strings.h"
#include "format/byte_reader.h"
#include "format/gguf.h"

namespace vauban {
namespace {

constexpr std::string_view kMagic = "GGUF";
constexpr std::string_view kSums = ".in_sum2", kCounts = ".counts";

bool is_gguf(std::span<const std::byte> bytes) {
  return bytes.size() >= kMagic.size() && std::memcmp(bytes.data(), kMagic.data(), kMagic.size()) == 0;
}

Result<void> check_values(std::string_view name, const std::vector<float>& values) {
  if (values.empty()) return corrupt("entry '{}' has no values", printable(name));
  for (std::size_t i = 0; i < values.size(); ++i)
    if (!std::isfinite(values[i]) || values[i] < 0)
      return corrupt("entry '{}': value {} is {}; a mean square is finite and not negative", printable(name), i, values[i]);
  return ok();
}

Result<void> add(ImportanceMatrix& out, std::string name, std::vector<float> values) {
  VB_CHECK(check_values(name, values));
  if (!out.weights.emplace(std::move(name), std::move(values)).second) return corrupt("an entry stands in the file twice");
  return ok();
}

// ---- GGUF

/// Sums of one matrix (experts, columns) over how often each expert ran; an expert that never ran counts as 1.
Result<std::vector<float>> means_of(const TensorEntry& sums, const TensorEntry& counts) {
  VB_TRY(std::vector<float> values, decode_f32(sums.view));
  VB_TRY(const std::vector<float> runs, decode_f32(counts.view));
  if (runs.empty() || values.size() % runs.size() != 0)
    return corrupt("'{}' has {} values for {} counts", printable(sums.name), values.size(), runs.size());
  const std::size_t columns = values.size() / runs.size();
  for (std::size_t i = 0; i < values.size(); ++i) {
    const float count = runs[i / columns];
    values[i] = count > 0 ? values[i] / count : 1.0F;
  }
  return values;
}

Result<ImportanceMatrix> parse_gguf_layout(std::span<const std::byte> bytes) {
  VB_TRY(const GgufContents contents, parse_gguf(bytes));
  std::map<std::string, const TensorEntry*, std::less<>> by_name;
  for (const TensorEntry& tensor : contents.tensors) by_name.emplace(tensor.name, &tensor);
  ImportanceMatrix out;
  for (const auto& [name, sums] : by_name) {
    if (!name.ends_with(kSums)) continue;
    const std::string weight = name.substr(0, name.size() - kSums.size());
    const auto counts = by_name.find(weight + std::string(kCounts));
    if (counts == by_name.end()) return corrupt("entry '{}' has sums and no counts", printable(weight));
    VB_TRY(std::vector<float> values, means_of(*sums, *counts->second));
    VB_CHECK(add(out, weight, std::move(values)));
  }
  if (const Json* datasets = contents.metadata.find("imatrix.datasets"); datasets && datasets->is_array())
    for (const Json& dataset : datasets->items())
      if (dataset.is_string()) out.datasets.push_back(dataset.as_string());
  if (const Json* chunks = contents.metadata.find("imatrix.chunk_count"); chunks && chunks->is_number())
    out.chunks = chunks->as_int();
  return out;
}

// ---- .dat

Result<std::string> read_text(ByteReader& reader, std::string_view what) {
  VB_TRY(const auto length, reader.read<std::int32_t>(what));
  if (length < 0) return corrupt("{}: a length of {}", what, length);
  VB_TRY(const std::string_view text, reader.take(static_cast<std::uint64_t>(length), what));
  return std::string(text);
}

Result<std::vector<float>> read_means(ByteReader& reader, std::string_view name) {
  VB_TRY(const auto calls, reader.read<std::int32_t>("the number of calls"));
  VB_TRY(const auto count, reader.read<std::int32_t>("the number of values"));
  if (count < 1) return corrupt("entry '{}' claims {} values", printable(name), count);
  VB_TRY(const std::string_view raw, reader.take(static_cast<std::uint64_t>(count) * sizeof(float), "the values"));
  std::vector<float> values(static_cast<std::size_t>(count));
  std::memcpy(values.data(), raw.data(), raw.size());
  if (calls > 0)
    for (float& value : values) value /= static_cast<float>(calls);
  return values;
}

Result<ImportanceMatrix> parse_dat_layout(std::span<const std::byte> bytes) {
  ByteReader reader(bytes);
  ImportanceMatrix out;
  VB_TRY(const auto entries, reader.read<std::int32_t>("the number of entries"));
  if (entries < 1) return corrupt("the file claims {} entries", entries);
  for (std::int32_t i = 0; i < entries; ++i) {
    VB_TRY(std::string name, read_text(reader, "the name of an entry"), "in entry {}", i);
    VB_TRY(std::vector<float> values, read_means(reader, name), "in entry {}", i);
    VB_CHECK(add(out, std::move(name), std::move(values)));
  }
  if (reader.remaining() == 0) return out;  // the oldest files end here
  VB_TRY(const auto chunks, reader.read<std::int32_t>("the number of chunks"));
  out.chunks = chunks;
  VB_TRY(std::string dataset, read_text(reader, "the name of the text"));
  out.datasets.push_back(std::move(dataset));
  if (reader.remaining() != 0) return corrupt("{} bytes follow the last entry", reader.remaining());
  return out;
}

}  // namespace

std::span<const float> ImportanceMatrix::find(std::string_view weight) const {
  const auto entry = weights.find(weight);
  return entry == weights.end() ? std::span<const float>() : std::span<const float>(entry->second);
}

Result<ImportanceMatrix> parse_imatrix(std::span<const std::byte> bytes) {
  VB_TRY(ImportanceMatrix out, is_gguf(bytes) ? parse_gguf_layout(bytes) : parse_dat_layout(bytes),
         "not an importance matrix that can be used");
  if (out.weights.empty()) return not_found("the file holds no entry '<weight>{}'", kSums);
  return out;
}

Result<ImportanceMatrix> open_imatrix(const std::filesystem::path& path) {
  VB_TRY(const auto file, MappedFile::open(path));
  VB_TRY(ImportanceMatrix out, parse_imatrix(file->bytes()), "in {}", path.string());
  return out;
}

}  // namespace vauban
