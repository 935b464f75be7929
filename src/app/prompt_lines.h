/// The prompts of one group: a text file with one prompt a line, or JSONL.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"

namespace vauban {

struct PromptLine {
  std::string text;
  bool rendered = false;  ///< a conversation, already in the model's template: no BOS and no template is added to it
};

struct PromptFile {
  std::vector<PromptLine> lines;
  std::string sha256;  ///< of the bytes that were read: the file may be a pipe, which nobody reads twice
};

using RenderChat = std::function<Result<std::string>(const Json& messages)>;

/// JSONL (a file named .jsonl, or whose first line is an object): each line has exactly one of `text`, `prompt` (both a
/// text) and `messages` (a conversation, through `render`); other keys are left alone. Blank lines are skipped.
/// Errors: those of reading; corrupt, naming the line.
Result<PromptFile> read_prompt_lines(const std::filesystem::path& path, const RenderChat& render);

}  // namespace vauban
