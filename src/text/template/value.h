/// Value: what a template computes with. Python's values, immutable, cheap to copy.
///
/// Integers have 128 bits (an overflow is refused); strings are UTF-8 and counted in code points. Only objects
/// (namespaces, loops, cyclers) change. A value may nest to kMaxValueDepth, so that walking one needs no more stack.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/result.h"
#include "text/template/budget.h"

namespace vauban::jinja {

__extension__ typedef __int128 Integer;

class Evaluator;
class Value;
struct Arguments;

enum class Kind { undefined, none, boolean, integer, real, string, list, tuple, view, dict, object };

struct Sequence {
  std::vector<Value> items;
  std::string name;  ///< of a view, as it prints: "range(0, 3)"; "dict_items" for those that print their items
  int depth = 1;
};

class Dict {
 public:
  using Entry = std::pair<Value, Value>;
  /// Errors: invalid_input for a key that cannot be hashed.
  Result<void> set(Value key, Value value);
  /// nullptr when absent, or when such a key cannot exist.
  const Value* find(const Value& key) const;
  const Value* find(std::string_view key) const;
  const std::vector<Entry>& entries() const { return entries_; }
  int depth() const { return depth_; }

 private:
  const Value* at_key(const std::string& key) const;
  std::vector<Entry> entries_;              ///< in order of insertion
  std::map<std::string, std::size_t> index_;  ///< canonical key -> entry: 1, 1.0 and true are one key
  int depth_ = 1;
};

/// What is neither number, text nor container. Identity matters; some change.
class Object : public std::enable_shared_from_this<Object> {
 public:
  virtual ~Object() = default;
  virtual std::string_view type_name() const = 0;
  virtual std::string text() const;  ///< "<type_name>"
  virtual std::optional<Value> attribute(std::string_view name);
  virtual bool callable() const { return false; }
  virtual Result<Value> call(Evaluator& evaluator, const Arguments& arguments);
  virtual int depth() const { return 1; }
};

class Value {
 public:
  Value() = default;  ///< undefined, without a name
  static Value undefined(std::string message);
  static Value none() { return Value(Kind::none, std::monostate()); }
  Value(bool value) : kind_(Kind::boolean), data_(value) {}
  Value(Integer value) : kind_(Kind::integer), data_(value) {}
  Value(int value) : Value(static_cast<Integer>(value)) {}
  Value(double value) : kind_(Kind::real), data_(value) {}
  Value(std::string text, bool safe = false);
  Value(std::string_view text) : Value(std::string(text)) {}
  Value(const char* text) : Value(std::string(text)) {}
  Value(std::shared_ptr<const Dict> dict) : kind_(Kind::dict), data_(std::move(dict)) {}
  Value(std::shared_ptr<Object> object) : kind_(Kind::object), data_(std::move(object)) {}
  Value(const void*) = delete;  ///< a pointer would become a bool
  /// kind: list, tuple or view. The items' depth is looked at; over the limit the value is undefined: see checked().
  static Value sequence(Kind kind, std::vector<Value> items, std::string name = {});
  static Value list(std::vector<Value> items) { return sequence(Kind::list, std::move(items)); }
  static Value tuple(std::vector<Value> items) { return sequence(Kind::tuple, std::move(items)); }

  Kind kind() const { return kind_; }
  bool is(Kind kind) const { return kind_ == kind; }
  bool is_undefined() const { return kind_ == Kind::undefined; }
  bool is_none() const { return kind_ == Kind::none; }
  bool is_string() const { return kind_ == Kind::string; }
  bool is_dict() const { return kind_ == Kind::dict; }
  bool is_sequence() const { return kind_ == Kind::list || kind_ == Kind::tuple || kind_ == Kind::view; }
  bool is_whole() const { return kind_ == Kind::integer || kind_ == Kind::boolean; }  ///< bool is an int, as in Python
  bool is_number() const { return is_whole() || kind_ == Kind::real; }
  bool is_safe() const { return safe_; }  ///< text marked by `safe` or `escape`

  /// Unchecked reads: the kind must have been tested.
  Integer whole() const;
  double real() const;  ///< of any number
  const std::string& text() const;
  const std::vector<Value>& items() const;
  const Sequence& sequence() const;
  const Dict& dict() const;
  const std::shared_ptr<Object>& object() const;
  const std::string& why_undefined() const;  ///< "'x' is undefined"
  const void* identity() const;

  bool truth() const;
  int depth() const;
  std::string_view type_name() const;  ///< Python's: "str", "int", "NoneType" ...

 private:
  template <class T>
  Value(Kind kind, T data) : kind_(kind), data_(std::move(data)) {}
  Kind kind_ = Kind::undefined;
  bool safe_ = false;
  std::variant<std::monostate, bool, Integer, double, std::shared_ptr<const std::string>, std::shared_ptr<const Sequence>,
               std::shared_ptr<const Dict>, std::shared_ptr<Object>>
      data_;
};

struct Arguments {
  std::vector<Value> positional;
  std::vector<std::pair<std::string, Value>> named;
};

/// The error of using an undefined value, with its own reason.
Error undefined_error(const Value& value);
/// The value, or an error when it nests too deep to be walked.
Result<Value> checked(Value value);

}  // namespace vauban::jinja
