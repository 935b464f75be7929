#include "format/model_files.h"

#include <algorithm>
#include <array>

namespace vauban {

namespace fs = std::filesystem;

namespace {

constexpr std::size_t kMaxCopiedBytes = std::size_t{1} << 28;

constexpr std::array<std::string_view, 12> kNames{
    "generation_config.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "tokenizer.model",
    "added_tokens.json", "vocab.json", "merges.txt", "chat_template.jinja", "chat_template.json", "README.md", "LICENSE"};

}  // namespace

Result<void> copy_model_files(const fs::path& model, HfFolder& out) {
  std::error_code failed;
  const fs::path folder = fs::is_regular_file(model, failed) ? model.parent_path() : model;
  for (fs::directory_iterator at(folder, failed), end; !failed && at != end; at.increment(failed)) {
    const std::string name = at->path().filename().string();
    if (std::ranges::find(kNames, name) == kNames.end() || !at->is_regular_file()) continue;
    VB_TRY(out.text_files[name], read_file(at->path(), kMaxCopiedBytes));
  }
  if (failed) return io("cannot list {}: {}", folder.string(), failed.message());
  return ok();
}

}  // namespace vauban
