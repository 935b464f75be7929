#include "format/imatrix_writer.h"

#include <cstring>

#include "base/files.h"
#include "format/gguf_writer.h"

namespace vauban {
namespace {

TensorOut values_out(std::string name, Shape shape, const std::vector<double>& values) {
  return {.name = std::move(name), .dtype = DType::f32, .shape = std::move(shape), .make = [&values]() -> Result<TensorBytes> {
            std::vector<std::byte> bytes(values.size() * sizeof(float));
            for (std::size_t i = 0; i < values.size(); ++i) {
              const auto value = static_cast<float>(values[i]);
              std::memcpy(bytes.data() + i * sizeof(float), &value, sizeof(float));
            }
            return TensorBytes::own(std::move(bytes));
          }};
}

/// GGUF drops trailing dimensions of 1, which are the leading ones here.
Shape stack_shape(std::size_t experts, std::size_t width) {
  const auto n = static_cast<std::int64_t>(experts), w = static_cast<std::int64_t>(width);
  return n == 1 ? Shape{w} : Shape{n, w};
}

Result<void> write_gguf_layout(const std::filesystem::path& path, const ImportanceSums& sums) {
  Json::Array datasets;
  for (const std::string& dataset : sums.datasets) datasets.emplace_back(dataset);
  const std::vector<GgufKey> keys{GgufKey::text("general.type", "imatrix"),
                                  GgufKey::list("imatrix.datasets", GgufType::string, std::move(datasets)),
                                  GgufKey::u32("imatrix.chunk_count", sums.chunks),
                                  GgufKey::u32("imatrix.chunk_size", sums.chunk_tokens)};
  std::vector<TensorOut> tensors;
  for (const auto& [name, entry] : sums.entries) {
    const std::size_t experts = entry.counts.size();
    tensors.push_back(values_out(name + ".in_sum2", stack_shape(experts, entry.sums.size() / experts), entry.sums));
    tensors.push_back(values_out(name + ".counts", stack_shape(experts, 1), entry.counts));
  }
  return write_gguf(path, keys, tensors);
}

class DatWriter {
 public:
  template <class T>
  void number(T value) {
    const auto* first = reinterpret_cast<const char*>(&value);
    text_.append(first, sizeof value);
  }
  void text(std::string_view value) {
    number(static_cast<std::int32_t>(value.size()));
    text_.append(value);
  }
  const std::string& bytes() const { return text_; }

 private:
  std::string text_;
};

/// Means times the number of calls, which a reader divides by; a call is a chunk. An expert that saw nothing counts as 1.
void put_entry(DatWriter& out, const std::string& name, const ImportanceEntry& entry, std::int64_t calls) {
  out.text(name);
  out.number(static_cast<std::int32_t>(calls));
  out.number(static_cast<std::int32_t>(entry.sums.size()));
  const std::size_t columns = entry.sums.size() / entry.counts.size();
  for (std::size_t i = 0; i < entry.sums.size(); ++i) {
    const double count = entry.counts[i / columns];
    const double mean = count > 0 ? entry.sums[i] / count : 1.0;
    out.number(static_cast<float>(mean * static_cast<double>(calls)));
  }
}

Result<void> write_dat_layout(const std::filesystem::path& path, const ImportanceSums& sums) {
  DatWriter out;
  out.number(static_cast<std::int32_t>(sums.entries.size()));
  for (const auto& [name, entry] : sums.entries) put_entry(out, name, entry, sums.chunks);
  out.number(static_cast<std::int32_t>(sums.chunks));
  out.text(sums.datasets.empty() ? "" : sums.datasets.front());
  return write_file_atomic(path, out.bytes());
}

}  // namespace

Result<void> write_imatrix(const std::filesystem::path& path, const ImportanceSums& sums) {
  if (sums.entries.empty() || sums.chunks < 1) return invalid_input("nothing was measured, so there is no importance to write");
  return path.extension() == ".dat" ? write_dat_layout(path, sums) : write_gguf_layout(path, sums);
}

}  // namespace vauban
