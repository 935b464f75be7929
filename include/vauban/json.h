/// Json: the one JSON value of the project. Owned, ordered, byte-stable.
///
/// Objects keep their keys sorted; numbers are written shortest round-trip (a float as f32, a double as f64); NaN and
/// infinities cannot be written. Parsing is strict: UTF-8, no duplicate keys, no trailing text, nesting <= 256.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <map>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "vauban/result.h"

namespace vauban {

class Json {
 public:
  using Array = std::vector<Json>;
  using Object = std::map<std::string, Json, std::less<>>;

  Json() = default;  ///< null
  // Out of line: inlined, the variant makes gcc 12 warn of uninitialised members wherever a Json is returned.
  ~Json();
  Json(const Json&);
  Json(Json&&) noexcept;
  Json& operator=(const Json&);
  Json& operator=(Json&&) noexcept;
  Json(std::nullptr_t) {}
  Json(bool value) : value_(value) {}
  Json(float value) : value_(value) {}
  Json(double value) : value_(value) {}
  template <class T>
    requires(std::is_integral_v<T> && !std::is_same_v<T, bool>)
  Json(T value) {
    if (std::in_range<std::int64_t>(value))
      value_ = static_cast<std::int64_t>(value);
    else
      value_ = static_cast<std::uint64_t>(value);  // only what does not fit, so that equal integers compare equal
  }
  template <class T>
  Json(const T*) = delete;  ///< a pointer would become a bool
  Json(const char* value) : value_(std::string(value)) {}
  Json(std::string_view value) : value_(std::string(value)) {}
  Json(std::string value) : value_(std::move(value)) {}
  Json(Array value) : value_(std::move(value)) {}
  Json(Object value) : value_(std::move(value)) {}
  template <class T>
    requires(!std::is_same_v<T, Json> && std::is_constructible_v<Json, const T&>)
  Json(const std::vector<T>& values) : value_(Array(values.begin(), values.end())) {}
  /// null when empty.
  template <class T>
    requires std::is_constructible_v<Json, const T&>
  static Json optional(const T* value) {
    return value ? Json(*value) : Json();
  }

  /// Json::object({{"id", 3}, {"name", "x"}})
  static Json object(std::initializer_list<std::pair<std::string, Json>> entries = {});
  static Json array(std::initializer_list<Json> items = {}) { return Json(Array(items)); }

  bool is_null() const { return std::holds_alternative<std::monostate>(value_); }
  bool is_bool() const { return std::holds_alternative<bool>(value_); }
  bool is_integer() const;  ///< written without fraction or exponent, and in range
  bool is_number() const;
  bool is_string() const { return std::holds_alternative<std::string>(value_); }
  bool is_array() const { return std::holds_alternative<Array>(value_); }
  bool is_object() const { return std::holds_alternative<Object>(value_); }
  std::string_view type_name() const;  ///< "null", "boolean", "integer", "number", "string", "array", "object"

  /// Unchecked reads: the kind must have been tested. A wrong kind gives false, 0, an empty string or container.
  bool as_bool() const;
  std::int64_t as_int() const;  ///< a non-integer number truncates, saturating
  double as_double() const;
  const std::string& as_string() const;
  const Array& items() const;
  const Object& entries() const;

  /// Member of an object, or nullptr (also when this is not an object).
  const Json* find(std::string_view key) const;
  /// Member for writing; this becomes an object if it is null.
  Json& operator[](std::string_view key);
  void push_back(Json item);  ///< this becomes an array if it is null
  std::size_t size() const;   ///< of an array or object, else 0

  /// Checked members of an object. Errors: corrupt, with the key, what was expected and what was found.
  Result<std::string> get_string(std::string_view key) const;
  Result<std::int64_t> get_int(std::string_view key) const;
  Result<double> get_double(std::string_view key) const;
  Result<bool> get_bool(std::string_view key) const;
  Result<const Json*> get_array(std::string_view key) const;
  Result<const Json*> get_object(std::string_view key) const;

  /// Compact with `indent` < 0, else that many spaces per level. Sorted keys; UTF-8 kept as is.
  /// Errors: invalid_input for NaN or infinity (with the path of the value), or for a string that is not UTF-8.
  Result<std::string> dump(int indent = -1) const;

  /// Errors: corrupt, with line, column and what was expected.
  static Result<Json> parse(std::string_view text);

  friend bool operator==(const Json&, const Json&) = default;

 private:
  struct Builder;  // of parse()
  struct Writer;   // of dump()
  std::variant<std::monostate, bool, std::int64_t, std::uint64_t, float, double, std::string, Array, Object> value_;
};

}  // namespace vauban
