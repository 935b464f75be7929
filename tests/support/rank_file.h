/// For tests: byte-level BPE vocabularies that lie in the shared data as tiktoken ranks (base64 of a token, a space, its
/// rank), with the merges that GGUF and tokenizer.json need worked out from the ranks.
#pragma once

#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/strings.h"
#include "support/test_data.h"
#include "text/byte_alphabet.h"

namespace vauban::test {

struct RankFile {
  std::vector<std::string> tokens;                          ///< by id, in the letters of byte-level BPE
  std::vector<std::pair<std::string, std::string>> merges;  ///< best first, in those letters
};

namespace rank_file_detail {

inline std::string from_base64(std::string_view text) {
  constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  unsigned bits = 0, count = 0;
  for (const char c : text) {
    const auto digit = kDigits.find(c);
    if (digit == std::string_view::npos) break;
    bits = bits << 6 | static_cast<unsigned>(digit);
    count += 6;
    if (count < 8) continue;
    count -= 8;
    out.push_back(static_cast<char>(bits >> count & 0xFF));
  }
  return out;
}

inline std::string letters(std::string_view bytes) {
  std::string out;
  for (const char byte : bytes) out += letter_of(static_cast<std::uint8_t>(byte));
  return out;
}

using Ranks = std::unordered_map<std::string, std::size_t>;

/// The two tokens that were joined to make `token`: merging its bytes by rank, below its own, until two are left.
inline std::pair<std::string, std::string> parents(const std::string& token, std::size_t rank, const Ranks& ranks) {
  std::vector<std::string> parts;
  for (const char byte : token) parts.emplace_back(1, byte);
  while (parts.size() > 2) {
    std::size_t best = rank, at = parts.size();
    for (std::size_t i = 0; i + 1 < parts.size(); ++i) {
      const auto entry = ranks.find(parts[i] + parts[i + 1]);
      if (entry != ranks.end() && entry->second < best) best = entry->second, at = i;
    }
    if (at == parts.size()) return {};  // no merge reaches this token
    parts[at] += parts[at + 1];
    parts.erase(parts.begin() + static_cast<std::ptrdiff_t>(at) + 1);
  }
  return {parts[0], parts[1]};
}

}  // namespace rank_file_detail

inline RankFile read_rank_file(const std::filesystem::path& path) {
  namespace detail = rank_file_detail;
  std::vector<std::string> bytes;
  const std::string file = read_text(path);
  for (const std::string_view line : split(file, '\n'))
    if (line.find(' ') != std::string_view::npos) bytes.push_back(detail::from_base64(line.substr(0, line.find(' '))));
  detail::Ranks ranks;
  for (std::size_t i = 0; i < bytes.size(); ++i) ranks.emplace(bytes[i], i);
  RankFile out;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    out.tokens.push_back(detail::letters(bytes[i]));
    if (bytes[i].size() < 2) continue;
    const auto [left, right] = detail::parents(bytes[i], i, ranks);
    if (!left.empty()) out.merges.emplace_back(detail::letters(left), detail::letters(right));
  }
  return out;
}

/// Texts and ids of a ggml-vocab pair (`base`.inp, `base`.out): made with Hugging Face's tokenizers, without specials.
inline std::vector<std::pair<std::string, std::vector<std::int32_t>>> read_ggml_rows(const std::filesystem::path& base) {
  const std::string inputs = read_text(base.string() + ".inp"), outputs = read_text(base.string() + ".out");
  const auto lines = split(outputs, '\n');
  const std::string separator = "\n__ggml_vocab_test__\n";
  std::vector<std::pair<std::string, std::vector<std::int32_t>>> rows;
  for (std::size_t at = 0; at < inputs.size() && rows.size() < lines.size();) {
    const std::size_t end = std::min(inputs.find(separator, at), inputs.size());
    std::vector<std::int32_t> ids;
    for (const std::string_view number : split(lines[rows.size()], ' '))
      if (!number.empty()) ids.push_back(static_cast<std::int32_t>(parse_int(number).value_or(-1)));
    rows.emplace_back(inputs.substr(at, end - at), std::move(ids));
    at = end + separator.size();
  }
  return rows;
}

}  // namespace vauban::test
