/// GGUF: writer of version 3, little-endian. Equal keys and tensors give equal bytes; open_gguf() reads back the same.
///
/// Keys and tensors stay in the given order. Tensors are made one at a time, into a file that replaces `path` only when
/// it is complete. Layout: model-files.md section 2.
#pragma once

#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/files.h"
#include "format/gguf.h"
#include "format/tensor_out.h"

namespace vauban {

struct GgufKey {
  std::string name;
  GgufType type = GgufType::string;
  Json value;
  GgufType element = GgufType::string;  ///< of an array

  static GgufKey text(std::string name, std::string value) {
    return {std::move(name), GgufType::string, Json(std::move(value))};
  }
  static GgufKey u32(std::string name, std::int64_t value) { return {std::move(name), GgufType::u32, Json(value)}; }
  static GgufKey f32(std::string name, double value) {
    return {std::move(name), GgufType::f32, Json(static_cast<float>(value))};
  }
  static GgufKey flag(std::string name, bool value) { return {std::move(name), GgufType::boolean, Json(value)}; }
  static GgufKey list(std::string name, GgufType element, Json::Array items) {
    return {std::move(name), GgufType::array, Json(std::move(items)), element};
  }
};

/// The keys of a parsed file with their types, in file order.
std::vector<GgufKey> gguf_keys(const GgufContents& contents);

/// Replaces the key of this name where it stands, or puts it behind the others.
void set_key(std::vector<GgufKey>& keys, GgufKey key);

/// Errors: invalid_input (a value that does not fit its type, a name that is empty, too long or given twice, text that
/// is not UTF-8 in a name, an alignment that is no power of two), unsupported (a dtype that GGUF lacks), those of
/// TensorOut::make, resource, io. `general.alignment` among the keys is obeyed; without it tensors are aligned to 32.
Result<void> write_gguf(const std::filesystem::path& path, std::span<const GgufKey> keys,
                        const std::vector<TensorOut>& tensors, FileOps& ops = real_file_ops());

/// The same, but the file takes its name only when `check` finds it right. `check` gets the finished file under a temporary
/// name beside `path`.
Result<void> write_gguf_checked(const std::filesystem::path& path, std::span<const GgufKey> keys, const std::vector<TensorOut>& tensors,
                                const std::function<Result<void>(const std::filesystem::path&)>& check, FileOps& ops = real_file_ops());

/// Size of the file that write_gguf would make, in bytes. Errors: as there.
Result<std::uint64_t> gguf_size_bytes(std::span<const GgufKey> keys, const std::vector<TensorOut>& tensors);

}  // namespace vauban
