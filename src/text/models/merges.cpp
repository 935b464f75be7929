#include "text/models/merges.h"

#include "text/fields.h"

namespace vauban {
namespace {

constexpr std::string_view kGgufKey = "tokenizer.ggml.merges";

bool is_version_line(const Json& entry) { return entry.is_string() && entry.as_string().starts_with("#version"); }

Result<std::pair<std::string, std::string>> pair_in_json(const Json& entry, bool as_list, std::size_t rank) {
  if (as_list) {
    const bool good =
        entry.is_array() && entry.size() == 2 && entry.items()[0].is_string() && entry.items()[1].is_string();
    if (!good) return corrupt("merge {}: expected a pair of strings, as the first merge is one", rank);
    return std::pair(entry.items()[0].as_string(), entry.items()[1].as_string());
  }
  if (!entry.is_string()) return corrupt("merge {}: expected a string, as the first merge is one", rank);
  const std::string& text = entry.as_string();
  const std::size_t space = text.find(' ');
  if (space == std::string::npos || text.find(' ', space + 1) != std::string::npos)
    return corrupt("merge {}: expected two texts and one space, found '{}'", rank, text);
  return std::pair(text.substr(0, space), text.substr(space + 1));
}

Result<std::pair<std::string, std::string>> pair_in_gguf(const Json& entry, std::size_t index) {
  if (!entry.is_string()) return corrupt("key '{}': entry {} is no text", kGgufKey, index);
  const std::string& text = entry.as_string();
  const std::size_t space = text.find(' ', 1);
  if (space == std::string::npos || space + 1 == text.size())
    return corrupt("key '{}': entry {} is not two texts with a space between", kGgufKey, index);
  return std::pair(text.substr(0, space), text.substr(space + 1));
}

}  // namespace

Result<MergePairs> merges_of_tokenizer_json(const Json& model) {
  VB_TRY(const Json::Array* const entries, fields::array(model, "merges"));
  MergePairs merges;
  merges.reserve(entries->size());
  const bool as_list = !entries->empty() && entries->front().is_array();
  for (const Json& entry : *entries) {
    if (is_version_line(entry)) continue;
    VB_TRY(auto merge, pair_in_json(entry, as_list, merges.size()));
    merges.push_back(std::move(merge));
  }
  return merges;
}

Result<MergePairs> merges_of_gguf(const Json& metadata) {
  VB_TRY(const Json::Array* const entries, fields::array(metadata, kGgufKey));
  MergePairs merges;
  merges.reserve(entries->size());
  for (std::size_t i = 0; i < entries->size(); ++i) {
    if (is_version_line((*entries)[i])) continue;
    VB_TRY(auto merge, pair_in_gguf((*entries)[i], i));
    merges.push_back(std::move(merge));
  }
  return merges;
}

}  // namespace vauban
