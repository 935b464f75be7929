#include "base/config/field_text.h"
#include "base/config/flags.h"
#include "base/config/help.h"
#include "base/config/layout.h"
#include "base/config/leaf.h"
#include "base/strings.h"

namespace vauban {
namespace {

constexpr std::size_t kBody = 4;
constexpr std::size_t kDeeper = 4;  // how much further in an explanation stands than its field

std::string head(std::string_view title) { return format("\n{}\n", title); }

std::string also_spelled(const BoundField& field) {
  return field.spec.aliases.empty() ? "" : "Also: " + join(field.spec.aliases, ", ") + ".";
}

std::string sentence(std::string text) {
  if (text.empty()) return text;
  if (text[0] >= 'a' && text[0] <= 'z') text[0] = static_cast<char>(text[0] - 32);
  return text.ends_with('.') ? text : text + ".";
}

std::string entry_body(const BoundField& field) {
  if (field.ignored()) return sentence("accepted and ignored: " + field.spec.ignored_note);
  std::vector<std::string> parts;
  for (std::string part : {sentence(field.spec.help), constraints(field), also_spelled(field)})
    if (!part.empty()) parts.push_back(std::move(part));
  if (field.spec.file) parts.push_back("A relative path in a config file starts from the folder of that file.");
  return join(parts, " ");
}

class Manual {
 public:
  explicit Manual(const HelpInfo& info) : info_(info) {}

  std::string text(const StructType& type) {
    const std::shared_ptr<void> sample = type.make();
    const std::vector<BoundField> fields = fields_of({&type, sample.get()});
    const std::string summary = info_.summary.empty() ? "" : " - " + info_.summary;
    std::string out = "NAME\n" + wrapped(info_.name + summary, kBody);
    if (info_.command) out += head("SYNOPSIS") + wrapped(synopsis(fields), kBody);
    if (!info_.description.empty()) out += head("DESCRIPTION") + wrapped(info_.description, kBody);
    if (info_.command) out += section("ARGUMENTS AND OPTIONS", flags(fields));
    return out + section(info_.command ? "CONFIG FILE" : "KEYS", keys(fields, "", kBody));
  }

 private:
  static std::string section(std::string_view title, const std::string& body) {
    return body.empty() ? "" : head(title) + body;
  }

  std::string synopsis(const std::vector<BoundField>& fields) const {
    std::string line = info_.name;
    for (const BoundField& field : fields)
      if (field.spec.positional && !field.spec.hidden)
        line += field.spec.required ? " " + metavar_of(field) : " [" + metavar_of(field) + "]";
    return line + " [options]";
  }

  static std::string entry(const std::string& left, const BoundField& field, std::size_t indent) {
    return wrapped(left, indent) + wrapped(entry_body(field), indent + kDeeper);
  }

  static std::string flags(const std::vector<BoundField>& fields) {
    std::string out;
    for (const BoundField& field : fields) {
      if (field.spec.hidden) continue;
      if (field.spec.positional) out += entry(metavar_of(field), field, kBody);
      if (!flag_of(field).empty()) out += entry(flag_usage(field), field, kBody);
    }
    return out;
  }

  /// A command lists here only what is not on its command line.
  std::string keys(const std::vector<BoundField>& fields, const std::string& parent, std::size_t indent) const {
    std::string out;
    for (const BoundField& field : fields) {
      const bool shown_above = info_.command && parent.empty() && (field.spec.positional || !flag_of(field).empty());
      if (field.spec.hidden || shown_above) continue;
      out += entry(key_usage(field, parent), field, indent);
      const TableRef* table = field.table();
      if (!table) continue;
      const std::shared_ptr<void> sample = table->type->make();
      const std::string path = parent.empty() ? field.name : parent + "." + field.name;
      out += keys(fields_of({table->type, sample.get()}), path, indent + kDeeper);
    }
    return out;
  }

  const HelpInfo& info_;
};

}  // namespace

namespace detail {

std::string man_text(const StructType& type, const HelpInfo& info) { return Manual(info).text(type); }

}  // namespace detail
}  // namespace vauban
