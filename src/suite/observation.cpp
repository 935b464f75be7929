#include "suite/observation.h"

#include <set>
#include <tuple>

#include "base/files.h"
#include "base/strings.h"

namespace vauban {
namespace {

/// The first of several spellings that is present and not null.
const Json* first_of(const Json& row, std::initializer_list<std::string_view> keys) {
  for (const std::string_view key : keys)
    if (const Json* value = row.find(key); value && !value->is_null()) return value;
  return nullptr;
}

Error wrong_type(std::string_view key, std::string_view expected, const Json& found) {
  return corrupt("'{}': expected {}, found {}", key, expected, found.type_name());
}

Result<std::string> text_or(const Json& row, std::initializer_list<std::string_view> keys, std::string fallback) {
  const Json* value = first_of(row, keys);
  if (!value) return fallback;
  if (!value->is_string()) return wrong_type(*keys.begin(), "a string", *value);
  return value->as_string();
}

Result<std::optional<std::string>> optional_text(const Json& row, std::initializer_list<std::string_view> keys) {
  const Json* value = first_of(row, keys);
  if (!value) return std::optional<std::string>();
  if (!value->is_string()) return wrong_type(*keys.begin(), "a string", *value);
  return std::optional(value->as_string());
}

Result<void> read_metrics(const Json& row, Observation& out) {
  const Json* metrics = first_of(row, {"metrics"});
  if (!metrics) return ok();
  if (!metrics->is_object()) return wrong_type("metrics", "an object of numbers", *metrics);
  for (const auto& [name, value] : metrics->entries()) {
    if (value.is_null()) continue;
    if (!value.is_number() && !value.is_bool()) return wrong_type("metrics." + name, "a number", value);
    out.metrics[name] = value.is_bool() ? static_cast<double>(value.as_bool()) : value.as_double();
  }
  return ok();
}

Result<void> read_numbers(const Json& row, Observation& out) {
  if (const Json* value = first_of(row, {"sample_index"})) {
    if (!value->is_integer() || value->as_int() < 0) return wrong_type("sample_index", "an integer from 0", *value);
    out.sample_index = value->as_int();
  }
  if (const Json* value = first_of(row, {"seed"})) {
    if (!value->is_integer()) return wrong_type("seed", "an integer", *value);
    out.seed = static_cast<std::uint64_t>(value->as_int());
  }
  if (const Json* value = first_of(row, {"refused"})) {
    if (!value->is_bool()) return wrong_type("refused", "true or false", *value);
    out.refused = value->as_bool();
  }
  if (const Json* ids = first_of(row, {"output_ids"})) {
    if (!ids->is_array()) return wrong_type("output_ids", "an array", *ids);
    for (const Json& id : ids->items()) {
      if (!id.is_integer() || id.as_int() < 0 || id.as_int() > INT32_MAX) return wrong_type("output_ids", "token ids", id);
      out.output_ids.push_back(static_cast<std::int32_t>(id.as_int()));
    }
  }
  if (const Json* values = first_of(row, {"first_token_logprobs"})) {
    if (!values->is_array()) return wrong_type("first_token_logprobs", "an array", *values);
    for (const Json& value : values->items()) {
      if (!value.is_number()) return wrong_type("first_token_logprobs", "numbers", value);
      out.first_token_logprobs.push_back(static_cast<float>(value.as_double()));
    }
  }
  return ok();
}

Result<void> read_new_texts(const Json& row, Observation& out) {
  VB_TRY(out.outcome, text_or(row, {"outcome"}, ""));
  VB_TRY(out.behaviour_class, text_or(row, {"class"}, ""));
  VB_TRY(out.family, text_or(row, {"family"}, ""));
  VB_TRY(out.role, text_or(row, {"role"}, ""));
  VB_TRY(out.prompt_ids_sha256, text_or(row, {"prompt_ids_sha256"}, ""));
  VB_TRY(out.finish_reason, text_or(row, {"finish_reason"}, ""));
  VB_TRY(out.numerics, text_or(row, {"numerics"}, ""));
  VB_TRY(out.trace_id, text_or(row, {"trace_id"}, ""));
  VB_TRY(out.output_sha256, optional_text(row, {"output_sha256"}));
  return ok();
}

/// Code points: the Python tool counted characters.
double length_chars(std::string_view text) {
  double count = 0;
  for (const char c : text) count += (static_cast<unsigned char>(c) & 0xC0) != 0x80;
  return count;
}

/// Values that old readers derived when they were absent.
void derive(Observation& row) {
  if (row.refused && !row.metrics.contains("refusal_rate")) row.metrics["refusal_rate"] = *row.refused ? 1.0 : 0.0;
  if (row.output_text && !row.metrics.contains("output_length_chars"))
    row.metrics["output_length_chars"] = length_chars(*row.output_text);
}

void put(Json& json, std::string_view key, const std::string& value) {
  if (!value.empty()) json[key] = value;
}

}  // namespace

Result<Observation> observation_from_json(const Json& row, std::int64_t line_number, const ObservationDefaults& defaults) {
  if (!row.is_object()) return corrupt("expected an object, found {}", row.type_name());
  Observation out;
  VB_TRY(out.model_label, text_or(row, {"model_label"}, defaults.model_label));
  VB_TRY(out.prompt_id, text_or(row, {"prompt_id", "id"}, format("prompt-{:04}", line_number)));
  VB_TRY(out.id, text_or(row, {"id", "observation_id"}, out.model_label + ":" + out.prompt_id));
  if (trim(out.prompt_id).empty()) return corrupt("'prompt_id' is blank");
  VB_TRY(out.category, text_or(row, {"category"}, "default"));
  VB_TRY(out.prompt, optional_text(row, {"prompt", "text"}));
  VB_TRY(out.output_text, optional_text(row, {"output_text", "response"}));
  VB_TRY(out.expected_behavior, text_or(row, {"expected_behavior"}, "unknown"));
  VB_TRY(const std::string redaction, text_or(row, {"redaction"}, "redacted"));
  VB_TRY(out.redaction, redaction_from(redaction));
  VB_CHECK(read_metrics(row, out));
  VB_CHECK(read_numbers(row, out));
  VB_CHECK(read_new_texts(row, out));
  if (const Json* metadata = first_of(row, {"metadata"})) out.metadata = *metadata;
  derive(out);
  return out;
}

Json to_json(const Observation& row) {
  Json json = Json::object({{"id", row.id}, {"prompt_id", row.prompt_id}, {"model_label", row.model_label},
                            {"category", row.category}, {"expected_behavior", row.expected_behavior},
                            {"redaction", to_string(row.redaction)}, {"sample_index", row.sample_index}});
  const bool shown = row.redaction == Redaction::safe;
  if (row.prompt && shown) json["prompt"] = *row.prompt;
  if (row.output_text && shown) json["output_text"] = *row.output_text;
  if (row.refused) json["refused"] = *row.refused;
  Json metrics = Json::object();
  for (const auto& [name, value] : row.metrics) metrics[name] = value;
  json["metrics"] = std::move(metrics);
  if (!row.metadata.is_null()) json["metadata"] = row.metadata;
  put(json, "outcome", row.outcome);
  put(json, "class", row.behaviour_class);
  put(json, "family", row.family);
  put(json, "role", row.role);
  put(json, "prompt_ids_sha256", row.prompt_ids_sha256);
  put(json, "finish_reason", row.finish_reason);
  put(json, "numerics", row.numerics);
  put(json, "trace_id", row.trace_id);
  // Ids spell the text out, so they are withheld together with it.
  if (!row.output_ids.empty() && shown) json["output_ids"] = Json(row.output_ids);
  if (!row.first_token_logprobs.empty()) json["first_token_logprobs"] = Json(row.first_token_logprobs);
  if (row.seed) json["seed"] = *row.seed;
  if (row.output_sha256 && row.redaction != Redaction::omitted) json["output_sha256"] = *row.output_sha256;
  return json;
}

namespace {

class RowCollector {
 public:
  RowCollector(std::string_view name, const ObservationDefaults& defaults) : name_(name), defaults_(defaults) {}

  Result<void> add(const Json& json, std::int64_t number, std::int64_t row_number) {
    VB_TRY(Observation row, observation_from_json(json, row_number, defaults_), "{}:{}", name_, number);
    if (!seen_.emplace(row.model_label, row.prompt_id, row.sample_index).second)
      return invalid_input("{}:{}: a second row of model '{}', prompt '{}', sample {}", name_, number, row.model_label,
                           row.prompt_id, row.sample_index);
    rows_.push_back(std::move(row));
    return ok();
  }
  std::vector<Observation> take() { return std::move(rows_); }

 private:
  std::string_view name_;
  const ObservationDefaults& defaults_;
  std::set<std::tuple<std::string, std::string, std::int64_t>> seen_;
  std::vector<Observation> rows_;
};

}  // namespace

Result<std::vector<Observation>> parse_observations(std::string_view text, std::string_view name,
                                                    const ObservationDefaults& defaults) {
  RowCollector rows(name, defaults);
  if (trim(text).starts_with('[')) {
    VB_TRY(const Json document, Json::parse(text), "in {}", name);
    std::int64_t number = 0;
    for (const Json& row : document.items()) {
      ++number;
      VB_CHECK(rows.add(row, number, number));
    }
    return rows.take();
  }
  std::int64_t number = 0, row_number = 0;
  for (const std::string_view line : split(text, '\n')) {
    ++number;
    const std::string_view content = trim(line);
    if (content.empty() || content.starts_with('#')) continue;
    ++row_number;
    VB_TRY(const Json row, Json::parse(content), "{}:{}", name, number);
    VB_CHECK(rows.add(row, number, row_number));
  }
  return rows.take();
}

Result<std::vector<Observation>> read_observations(const std::filesystem::path& path, const ObservationDefaults& defaults) {
  VB_TRY(const std::string text, read_file(path));
  return parse_observations(text, path.string(), defaults);
}

}  // namespace vauban
