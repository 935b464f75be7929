#include "app/prompt_lines.h"

#include "base/files.h"
#include "base/sha256.h"
#include "base/strings.h"

namespace vauban {
namespace {

constexpr std::size_t kLimitBytes = std::size_t{1} << 28;

Result<PromptLine> from_record(const Json& record, const RenderChat& render) {
  if (!record.is_object())
    return corrupt("expected an object with text, prompt or messages, found {}", record.type_name());
  const Json* found = nullptr;
  std::string key;
  for (const char* name : {"text", "prompt", "messages"}) {
    const Json* value = record.find(name);
    if (value && found) return corrupt("'{}' and '{}' are both given: which is the prompt?", key, name);
    if (value) found = value, key = name;
  }
  if (!found) return corrupt("expected one of the keys text, prompt, messages");
  if (key == "messages") {
    VB_TRY(std::string text, render(*found));
    return PromptLine{std::move(text), true};
  }
  if (!found->is_string()) return corrupt("'{}': expected a string, found {}", key, found->type_name());
  return PromptLine{found->as_string(), false};
}

Result<PromptLine> read_line(std::string_view line, bool json, const RenderChat& render) {
  if (!json) return PromptLine{std::string(line), false};
  VB_TRY(const Json record, Json::parse(line));
  return from_record(record, render);
}

bool is_jsonl(const std::filesystem::path& path, std::string_view text) {
  return path.extension() == ".jsonl" || trim(text).starts_with("{\"");
}

}  // namespace

Result<PromptFile> read_prompt_lines(const std::filesystem::path& path, const RenderChat& render) {
  VB_TRY(const std::string text, read_file(path, kLimitBytes));
  if (!is_valid_utf8(text)) return corrupt("{} is not UTF-8", path.string());
  const bool json = is_jsonl(path, text);
  PromptFile out{.lines = {}, .sha256 = sha256_hex(text)};
  std::size_t number = 0;
  for (std::string_view line : split(text, '\n')) {
    ++number;
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (trim(line).empty()) continue;
    VB_TRY(PromptLine read, read_line(line, json, render), "in {}:{}", path.string(), number);
    if (trim(read.text).empty()) return corrupt("{}:{}: the prompt is empty", path.string(), number);
    out.lines.push_back(std::move(read));
  }
  if (out.lines.empty()) return invalid_input("{} holds no prompt", path.string());
  return out;
}

}  // namespace vauban
