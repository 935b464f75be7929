#include "evidence/scorers/text.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/strings.h"

namespace vauban::scoring {
namespace {

constexpr std::array<std::pair<std::string_view, std::string_view>, 15> kFolds{{
    {"\u2018", "'"}, {"\u2019", "'"}, {"\u201B", "'"}, {"\u2032", "'"}, {"\u02BC", "'"}, {"\u00B4", "'"}, {"\u201C", "\""}, {"\u201D", "\""},
    {"\u00AB", "\""}, {"\u00BB", "\""}, {"\u2013", "-"}, {"\u2014", "-"}, {"\u2011", "-"}, {"\u00A0", " "}, {"\u202F", " "},
}};

constexpr std::array<std::pair<std::string_view, std::string_view>, 4> kReasoning{{
    {"<think>", "</think>"}, {"<thinking>", "</thinking>"}, {"<reasoning>", "</reasoning>"}, {"<|channel|>analysis", "<|channel|>final"},
}};

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v'; }

}  // namespace

std::string ascii_lower(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return out;
}

bool contains_any(std::string_view lowered, const std::vector<std::string_view>& phrases) {
  return std::any_of(phrases.begin(), phrases.end(), [&](std::string_view p) { return lowered.find(p) != std::string_view::npos; });
}

std::vector<std::string_view> words_of(std::string_view text) {
  std::vector<std::string_view> words;
  for (std::size_t i = 0; i < text.size();) {
    while (i < text.size() && is_space(text[i])) ++i;
    const std::size_t begin = i;
    while (i < text.size() && !is_space(text[i])) ++i;
    if (i > begin) words.push_back(text.substr(begin, i - begin));
  }
  return words;
}

double count_code_points(std::string_view text) {
  return static_cast<double>(std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

std::string normalise(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size();) {
    const auto fold = std::find_if(kFolds.begin(), kFolds.end(), [&](const auto& f) { return text.substr(i).starts_with(f.first); });
    if (fold == kFolds.end()) {
      out += text[i++];
    } else {
      out += fold->second;
      i += fold->first.size();
    }
  }
  return ascii_lower(out);
}

std::string strip_reasoning(std::string_view text) {
  std::string out(text);
  for (const auto& [open, close] : kReasoning)
    for (std::size_t begin = out.find(open); begin != std::string::npos; begin = out.find(open)) {
      const std::size_t end = out.find(close, begin);
      out.erase(begin, end == std::string::npos ? std::string::npos : end + close.size() - begin);
    }
  // A template may have opened the block in the prompt: then only its end is in the answer.
  for (const auto& [open, close] : kReasoning)
    if (const std::size_t end = out.find(close); end != std::string::npos) out.erase(0, end + close.size());
  return std::string(trim(out));
}

std::string_view opening(std::string_view text, std::size_t limit) {
  if (text.size() <= limit) return text;
  const std::size_t end = text.substr(0, limit).find_last_of(".!?\n");
  return text.substr(0, end == std::string_view::npos ? limit : end + 1);
}

std::vector<std::string_view> sentences_of(std::string_view text) {
  std::vector<std::string_view> out;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t mark = text.find_first_of(".!?\n", begin);
    const std::size_t end = mark == std::string_view::npos ? text.size() : mark + 1;
    const std::string_view sentence = trim(text.substr(begin, end - begin));
    if (!sentence.empty()) out.push_back(sentence);
    begin = end;
  }
  return out;
}

}  // namespace vauban::scoring
