#include "data/records/record.h"

#include <algorithm>

#include "base/strings.h"

namespace vauban {
namespace {

std::string quoted_keys(const Json& record) {
  std::vector<std::string> keys;
  for (const auto& [key, value] : record.entries()) keys.push_back(format("'{}'{}", printable(key, 40), value.is_null() ? " (null)" : ""));
  if (keys.size() > 8) keys.resize(8), keys.push_back("...");
  return keys.empty() ? "no keys" : join(keys, ", ");
}

std::string quoted_columns(const RecordFormat& record_format, const RecordContext& context) {
  std::vector<std::string> names;
  for (const std::string_view key : record_format.required)
    names.push_back(format("'{}'", printable(column_name(context, key), 40)));
  return join(names, " and ");
}

bool has_keys(const Json& record, const RecordFormat& record_format, const RecordContext& context) {
  return std::ranges::all_of(record_format.required,
                             [&](std::string_view key) { return find_column(record, context, key) != nullptr; });
}

Result<void> check_object(const Json& record) {
  if (record.is_object()) return ok();
  return with_hint(invalid_input("expected a JSON object, found {}", record.type_name()),
                   "a data file has one JSON object on each line (JSONL)");
}

Error no_format(const Json& record, const RecordContext& context) {
  std::vector<std::string> wanted;
  for (const RecordFormat& each : record_formats()) wanted.push_back(quoted_columns(each, context));
  return with_hint(invalid_input("expected a record with {}; found {}", join(wanted, ", or "), quoted_keys(record)),
                   "name the keys of the file with 'columns', such as columns = { text = \"story\" }");
}

}  // namespace

const std::vector<RecordFormat>& record_formats() {
  static const std::vector<RecordFormat> formats{chat_format(), prompt_completion_format(), instruction_format(),
                                                 text_format()};
  return formats;
}

std::string_view column_name(const RecordContext& context, std::string_view key) {
  const auto found = context.columns.find(std::string(key));
  return found == context.columns.end() ? key : std::string_view(found->second);
}

const Json* find_column(const Json& record, const RecordContext& context, std::string_view key) {
  const Json* const found = record.find(column_name(context, key));
  return found && !found->is_null() ? found : nullptr;
}

Result<std::string> text_column(const Json& record, const RecordContext& context, std::string_view key) {
  const Json* const found = find_column(record, context, key);
  const std::string name = printable(column_name(context, key), 40);
  if (!found) return invalid_input("expected a string '{}', found {}", name, quoted_keys(record));
  if (!found->is_string()) return invalid_input("expected a string for '{}', found {}", name, found->type_name());
  return found->as_string();
}

Result<std::string> optional_text_column(const Json& record, const RecordContext& context, std::string_view key) {
  if (!find_column(record, context, key)) return std::string();
  return text_column(record, context, key);
}

Result<const RecordFormat*> detect_format(const Json& record, const RecordContext& context) {
  VB_CHECK(check_object(record));
  const RecordFormat* found = nullptr;
  for (const RecordFormat& each : record_formats()) {
    if (!has_keys(record, each, context)) continue;
    if (found)
      return with_hint(invalid_input("the record may be '{}' or '{}': it has {}", found->name, each.name,
                                     quoted_keys(record)),
                       format("say which: format = \"{}\"", found->name));
    found = &each;
  }
  if (!found) return no_format(record, context);
  return found;
}

Result<void> check_keys(const Json& record, const RecordFormat& record_format, const RecordContext& context) {
  VB_CHECK(check_object(record));
  if (has_keys(record, record_format, context)) return ok();
  return invalid_input("expected a record of the format '{}' with {}, found {}", record_format.name,
                       quoted_columns(record_format, context), quoted_keys(record));
}

std::vector<std::string> unused_keys(const Json& record, const RecordFormat& record_format,
                                     const RecordContext& context) {
  std::vector<std::string> out;
  for (const auto& [name, value] : record.entries()) {
    const auto reads = [&, &own = name](std::string_view key) { return column_name(context, key) == own; };
    if (std::ranges::none_of(record_format.required, reads) && std::ranges::none_of(record_format.optional, reads))
      out.push_back(name);
  }
  return out;
}

}  // namespace vauban
