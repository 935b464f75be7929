/// For tests: rows of the shared expected.jsonl files, and offsets in their unit (code points).
#pragma once

#include <gtest/gtest.h>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "base/strings.h"
#include "support/test_data.h"
#include "text/tokenizer.h"
#include "text/unicode.h"

namespace vauban::test {

inline std::vector<Json> read_rows(const std::string& relative) {
  std::vector<Json> rows;
  const std::string text = read_text(shared_data() / relative);
  for (const std::string_view line : split(text, '\n')) {
    if (trim(line).empty()) continue;
    auto row = Json::parse(line);
    if (!row) {
      ADD_FAILURE() << relative << ": " << describe(row.error());
      break;
    }
    rows.push_back(*std::move(row));
  }
  return rows;
}

inline std::vector<std::int32_t> ids_of(const Json& list) {
  std::vector<std::int32_t> ids;
  for (const Json& id : list.items()) ids.push_back(static_cast<std::int32_t>(id.as_int()));
  return ids;
}

inline std::string text_of(const Json& row, std::string_view key) {
  const Json* member = row.find(key);
  return member ? member->as_string() : std::string();
}

/// Byte offsets of the input as code points.
inline std::vector<TokenSpan> in_code_points(const std::vector<TokenSpan>& spans, std::string_view text) {
  std::vector<TokenSpan> out;
  for (const TokenSpan& span : spans)
    out.push_back({count_code_points(text.substr(0, span.begin)), count_code_points(text.substr(0, span.end))});
  return out;
}

inline std::vector<TokenSpan> spans_of(const Json& list) {
  std::vector<TokenSpan> out;
  for (const Json& pair : list.items())
    out.push_back(
        {static_cast<std::size_t>(pair.items()[0].as_int()), static_cast<std::size_t>(pair.items()[1].as_int())});
  return out;
}

/// How many rows of a set agreed, and the first few that did not.
struct Score {
  int rows = 0, ids = 0, offsets = 0, decodes = 0;
  std::string misses;

  void count(int& counter, bool good, const std::string& what) {
    counter += good ? 1 : 0;
    if (!good && misses.size() < 1500) misses += what + "\n";
  }
};

inline std::string show(const std::vector<std::int32_t>& ids) {
  std::string out;
  for (const std::int32_t id : ids) out += format(" {}", id);
  return out;
}
inline std::string show(const std::vector<TokenSpan>& spans) {
  std::string out;
  for (const TokenSpan& span : spans) out += format(" {}-{}", span.begin, span.end);
  return out;
}

/// The tokenizer of a folder or file of the shared data.
inline Result<std::shared_ptr<const Tokenizer>> load_shared_json(const std::string& relative,
                                                                 const TokenizerHints& hints = {}) {
  return load_tokenizer_json(read_text(shared_data() / relative), hints);
}

/// All pieces of a stream, joined.
inline std::string streamed(const Tokenizer& tokenizer, const std::vector<std::int32_t>& ids, bool skip_special) {
  StreamDecoder stream(tokenizer, skip_special);
  std::string all;
  for (const std::int32_t id : ids) {
    const auto piece = stream.push(id);
    if (!piece) return "error: " + describe(piece.error());
    if (first_invalid_utf8(*piece)) return "error: a piece splits a code point";
    all += *piece;
  }
  const auto rest = stream.finish();
  return rest ? all + *rest : "error: " + describe(rest.error());
}

}  // namespace vauban::test
