#include "text/regex.h"

#include <array>
#include <mutex>
#include <oniguruma.h>

#include "text/known_cuts.h"
#include "text/unicode.h"

namespace vauban {
namespace {

constexpr std::size_t kMaxPatternBytes = 64 * 1024;
// Backtracking steps: what every search may take, and what all searches of a text may take beyond that. Oniguruma does not tell
// how many it took, so a search that gives up is repeated with twice as many, which are then counted as taken.
constexpr unsigned long kFreeSteps = 512;
constexpr unsigned long kSpareSteps = 1 << 16;
constexpr unsigned long kSpareStepsPerByte = 512;
// Entries of the match stack (about 40 bytes each): a greedy run keeps one for each character.
constexpr unsigned int kMaxStack = 16'000'000;

const OnigUChar* bytes_of(std::string_view text) { return reinterpret_cast<const OnigUChar*>(text.data()); }

void initialise_library() {
  static std::once_flag once;
  std::call_once(once, [] {
    OnigEncoding encodings[] = {ONIG_ENCODING_UTF8};
    onig_initialize(encodings, 1);
  });
}

std::string message_of(int code, OnigErrorInfo* info) {
  std::array<OnigUChar, ONIG_MAX_ERROR_MESSAGE_LEN> buffer{};
  const int size =
      info ? onig_error_code_to_str(buffer.data(), code, info) : onig_error_code_to_str(buffer.data(), code);
  return {reinterpret_cast<const char*>(buffer.data()), static_cast<std::size_t>(size)};
}

struct FreeRegion {
  void operator()(OnigRegion* region) const { onig_region_free(region, 1); }
};
struct FreeParams {
  void operator()(OnigMatchParam* params) const { onig_free_match_param(params); }
};
using Region = std::unique_ptr<OnigRegion, FreeRegion>;
using Params = std::unique_ptr<OnigMatchParam, FreeParams>;

/// Searches one text.
class Searcher {
 public:
  Searcher(regex_t* regex, std::string_view text)
      : regex_(regex), text_(text), spare_(kSpareSteps + kSpareStepsPerByte * static_cast<unsigned long>(text.size())) {
    onig_initialize_match_param(params_.get());
    onig_set_match_stack_limit_size_of_match_param(params_.get(), kMaxStack);
  }

  /// What onig_search says.
  int search(std::size_t from) {
    unsigned long steps = kFreeSteps;
    int at = search(from, steps);
    while (gave_up(at) && 2 * steps <= spare_) {
      steps *= 2;
      spare_ -= steps;
      at = search(from, steps);
    }
    return at;
  }
  ByteRange match() const { return {static_cast<std::size_t>(region_->beg[0]), static_cast<std::size_t>(region_->end[0])}; }

 private:
  static bool gave_up(int code) {
    return code == ONIGERR_RETRY_LIMIT_IN_MATCH_OVER || code == ONIGERR_RETRY_LIMIT_IN_SEARCH_OVER;
  }
  int search(std::size_t from, unsigned long steps) {
    onig_set_retry_limit_in_match_of_match_param(params_.get(), steps);
    onig_set_retry_limit_in_search_of_match_param(params_.get(), steps);
    const OnigUChar *const begin = bytes_of(text_), *const end = begin + text_.size();
    return onig_search_with_param(regex_, begin, end, begin + from, end, region_.get(), ONIG_OPTION_NONE, params_.get());
  }

  regex_t* regex_;
  std::string_view text_;
  unsigned long spare_;
  const Region region_{onig_region_new()};
  const Params params_{onig_new_match_param()};
};

/// Where the next search starts after an empty match that was left out.
std::size_t step_over(std::string_view text, std::size_t at) {
  return at + (at < text.size() ? code_point_at(text, at).size : 1);
}

}  // namespace

struct Regex::Program {
  regex_t* handle = nullptr;
  Program() = default;
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;
  ~Program() { onig_free(handle); }
};

Regex::Regex(std::string pattern, std::shared_ptr<const Program> program)
    : pattern_(std::move(pattern)), program_(std::move(program)), cut_(find_known_cut(pattern_)) {}

Result<Regex> Regex::compile(std::string_view pattern) {
  if (pattern.size() > kMaxPatternBytes)
    return unsupported("a regular expression of {} bytes; at most {} are read", pattern.size(), kMaxPatternBytes);
  if (const auto bad = first_invalid_utf8(pattern))
    return corrupt("a regular expression is not UTF-8 at byte {}", *bad);
  initialise_library();
  auto program = std::make_shared<Program>();
  OnigErrorInfo info{};
  const int code = onig_new(&program->handle, bytes_of(pattern), bytes_of(pattern) + pattern.size(), ONIG_OPTION_NONE,
                            ONIG_ENCODING_UTF8, ONIG_SYNTAX_RUBY, &info);
  if (code != ONIG_NORMAL) {
    program->handle = nullptr;
    return corrupt("regular expression '{}': {}", pattern, message_of(code, &info));
  }
  return Regex(std::string(pattern), std::move(program));
}

Result<std::vector<ByteRange>> Regex::find_all(std::string_view text) const {
  std::vector<ByteRange> matches;
  if (cut_) {
    cut_(text, matches);
    return matches;
  }
  Searcher searcher(program_->handle, text);
  std::size_t from = 0;
  while (from <= text.size()) {
    const int at = searcher.search(from);
    if (at == ONIG_MISMATCH) break;
    if (at < 0)
      return resource("regular expression '{}' gave up at byte {} of {}: {}", pattern_, from, text.size(),
                      message_of(at, nullptr));
    const ByteRange match = searcher.match();
    if (match.begin == match.end && !matches.empty() && matches.back().end == match.end) {
      from = step_over(text, from);
      continue;
    }
    matches.push_back(match);
    from = match.end;
  }
  return matches;
}

std::vector<ByteRange> find_all_literal(std::string_view text, std::string_view literal) {
  std::vector<ByteRange> matches;
  if (literal.empty()) {
    for (std::size_t at = 0; at <= text.size(); at = step_over(text, at)) matches.push_back({at, at});
    return matches;
  }
  for (std::size_t at = text.find(literal); at != std::string_view::npos; at = text.find(literal, at + literal.size()))
    matches.push_back({at, at + literal.size()});
  return matches;
}

std::vector<CodePointRange> code_points_with(std::string_view property) {
  initialise_library();
  OnigEncoding const utf8 = ONIG_ENCODING_UTF8;
  OnigUChar* const name = const_cast<OnigUChar*>(bytes_of(property));  // the library only reads it
  const int type = utf8->property_name_to_ctype(utf8, name, name + property.size());
  const OnigCodePoint* ranges = nullptr;
  OnigCodePoint single_bytes = 0;
  std::vector<CodePointRange> out;
  if (type < 0 || utf8->get_ctype_code_range(static_cast<OnigCtype>(type), &single_bytes, &ranges) != 0) return out;
  for (int i = 0; i < ONIGENC_CODE_RANGE_NUM(ranges); ++i)
    out.push_back({ONIGENC_CODE_RANGE_FROM(ranges, i), ONIGENC_CODE_RANGE_TO(ranges, i)});
  return out;
}

}  // namespace vauban
