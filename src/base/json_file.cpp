#include "base/json_file.h"

namespace vauban {

Result<Json> read_json_file(const std::filesystem::path& path, std::size_t limit_bytes) {
  VB_TRY(const std::string text, read_file(path, limit_bytes), "while reading JSON");
  VB_TRY(Json value, Json::parse(text), "in '{}'", path.string());
  return value;
}

Result<void> write_json_file(const std::filesystem::path& path, const Json& value, FileOps& ops) {
  VB_TRY(std::string text, value.dump(2), "while writing '{}'", path.string());
  text += '\n';
  return write_file_atomic(path, text, ops);
}

}  // namespace vauban
