#include "text/template/from_json.h"

#include <nlohmann/json.hpp>

namespace vauban::jinja {
namespace {

Result<Value> from_number(const Json& json) {
  if (!json.is_integer()) return Value(json.as_double());
  const auto text = json.dump();  // the one exact way to read what exceeds 63 bits
  if (!text) return text.error();
  Integer value = 0;
  for (const char c : *text)
    if (c != '-') value = value * 10 + (c - '0');
  return Value(text->starts_with('-') ? -value : value);
}

/// Parser events to values. Json::parse has already seen the text: it is well formed, and not too deep.
struct OrderedBuilder final : nlohmann::json_sax<nlohmann::json> {
  struct Open {
    bool is_list = false;
    std::vector<Value> items;
    std::shared_ptr<Dict> dict;
    std::string key;
  };
  std::vector<Open> open;
  Value root;

  bool put(Value value) {
    if (open.empty()) {
      root = std::move(value);
      return true;
    }
    if (open.back().is_list) {
      open.back().items.push_back(std::move(value));
      return true;
    }
    return open.back().dict->set(Value(open.back().key), std::move(value)).has_value();
  }
  bool null() override { return put(Value::none()); }
  bool boolean(bool value) override { return put(Value(value)); }
  bool number_integer(number_integer_t value) override { return put(Value(static_cast<Integer>(value))); }
  bool number_unsigned(number_unsigned_t value) override { return put(Value(static_cast<Integer>(value))); }
  bool number_float(number_float_t value, const string_t&) override { return put(Value(value)); }
  bool string(string_t& value) override { return put(Value(std::move(value))); }
  bool binary(binary_t&) override { return false; }
  bool start_object(std::size_t) override {
    open.push_back({.is_list = false, .items = {}, .dict = std::make_shared<Dict>(), .key = {}});
    return true;
  }
  bool key(string_t& value) override {
    open.back().key = value;
    return true;
  }
  bool end_object() override {
    Value made{std::shared_ptr<const Dict>(std::move(open.back().dict))};
    open.pop_back();
    return put(std::move(made));
  }
  bool start_array(std::size_t) override {
    open.push_back({.is_list = true, .items = {}, .dict = nullptr, .key = {}});
    return true;
  }
  bool end_array() override {
    Value made = Value::list(std::move(open.back().items));
    open.pop_back();
    return put(std::move(made));
  }
  bool parse_error(std::size_t, const std::string&, const nlohmann::detail::exception&) override { return false; }
};

}  // namespace

Result<Value> from_json(const Json& json) {
  if (json.is_null()) return Value::none();
  if (json.is_bool()) return Value(json.as_bool());
  if (json.is_number()) return from_number(json);
  if (json.is_string()) return Value(json.as_string());
  if (json.is_array()) {
    std::vector<Value> items;
    for (const Json& item : json.items()) {
      VB_TRY(Value value, from_json(item));
      items.push_back(std::move(value));
    }
    return checked(Value::list(std::move(items)));
  }
  auto dict = std::make_shared<Dict>();
  for (const auto& [key, item] : json.entries()) {
    VB_TRY(Value value, from_json(item));
    VB_CHECK(dict->set(Value(key), std::move(value)));
  }
  return checked(Value(std::shared_ptr<const Dict>(std::move(dict))));
}

Result<Value> from_json_text(std::string_view text) {
  VB_CHECK(Json::parse(text));
  OrderedBuilder builder;
  if (!nlohmann::json::sax_parse(text.begin(), text.end(), &builder)) return internal("JSON that was accepted could not be read again");
  return checked(std::move(builder.root));
}

}  // namespace vauban::jinja
