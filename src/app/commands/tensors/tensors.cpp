/// vauban tensors MODEL [PATTERN]: the tensors of a file, as it stores them.

#include <algorithm>
#include <cmath>

#include "app/command.h"
#include "app/open.h"
#include "app/shown_text.h"
#include "base/strings.h"
#include "model/weight_snapshot.h"
#include "trace/row_stats.h"

namespace vauban {
namespace {

struct TensorsConfig {
  std::string model, pattern = "*", sort = "name";
  bool stats = false, digests = false;
  std::vector<std::string> dtype;
  int top = 0;
  CommonOptions common;
};

void fields(TensorsConfig& c, FieldVisitor& f) {
  f("model", c.model, {.help = "model folder or .gguf", .required = true, .positional = true, .file = true});
  f("pattern", c.pattern, {.help = "names: '*' stands for any characters, '?' for one", .positional = true});
  f("stats", c.stats, {.help = "mean, standard deviation, extremes, zeros and values that are not finite: reads every value"});
  f("digests", c.digests, {.help = "SHA-256 of each tensor"});
  f("dtype", c.dtype, {.help = "only tensors of these types"});
  f("sort", c.sort, {.help = "order", .choices = {"name", "bytes", "offset"}});
  f("top", c.top, {.help = "only the first N; 0: all", .min = 0});
  fields(c.common, f);
}

Json stats_of(const TensorEntry& tensor) {
  const auto values = decode_f32(tensor.view);
  if (!values) return Json::object({{"error", describe(values.error())}});
  RowStats stats;
  const std::size_t width = static_cast<std::size_t>(std::max<std::int64_t>(tensor.view.shape.width(), 1));
  for (std::size_t at = 0; at < values->size(); at += width) stats.add(std::span(*values).subspan(at, std::min(width, values->size() - at)));
  Json out = stats.to_json();
  out["zeros"] = std::ranges::count(*values, 0.0F);
  return out;
}

Json row_of(const TensorEntry& tensor, const ModelFile& file, const TensorsConfig& config) {
  const std::byte* start = file.files()[tensor.file]->bytes().data();
  Json row = Json::object({{"name", tensor.name},
                           {"dtype", to_string(tensor.view.dtype)},
                           {"shape", Json(std::vector<std::int64_t>(tensor.view.shape.dims().begin(), tensor.view.shape.dims().end()))},
                           {"values", tensor.view.shape.elements()},
                           {"bytes", tensor.view.bytes.size()},
                           {"offset", tensor.view.bytes.empty() ? 0 : tensor.view.bytes.data() - start},
                           {"file", tensor.file}});
  if (config.stats) row["stats"] = stats_of(tensor);
  if (config.digests) row["digest"] = file.tensor_digest(tensor);
  return row;
}

Result<std::vector<const TensorEntry*>> chosen(const ModelFile& file, const TensorsConfig& config) {
  std::vector<const TensorEntry*> out;
  std::vector<std::string> names;
  for (const TensorEntry& tensor : file.tensors()) {
    names.push_back(tensor.name);
    const bool of_type = config.dtype.empty() || std::ranges::find(config.dtype, to_string(tensor.view.dtype)) != config.dtype.end();
    if (of_type && matches_glob(config.pattern, tensor.name)) out.push_back(&tensor);
  }
  if (out.empty()) {
    const std::string near = did_you_mean(config.pattern, names);
    return with_hint(not_found("no tensor matches '{}'{}", printable(config.pattern), config.dtype.empty() ? "" : " and --dtype"),
                     near.empty() ? "quote patterns: 'model.layers.*.mlp.*'" : format("did you mean '{}'?", near));
  }
  if (config.sort == "bytes") std::ranges::stable_sort(out, std::greater{}, [](const TensorEntry* t) { return t->view.bytes.size(); });
  if (config.sort == "offset") std::ranges::stable_sort(out, {}, [](const TensorEntry* t) { return std::pair(t->file, t->view.bytes.data()); });
  if (config.top > 0 && out.size() > static_cast<std::size_t>(config.top)) out.resize(static_cast<std::size_t>(config.top));
  return out;
}

std::string number(const Json& stats, const char* key) {
  const Json* value = stats.find(key);
  if (!value || value->is_null()) return "-";
  return value->is_integer() ? std::to_string(value->as_int()) : format("{:.4g}", value->as_double());
}

std::string plain(const Json& rows, bool stats) {
  std::string out = format("{:<52} {:<7} {:<16} {:>12} {:>12}", "name", "type", "shape", "bytes", "offset");
  if (stats) out += format(" {:>10} {:>10} {:>10} {:>10} {:>8} {:>5} {:>5}", "mean", "std", "min", "max", "zeros", "nan", "inf");
  out += "\n";
  for (const Json& row : rows.items()) {
    out += format("{:<52} {:<7} {:<16} {:>12} {:>12}", shown(row.find("name")->as_string()), row.find("dtype")->as_string(),
                  row.find("shape")->dump().value_or(""), row.find("bytes")->as_int(), row.find("offset")->as_int());
    if (const Json* s = row.find("stats"))
      out += format(" {:>10} {:>10} {:>10} {:>10} {:>8} {:>5} {:>5}", number(*s, "mean"), number(*s, "std"), number(*s, "min"), number(*s, "max"),
                    number(*s, "zeros"), number(*s, "nan_count"), number(*s, "inf_count"));
    out += "\n";
  }
  return out;
}

Result<int> run_tensors(const TensorsConfig& config, Session& session) {
  VB_TRY(const ModelSource source, open_single_source(config.model));
  VB_TRY(const std::vector<const TensorEntry*> tensors, chosen(*source.file, config));
  Json rows = Json::array();
  std::int64_t bytes = 0, values = 0;
  for (const TensorEntry* tensor : tensors) {
    VB_CHECK(session.context().cancel.check());
    rows.push_back(row_of(*tensor, *source.file, config));
    bytes += static_cast<std::int64_t>(tensor->view.bytes.size());
    values += tensor->view.shape.elements();
  }
  if (!session.out().json()) {
    session.out().text(plain(rows, config.stats) + format("{} tensors, {} values, {} bytes\n", tensors.size(), values, bytes));
    return 0;
  }
  VB_CHECK(session.out().print_json(Json::object({{"model", config.model}, {"tensors", std::move(rows)}, {"bytes", bytes}, {"values", values}})));
  return 0;
}

}  // namespace

Command tensors_command() {
  return make_command<TensorsConfig>({"tensors", "the tensors of a model file: type, shape, place, statistics", ""}, run_tensors);
}

}  // namespace vauban
