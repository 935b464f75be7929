/// One declaration per config struct. From it come the strict TOML and JSON readers (reader.h), the command line flags
/// (flags.h), help and manual text (help.h), the JSON Schema (schema.h) and the resolved dump (dump.h).
///
///   struct PromptConfig { std::string id; std::string text; std::optional<int> seed; };
///   inline void fields(PromptConfig& c, FieldVisitor& f) {
///     f("id", c.id, {.help = "unique name of the prompt", .required = true, .aliases = {"prompt_id"}});
///     f("text", c.text, {.help = "what the model is asked"});
///     f("seed", c.seed, {.help = "fixes sampling", .min = 0});
///     f.ignored("mode", "the old tool needed it; it has no effect");
///   }
///
/// `fields` is found by argument-dependent lookup, must be declared before it is used, and must only bind: it is also
/// called on objects that are const to their owner. The defaults are those of a default-constructed struct. A struct
/// must not contain itself. To share options between commands, call `fields(c.common, f)` inside another `fields`.
///
/// Types: bool, int, int64_t, uint64_t, float, double, std::string; std::optional of these; std::vector of std::string,
/// int, int64_t, float, double; std::vector<std::vector<double>>; std::map<std::string, std::string>; Json (any value
/// without null); a struct with `fields` (a table), std::optional of one, std::vector of one (an array of tables).
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "base/json.h"
#include "base/result.h"

namespace vauban {

/// Designated initialisers follow this order.
struct FieldSpec {
  std::string help{};                  ///< one phrase, no full stop
  bool required = false;               ///< must be given; in a nested table: whenever that table exists
  std::vector<std::string> aliases{};  ///< other accepted spellings; two spellings at once are an error
  std::vector<std::string> choices{};  ///< of a string, or of each string of a list
  std::optional<double> min{};         ///< inclusive; of a number, or of each number of a list
  std::optional<double> max{};         ///< inclusive
  std::string unit{};                  ///< plural: "tokens", "bytes"
  bool positional = false;             ///< on the command line a bare argument, in the order of declaration
  std::string flag{};                  ///< spelling instead of `--name-with-dashes`, with its dashes
  char short_name = 0;                 ///< 'n' adds `-n`
  bool hidden = false;                 ///< accepted, but shown neither in help nor in the manual
  std::string ignored_note{};          ///< any value is accepted, left unread and reported with this note
  std::string metavar{};               ///< stands for the value in help: "DIR"
  bool file = false;                   ///< a path; in a config file it is relative to the folder of that file
  /// Of a file: whether a value names something that the program has itself. A config file's is then kept as it is,
  /// unless there is such a file.
  bool (*is_name)(std::string_view) = nullptr;
};

/// A pointer to a value of one of the leaf types.
using LeafRef =
    std::variant<bool*, int*, std::int64_t*, std::uint64_t*, float*, double*, std::string*, std::optional<bool>*,
                 std::optional<int>*, std::optional<std::int64_t>*, std::optional<std::uint64_t>*,
                 std::optional<float>*, std::optional<double>*, std::optional<std::string>*, std::vector<std::string>*,
                 std::vector<int>*, std::vector<std::int64_t>*, std::vector<float>*, std::vector<double>*,
                 std::vector<std::vector<double>>*, std::map<std::string, std::string>*, Json*>;

struct BoundField;
class FieldVisitor;

template <class C>
concept HasFields = requires(C& config, FieldVisitor& visitor) { fields(config, visitor); };
template <class T>
concept LeafField = std::is_constructible_v<LeafRef, std::in_place_type_t<T*>, T*>;

/// A config struct with its type erased.
struct StructType {
  std::vector<BoundField> (*bind)(void* object);
  std::shared_ptr<void> (*make)();  ///< a default-constructed one
};
struct StructRef {
  const StructType* type = nullptr;
  void* object = nullptr;
};

/// A member that holds structs: exactly one, at most one (optional), or any number (vector).
enum class TableShape { single, optional, list };
struct TableRef {
  TableShape shape = TableShape::single;
  const StructType* type = nullptr;
  void* holder = nullptr;
  std::size_t (*count)(const void* holder) = nullptr;
  void* (*at)(void* holder, std::size_t index) = nullptr;
  void* (*append)(void* holder) = nullptr;  ///< a fresh element; for `single` the one that is there
  void (*clear)(void* holder) = nullptr;    ///< nothing for `single`
};

/// One declared field, bound to an object. `target` holds nullptr_t for a key that is accepted and ignored.
struct BoundField {
  std::string name;
  FieldSpec spec;
  std::variant<std::nullptr_t, LeafRef, TableRef> target;
  bool ignored() const { return std::holds_alternative<std::nullptr_t>(target); }
  const LeafRef* leaf() const { return std::get_if<LeafRef>(&target); }
  const TableRef* table() const { return std::get_if<TableRef>(&target); }
};

namespace detail {
template <class T>
struct TableHolder : std::false_type {};
template <class T>
struct TableHolder<std::optional<T>> : std::bool_constant<HasFields<T>> {};
template <class T>
struct TableHolder<std::vector<T>> : std::bool_constant<HasFields<T>> {};

template <class C>
const StructType& struct_type();
template <class C>
TableRef table_ref(C& value);
template <class C>
TableRef table_ref(std::optional<C>& value);
template <class C>
TableRef table_ref(std::vector<C>& value);
}  // namespace detail

/// Collects the fields of one struct.
class FieldVisitor {
 public:
  template <class T>
  void operator()(std::string_view name, T& value, FieldSpec spec = {}) {
    if constexpr (LeafField<T>) {
      add(name, LeafRef(std::in_place_type<T*>, &value), std::move(spec));
    } else {
      static_assert(HasFields<T> || detail::TableHolder<T>::value,
                    "not a field type: see the list in base/config/fields.h; a nested struct needs its `fields` first");
      if constexpr (HasFields<T> || detail::TableHolder<T>::value) add(name, detail::table_ref(value), std::move(spec));
    }
  }
  /// A key that is accepted with any value, never read, and reported with `note`.
  void ignored(std::string_view name, std::string_view note);

  std::vector<BoundField> take() { return std::move(fields_); }

 private:
  void add(std::string_view name, LeafRef target, FieldSpec spec);
  void add(std::string_view name, TableRef target, FieldSpec spec);
  std::vector<BoundField> fields_;
};

namespace detail {
template <class C>
const StructType& struct_type() {
  static_assert(HasFields<C>, "declare `void fields(C&, FieldVisitor&)` in the namespace of the struct");
  static constexpr StructType type{[](void* object) {
                                     FieldVisitor visitor;
                                     fields(*static_cast<C*>(object), visitor);
                                     return visitor.take();
                                   },
                                   []() -> std::shared_ptr<void> { return std::make_shared<C>(); }};
  return type;
}

template <class C>
TableRef table_ref(C& value) {
  return {.shape = TableShape::single,
          .type = &struct_type<C>(),
          .holder = &value,
          .count = [](const void*) { return std::size_t{1}; },
          .at = [](void* holder, std::size_t) { return holder; },
          .append = [](void* holder) { return holder; },
          .clear = [](void*) {}};
}

template <class C>
TableRef table_ref(std::optional<C>& value) {
  using Holder = std::optional<C>;
  return {.shape = TableShape::optional,
          .type = &struct_type<C>(),
          .holder = &value,
          .count = [](const void* holder) { return std::size_t{static_cast<const Holder*>(holder)->has_value()}; },
          .at = [](void* holder, std::size_t) -> void* { return &**static_cast<Holder*>(holder); },
          .append = [](void* holder) -> void* { return &static_cast<Holder*>(holder)->emplace(); },
          .clear = [](void* holder) { static_cast<Holder*>(holder)->reset(); }};
}

template <class C>
TableRef table_ref(std::vector<C>& value) {
  using Holder = std::vector<C>;
  return {.shape = TableShape::list,
          .type = &struct_type<C>(),
          .holder = &value,
          .count = [](const void* holder) { return static_cast<const Holder*>(holder)->size(); },
          .at = [](void* holder, std::size_t index) -> void* { return &(*static_cast<Holder*>(holder))[index]; },
          .append = [](void* holder) -> void* { return &static_cast<Holder*>(holder)->emplace_back(); },
          .clear = [](void* holder) { static_cast<Holder*>(holder)->clear(); }};
}

/// `fields` only binds, so a const struct may be visited; what is bound must then only be read.
template <HasFields C>
StructRef struct_ref(const C& config) {
  return {&struct_type<C>(), const_cast<C*>(&config)};
}

/// Errors: internal, naming the field, for a declaration that contradicts itself (see check_declaration).
Result<void> check_declaration(const StructType& type);
}  // namespace detail

/// The fields of `object`, in the order of declaration.
std::vector<BoundField> fields_of(const StructRef& object);
/// The name first, then the aliases.
std::vector<std::string> spellings(const BoundField& field);

/// For the test of a config struct. Found: a spelling or flag used twice, a default outside its own range or choices,
/// choices on other than strings, a range on other than numbers, a table as a bare argument, missing help.
template <HasFields C>
Result<void> check_declaration() {
  return detail::check_declaration(detail::struct_type<C>());
}

}  // namespace vauban
