#include "base/json.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <new>
#include <nlohmann/json.hpp>

#include "base/strings.h"

namespace vauban {
namespace {

constexpr std::size_t kMaxDepth = 256;
constexpr std::size_t kMaxMessageBytes = 300;

using Sax = nlohmann::json_sax<nlohmann::json>;

/// Reads `text` and tells how far the lexer has come, which the SAX events do not.
class CountingIterator {
 public:
  using iterator_category = std::input_iterator_tag;
  using value_type = char;
  using difference_type = std::ptrdiff_t;
  using pointer = const char*;
  using reference = const char&;

  CountingIterator(const char* at, const char** furthest) : at_(at), furthest_(furthest) {}
  reference operator*() const { return *at_; }
  CountingIterator& operator++() {
    *furthest_ = ++at_;
    return *this;
  }
  CountingIterator operator++(int) {
    CountingIterator before = *this;
    ++*this;
    return before;
  }
  bool operator==(const CountingIterator& other) const { return at_ == other.at_; }
  bool operator!=(const CountingIterator& other) const { return at_ != other.at_; }

 private:
  const char* at_;
  const char** furthest_;
};

/// `offset` is the byte that the message is about; columns count code points from 1.
Error error_at(std::string_view text, std::size_t offset, std::string_view what) {
  const std::string_view before = text.substr(0, std::min(offset, text.size()));
  const auto line = 1 + std::count(before.begin(), before.end(), '\n');
  const std::size_t newline = before.rfind('\n');
  const std::string_view row = newline == std::string_view::npos ? before : before.substr(newline + 1);
  const auto starts_code_point = [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; };
  const auto column = 1 + std::count_if(row.begin(), row.end(), starts_code_point);
  return corrupt("JSON line {}, column {}: {}", line, column, printable(what, kMaxMessageBytes));
}

/// The library's message without its own prefix and position: "[json...101] parse error at line 1, column 2: rest".
std::string_view without_prefix(std::string_view message) {
  if (const std::size_t bracket = message.find("] "); bracket != std::string_view::npos)
    message.remove_prefix(bracket + 2);
  if (!message.starts_with("parse error")) return message;
  const std::size_t colon = message.find(": ");
  return colon == std::string_view::npos ? message : message.substr(colon + 2);
}

/// Where the quoted key that ends just before `end` starts.
std::size_t key_start(std::string_view text, std::size_t end) {
  std::size_t at = end < 2 ? 0 : end - 2;  // the character before the closing quote
  for (; at > 0; --at) {
    if (text[at] != '"') continue;
    std::size_t slashes = 0;
    while (slashes < at && text[at - 1 - slashes] == '\\') ++slashes;
    if (slashes % 2 == 0) break;
  }
  return at;
}

}  // namespace

/// Builds the value from parser events. A false return stops the parser, with error() set.
struct Json::Builder final : Sax {
  explicit Builder(std::string_view source) : text(source), furthest(source.data()) {}

  std::string_view text;
  const char* furthest;
  Json root;
  std::vector<Json*> open;  // stable: a container does not grow while one of its children is open
  Json* member = nullptr;
  std::optional<Error> failure;

  std::size_t offset() const { return static_cast<std::size_t>(furthest - text.data()); }

  Json& slot() {
    if (open.empty()) return root;
    if (auto* array = std::get_if<Array>(&open.back()->value_)) return array->emplace_back();
    return *member;
  }
  bool put(Json value) {
    slot() = std::move(value);
    return true;
  }
  bool enter(Json container) {
    if (open.size() >= kMaxDepth) {
      failure = error_at(text, offset() - 1, format("nesting is deeper than {} levels", kMaxDepth));
      return false;
    }
    Json& here = slot();
    here = std::move(container);
    open.push_back(&here);
    return true;
  }
  bool leave() {
    open.pop_back();
    return true;
  }

  bool null() override { return put(Json()); }
  bool boolean(bool value) override { return put(value); }
  bool number_integer(number_integer_t value) override { return put(value); }
  bool number_unsigned(number_unsigned_t value) override { return put(value); }
  bool number_float(number_float_t value, const string_t&) override { return put(value); }
  bool string(string_t& value) override { return put(std::move(value)); }
  bool binary(binary_t&) override { return false; }  // not an event of the text form
  bool start_object(std::size_t) override { return enter(Json(Object{})); }
  bool end_object() override { return leave(); }
  bool start_array(std::size_t) override { return enter(Json(Array{})); }
  bool end_array() override { return leave(); }

  bool key(string_t& name) override {
    const auto [entry, is_new] = std::get<Object>(open.back()->value_).try_emplace(name);
    member = &entry->second;
    if (is_new) return true;
    failure = error_at(text, key_start(text, offset()), format("key '{}' appears twice in one object", name));
    return false;
  }
  bool parse_error(std::size_t position, const std::string&, const nlohmann::detail::exception& error) override {
    failure = error_at(text, position == 0 ? 0 : position - 1, without_prefix(error.what()));
    return false;
  }
};

Result<Json> Json::parse(std::string_view text) {
  // The library takes a NUL byte for the end of the text and would ignore what follows.
  if (const std::size_t nul = text.find('\0'); nul != std::string_view::npos)
    return error_at(text, nul, "a NUL byte is not JSON");
  if (text.starts_with("\xEF\xBB\xBF")) return error_at(text, 0, "a byte order mark is not JSON");
  try {
    Builder builder(text);
    const CountingIterator first(text.data(), &builder.furthest);
    const CountingIterator last(text.data() + text.size(), &builder.furthest);
    const bool complete = nlohmann::json::sax_parse(first, last, static_cast<Sax*>(&builder));
    if (builder.failure) return *std::move(builder.failure);
    if (!complete) return internal("the JSON parser stopped without saying why");
    return std::move(builder.root);
  } catch (const std::bad_alloc&) {
    return resource("not enough memory for a JSON text of {} bytes", text.size());
  } catch (const std::exception& error) {
    return internal("the JSON parser failed: {}", printable(error.what(), kMaxMessageBytes));
  }
}

Json::~Json() = default;
Json::Json(const Json&) = default;
Json::Json(Json&&) noexcept = default;
Json& Json::operator=(const Json&) = default;
Json& Json::operator=(Json&&) noexcept = default;

Json Json::object(std::initializer_list<std::pair<std::string, Json>> entries) {
  Object members;
  for (const auto& [key, value] : entries) members.insert_or_assign(key, value);
  return Json(std::move(members));
}

bool Json::is_integer() const {
  return std::holds_alternative<std::int64_t>(value_) || std::holds_alternative<std::uint64_t>(value_);
}

bool Json::is_number() const {
  return is_integer() || std::holds_alternative<float>(value_) || std::holds_alternative<double>(value_);
}

std::string_view Json::type_name() const {
  if (is_null()) return "null";
  if (is_bool()) return "boolean";
  if (is_integer()) return "integer";
  if (is_number()) return "number";
  if (is_string()) return "string";
  return is_array() ? "array" : "object";
}

bool Json::as_bool() const {
  const bool* value = std::get_if<bool>(&value_);
  return value && *value;
}

std::int64_t Json::as_int() const {
  using Limits = std::numeric_limits<std::int64_t>;
  if (const auto* value = std::get_if<std::int64_t>(&value_)) return *value;
  if (std::holds_alternative<std::uint64_t>(value_)) return Limits::max();  // the constructor keeps smaller ones signed
  const double value = as_double();
  if (std::isnan(value)) return 0;
  if (value >= 0x1p63) return Limits::max();
  return value < -0x1p63 ? Limits::min() : static_cast<std::int64_t>(value);
}

double Json::as_double() const {
  if (const auto* value = std::get_if<double>(&value_)) return *value;
  if (const auto* value = std::get_if<float>(&value_)) return *value;
  if (const auto* value = std::get_if<std::int64_t>(&value_)) return static_cast<double>(*value);
  if (const auto* value = std::get_if<std::uint64_t>(&value_)) return static_cast<double>(*value);
  return 0;
}

const std::string& Json::as_string() const {
  static const std::string kEmpty;
  const auto* value = std::get_if<std::string>(&value_);
  return value ? *value : kEmpty;
}

const Json::Array& Json::items() const {
  static const Array kEmpty;
  const auto* value = std::get_if<Array>(&value_);
  return value ? *value : kEmpty;
}

const Json::Object& Json::entries() const {
  static const Object kEmpty;
  const auto* value = std::get_if<Object>(&value_);
  return value ? *value : kEmpty;
}

const Json* Json::find(std::string_view key) const {
  const Object& members = entries();
  const auto entry = members.find(key);
  return entry == members.end() ? nullptr : &entry->second;
}

Json& Json::operator[](std::string_view key) {
  if (!is_object()) value_ = Object{};
  Object& members = std::get<Object>(value_);
  const auto entry = members.lower_bound(key);
  if (entry != members.end() && entry->first == key) return entry->second;
  return members.emplace_hint(entry, std::string(key), Json())->second;
}

void Json::push_back(Json item) {
  if (!is_array()) value_ = Array{};
  std::get<Array>(value_).push_back(std::move(item));
}

std::size_t Json::size() const { return is_array() ? items().size() : entries().size(); }

namespace {

/// The member `key`, which must pass `is_wanted`.
template <class Test>
Result<const Json*> member_of(const Json& value, std::string_view key, std::string_view wanted, Test is_wanted) {
  const std::string name = printable(key, kMaxMessageBytes);
  if (!value.is_object())
    return corrupt("expected an object with the key '{}', found {} {}", name, value.type_name() == "array" ? "an" : "a",
                   value.type_name());
  const Json* found = value.find(key);
  if (!found) return corrupt("expected {} at key '{}', but the key is missing", wanted, name);
  if (!is_wanted(*found)) return corrupt("expected {} at key '{}', found {}", wanted, name, found->type_name());
  return found;
}

}  // namespace

Result<std::string> Json::get_string(std::string_view key) const {
  VB_TRY(const Json* found, member_of(*this, key, "a string", [](const Json& v) { return v.is_string(); }));
  return found->as_string();
}

Result<std::int64_t> Json::get_int(std::string_view key) const {
  VB_TRY(const Json* found, member_of(*this, key, "an integer", [](const Json& v) { return v.is_integer(); }));
  if (const auto* large = std::get_if<std::uint64_t>(&found->value_))
    return corrupt("expected an integer of 64 bits with sign at key '{}', found {}", printable(key, kMaxMessageBytes),
                   *large);
  return found->as_int();
}

Result<double> Json::get_double(std::string_view key) const {
  VB_TRY(const Json* found, member_of(*this, key, "a number", [](const Json& v) { return v.is_number(); }));
  return found->as_double();
}

Result<bool> Json::get_bool(std::string_view key) const {
  VB_TRY(const Json* found, member_of(*this, key, "a boolean", [](const Json& v) { return v.is_bool(); }));
  return found->as_bool();
}

Result<const Json*> Json::get_array(std::string_view key) const {
  return member_of(*this, key, "an array", [](const Json& v) { return v.is_array(); });
}

Result<const Json*> Json::get_object(std::string_view key) const {
  return member_of(*this, key, "an object", [](const Json& v) { return v.is_object(); });
}

}  // namespace vauban
