/// Result<T>: either a value or an Error, on tl::expected.
///
///   Result<int> parse(std::string_view s) {
///     if (s.empty()) return invalid_input("expected a number, found nothing");
///     VB_TRY(const int n, to_int(s));                        // returns the error to the caller
///     VB_CHECK(check_range(n), "in option '--{}'", name);    // the same for Result<void>, with context added
///     return n;
///   }
#pragma once

#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <utility>

#include "base/format.h"
#include "vauban/result.h"

namespace vauban {

template <class T>
class [[nodiscard]] Result : public tl::expected<T, Error> {
  using Base = tl::expected<T, Error>;

 public:
  using Base::Base;
  Result(Error error) : Base(tl::unexpected<Error>(std::move(error))) {}  // NOLINT: implicit on purpose
};

/// The value that a Result<void> holds on success: `return ok();`
inline Result<void> ok() { return {}; }

/// snake_case name of the code, as printed in JSON.
std::string_view to_string(ErrorCode code);
Result<ErrorCode> error_code_from(std::string_view name);

/// One line: message, then the context chain, then the hint.
std::string describe(const Error& error);

/// The same error with one more outer context line.
Error with_context(Error error, std::string line);
Error with_hint(Error error, std::string hint);

template <class... Args>
Error make_error(ErrorCode code, fmt::format_string<Args...> text, Args&&... args) {
  return Error{code, fmt::format(text, std::forward<Args>(args)...), {}, {}};
}

#define VB_DEFINE_ERROR(name)                                              \
  template <class... Args>                                                 \
  Error name(fmt::format_string<Args...> text, Args&&... args) {           \
    return make_error(ErrorCode::name, text, std::forward<Args>(args)...); \
  }
VB_DEFINE_ERROR(invalid_input)
VB_DEFINE_ERROR(corrupt)
VB_DEFINE_ERROR(not_found)
VB_DEFINE_ERROR(unsupported)
VB_DEFINE_ERROR(io)
VB_DEFINE_ERROR(resource)
VB_DEFINE_ERROR(cancelled)
VB_DEFINE_ERROR(internal)
#undef VB_DEFINE_ERROR

#define VB_CONCAT_INNER(a, b) a##b
#define VB_CONCAT(a, b) VB_CONCAT_INNER(a, b)

/// Declares a variable from a Result, or returns its error. Optional further arguments format a context line.
#define VB_TRY(declaration, expression, ...)                                                             \
  auto VB_CONCAT(vb_result_, __LINE__) = (expression);                                                   \
  if (!VB_CONCAT(vb_result_, __LINE__))                                                                  \
    return ::vauban::detail::annotate(                                                                   \
        std::move(VB_CONCAT(vb_result_, __LINE__)).error() __VA_OPT__(, ::vauban::format(__VA_ARGS__))); \
  declaration = *std::move(VB_CONCAT(vb_result_, __LINE__))

/// Returns the error of a Result<void> (or of a Result whose value is not needed).
#define VB_CHECK(expression, ...)                                                                                  \
  do {                                                                                                             \
    if (auto vb_result = (expression); !vb_result)                                                                 \
      return ::vauban::detail::annotate(std::move(vb_result).error() __VA_OPT__(, ::vauban::format(__VA_ARGS__))); \
  } while (false)

namespace detail {
inline Error annotate(Error error) { return error; }
inline Error annotate(Error error, std::string line) { return with_context(std::move(error), std::move(line)); }
}  // namespace detail

}  // namespace vauban
