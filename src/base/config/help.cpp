#include "base/config/help.h"

#include "base/config/field_text.h"
#include "base/config/flags.h"
#include "base/config/layout.h"
#include "base/config/leaf.h"

namespace vauban {
namespace {

constexpr std::size_t kIndent = 2;
constexpr std::size_t kColumn = 30;  // where the explanation starts

std::string explained(const BoundField& field) {
  if (field.ignored()) return "accepted and ignored: " + field.spec.ignored_note;
  const std::string more = constraints(field);
  return more.empty() ? field.spec.help : field.spec.help + " " + more;
}

std::string usage_line(const std::vector<BoundField>& fields, const HelpInfo& info) {
  std::string line = "usage: " + info.name;
  for (const BoundField& field : fields) {
    if (!field.spec.positional || field.spec.hidden) continue;
    const bool list = field.leaf() && leaf_info(*field.leaf()).shape == LeafShape::list;
    const std::string word = metavar_of(field) + (list ? " ..." : "");
    line += field.spec.required ? " " + word : " [" + word + "]";
  }
  return wrapped(line + " [options]", 0);
}

class Help {
 public:
  explicit Help(const HelpInfo& info) : info_(info) {}

  std::string text(const StructType& type) {
    const std::shared_ptr<void> sample = type.make();
    const std::vector<BoundField> fields = fields_of({&type, sample.get()});
    for (const BoundField& field : fields) place(field);
    std::string out = info_.command ? usage_line(fields, info_) : wrapped(info_.name, 0);
    if (!info_.summary.empty()) out += wrapped(info_.summary, 0);
    if (!info_.description.empty()) out += "\n" + wrapped(info_.description, 0);
    if (info_.command) options_ += two_columns("-h, --help", "print this and stop", kIndent, kColumn);
    return out + section("Arguments", arguments_) + section("Options", options_) +
           section(info_.command ? "In a config file only" : "Keys", keys_);
  }

 private:
  void place(const BoundField& field) {
    if (field.spec.hidden) return;
    if (info_.command && field.spec.positional)
      arguments_ += two_columns(metavar_of(field), explained(field), kIndent, kColumn);
    else if (info_.command && !flag_of(field).empty())
      options_ += two_columns(flag_usage(field), explained(field), kIndent, kColumn);
    else
      place_key(field, "", kIndent);
  }

  /// A table is followed by its own fields, one step further in.
  void place_key(const BoundField& field, const std::string& parent, std::size_t indent) {
    if (field.spec.hidden) return;
    keys_ += two_columns(key_usage(field, parent), explained(field), indent, kColumn);
    const TableRef* table = field.table();
    if (!table) return;
    const std::shared_ptr<void> sample = table->type->make();
    const std::string path = parent.empty() ? field.name : parent + "." + field.name;
    for (const BoundField& inner : fields_of({table->type, sample.get()})) place_key(inner, path, indent + 2);
  }

  static std::string section(std::string_view title, const std::string& body) {
    return body.empty() ? "" : format("\n{}:\n{}", title, body);
  }

  const HelpInfo& info_;
  std::string arguments_, options_, keys_;
};

}  // namespace

namespace detail {

std::string help_text(const StructType& type, const HelpInfo& info) { return Help(info).text(type); }

}  // namespace detail
}  // namespace vauban
