#include "text/template/value.h"

#include <algorithm>
#include <cmath>

#include "text/template/python_text.h"

namespace vauban::jinja {
namespace {

/// Equal keys have equal canonical text. Nothing for what cannot be hashed.
std::optional<std::string> canonical_key(const Value& key) {
  switch (key.kind()) {
    case Kind::none: return "n";
    case Kind::boolean:
    case Kind::integer: return "i" + integer_text(key.whole());
    case Kind::real: {
      const double value = key.real();
      if (std::trunc(value) == value && std::abs(value) < 1e18) return "i" + integer_text(static_cast<Integer>(value));
      return "f" + float_text(value);
    }
    case Kind::string: return "s" + key.text();
    case Kind::tuple: {
      std::string out = "t";
      for (const Value& item : key.items()) {
        const auto part = canonical_key(item);
        if (!part) return std::nullopt;
        out += std::to_string(part->size()) + ":" + *part;
      }
      return out;
    }
    case Kind::object: return "o" + std::to_string(reinterpret_cast<std::uintptr_t>(key.identity()));
    default: return std::nullopt;
  }
}

template <class T>
const T& or_empty(const std::shared_ptr<const T>* held) {
  static const T empty{};
  return held && *held ? **held : empty;
}

}  // namespace

Result<void> Dict::set(Value key, Value value) {
  const auto canonical = canonical_key(key);
  if (!canonical) return invalid_input("TypeError: a {} cannot be the key of a dict", key.type_name());
  depth_ = std::max({depth_, 1 + key.depth(), 1 + value.depth()});
  const auto [place, is_new] = index_.emplace(*canonical, entries_.size());
  if (is_new)
    entries_.emplace_back(std::move(key), std::move(value));
  else
    entries_[place->second].second = std::move(value);
  return ok();
}

const Value* Dict::at_key(const std::string& key) const {
  const auto place = index_.find(key);
  return place == index_.end() ? nullptr : &entries_[place->second].second;
}

const Value* Dict::find(const Value& key) const {
  const auto canonical = canonical_key(key);
  return canonical ? at_key(*canonical) : nullptr;
}

const Value* Dict::find(std::string_view key) const { return at_key("s" + std::string(key)); }

std::string Object::text() const { return format("<{}>", type_name()); }
std::optional<Value> Object::attribute(std::string_view) { return std::nullopt; }
Result<Value> Object::call(Evaluator&, const Arguments&) {
  return invalid_input("TypeError: '{}' object is not callable", type_name());
}

Value Value::undefined(std::string message) {
  return Value(Kind::undefined, std::make_shared<const std::string>(std::move(message)));
}

Value::Value(std::string text, bool safe)
    : kind_(Kind::string), safe_(safe), data_(std::make_shared<const std::string>(std::move(text))) {}

Value Value::sequence(Kind kind, std::vector<Value> items, std::string name) {
  Sequence made{.items = std::move(items), .name = std::move(name)};
  for (const Value& item : made.items) made.depth = std::max(made.depth, 1 + item.depth());
  return Value(kind, std::make_shared<const Sequence>(std::move(made)));
}

Integer Value::whole() const {
  if (const auto* flag = std::get_if<bool>(&data_)) return *flag ? 1 : 0;
  const auto* number = std::get_if<Integer>(&data_);
  return number ? *number : 0;
}

double Value::real() const {
  if (const auto* number = std::get_if<double>(&data_)) return *number;
  return static_cast<double>(whole());
}

const std::string& Value::text() const { return or_empty(std::get_if<std::shared_ptr<const std::string>>(&data_)); }
const Sequence& Value::sequence() const { return or_empty(std::get_if<std::shared_ptr<const Sequence>>(&data_)); }
const std::vector<Value>& Value::items() const { return sequence().items; }
const Dict& Value::dict() const { return or_empty(std::get_if<std::shared_ptr<const Dict>>(&data_)); }

const std::shared_ptr<Object>& Value::object() const {
  static const std::shared_ptr<Object> empty;
  const auto* held = std::get_if<std::shared_ptr<Object>>(&data_);
  return held ? *held : empty;
}

const std::string& Value::why_undefined() const {
  static const std::string unnamed = "the value is undefined";
  return text().empty() ? unnamed : text();
}

const void* Value::identity() const {
  if (const auto* held = std::get_if<std::shared_ptr<Object>>(&data_)) return held->get();
  if (const auto* held = std::get_if<std::shared_ptr<const Sequence>>(&data_)) return held->get();
  if (const auto* held = std::get_if<std::shared_ptr<const Dict>>(&data_)) return held->get();
  if (const auto* held = std::get_if<std::shared_ptr<const std::string>>(&data_)) return held->get();
  return nullptr;
}

bool Value::truth() const {
  switch (kind_) {
    case Kind::undefined:
    case Kind::none: return false;
    case Kind::boolean:
    case Kind::integer: return whole() != 0;
    case Kind::real: return real() != 0;
    case Kind::string: return !text().empty();
    case Kind::list:
    case Kind::tuple:
    case Kind::view: return !items().empty();
    case Kind::dict: return !dict().entries().empty();
    case Kind::object: return true;
  }
  return false;
}

int Value::depth() const {
  if (is_sequence()) return sequence().depth;
  if (is_dict()) return dict().depth();
  if (is(Kind::object)) return object()->depth();
  return 0;
}

std::string_view Value::type_name() const {
  switch (kind_) {
    case Kind::undefined: return "Undefined";
    case Kind::none: return "NoneType";
    case Kind::boolean: return "bool";
    case Kind::integer: return "int";
    case Kind::real: return "float";
    case Kind::string: return "str";
    case Kind::list: return "list";
    case Kind::tuple: return "tuple";
    case Kind::view: return sequence().name.starts_with("range") ? "range" : "view";
    case Kind::dict: return "dict";
    case Kind::object: return object()->type_name();
  }
  return "value";
}

Error undefined_error(const Value& value) {
  const std::string& why = value.why_undefined();
  return why.starts_with("SecurityError") ? invalid_input("{}", why) : invalid_input("UndefinedError: {}", why);
}

Result<Value> checked(Value value) {
  if (value.depth() <= kMaxValueDepth) return value;
  return resource("a value nests deeper than {} levels", kMaxValueDepth);
}

}  // namespace vauban::jinja
