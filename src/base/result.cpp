#include "base/result.h"

#include <algorithm>
#include <array>

namespace vauban {
namespace {

struct CodeName {
  ErrorCode code;
  std::string_view name;
};

constexpr std::array kCodeNames{
    CodeName{ErrorCode::invalid_input, "invalid_input"},
    CodeName{ErrorCode::corrupt, "corrupt"},
    CodeName{ErrorCode::not_found, "not_found"},
    CodeName{ErrorCode::unsupported, "unsupported"},
    CodeName{ErrorCode::io, "io"},
    CodeName{ErrorCode::resource, "resource"},
    CodeName{ErrorCode::cancelled, "cancelled"},
    CodeName{ErrorCode::internal, "internal"},
};

}  // namespace

std::string_view to_string(ErrorCode code) {
  for (const CodeName& entry : kCodeNames)
    if (entry.code == code) return entry.name;
  return "internal";
}

Result<ErrorCode> error_code_from(std::string_view name) {
  for (const CodeName& entry : kCodeNames)
    if (entry.name == name) return entry.code;
  return invalid_input("unknown error code '{}'", name);
}

std::string describe(const Error& error) {
  std::string line = error.message;
  for (const std::string& context : error.context) line += format(" ({})", context);
  if (!error.hint.empty()) line += format("; {}", error.hint);
  return line;
}

Error with_context(Error error, std::string line) {
  // Two layers may name the same file: once is enough.
  if (std::ranges::find(error.context, line) == error.context.end()) error.context.push_back(std::move(line));
  return error;
}

Error with_hint(Error error, std::string hint) {
  error.hint = std::move(hint);
  return error;
}

}  // namespace vauban
