/// vauban list WHAT: the extension lists, as the program itself walks them.

#include "app/command.h"
#include "app/commands/commands.h"
#include "app/embedded/embedded_models.h"
#include "backends/backends.h"
#include "base/config/dump.h"
#include "base/strings.h"
#include "evidence/metric.h"
#include "evidence/scorer.h"
#include "model/model.h"
#include "runtime/runtimes.h"
#include "tensor/dtype.h"
#include "tensor/quant/format.h"
#include "train/optim/optimizers.h"
#include "train/schedule.h"
#include "train/trackers/tracker.h"
#include "transform/convert/config_forms.h"
#include "vauban/site.h"

namespace vauban {
namespace {

struct ListConfig {
  std::string what;
  CommonOptions common;
};

Json backends() {
  Json list = Json::array();
  for (const BackendEntry& entry : all_backends()) {
    Json devices = Json::array();
    for (const std::string_view device : entry.devices) devices.push_back(device);
    list.push_back(Json::object({{"id", entry.id}, {"summary", entry.summary}, {"devices", std::move(devices)}}));
  }
  return list;
}

Json architectures() {
  Json list = Json::array();
  for (const Architecture& entry : all_architectures())
    list.push_back(Json::object({{"id", entry.id}, {"summary", entry.summary}, {"hf_names", Json(entry.hf_names)},
                                 {"gguf_names", Json(entry.gguf_names)}, {"converts", convertible(entry).has_value()},
                                 {"source", entry.source}}));
  return list;
}

Json sites() {
  Json list = Json::array();
  for (const SiteInfo& entry : all_sites())
    list.push_back(Json::object({{"id", entry.name}, {"summary", format("{}{}", entry.shape, entry.per_layer ? ", per layer" : "")},
                                 {"shape", entry.shape}, {"per_layer", entry.per_layer}, {"alias", entry.alias},
                                 {"llama_cpp_node", entry.llama_cpp_node}}));
  return list;
}

Json metrics() {
  Json list = Json::array();
  for (const Metric& entry : all_metrics()) {
    Json needs = Json::array();
    for (const ArtifactKind kind : entry.needs) needs.push_back(to_string(kind));
    list.push_back(Json::object({{"id", entry.id}, {"summary", entry.summary}, {"unit", entry.unit}, {"family", entry.family},
                                 {"polarity", entry.polarity}, {"paired", entry.paired}, {"needs", std::move(needs)}}));
  }
  return list;
}

Json scorers() {
  Json list = Json::array();
  for (const Scorer& entry : all_scorers())
    list.push_back(Json::object({{"id", entry.id}, {"summary", entry.summary}, {"metrics", Json(entry.metrics)}}));
  return list;
}

Json formats() {
  Json list = Json::array();
  for (const DTypeInfo& entry : all_dtypes()) {
    const BlockFormat* block = find_block_format(entry.id);
    list.push_back(Json::object({{"id", entry.name},
                                 {"summary", format("{} bits in blocks of {}", entry.bits, entry.block)},
                                 {"safetensors", entry.safetensors.empty() ? Json() : Json(entry.safetensors)},
                                 {"ggml_type", entry.ggml_type < 0 ? Json() : Json(entry.ggml_type)},
                                 {"decode", block && block->decode ? true : entry.block == 1},
                                 {"encode", block && block->encode ? true : entry.block == 1}}));
  }
  return list;
}

Json runtimes() {
  Json list = Json::array();
  for (const RuntimeEntry& entry : all_runtimes())
    list.push_back(Json::object({{"id", entry.id}, {"summary", entry.summary}}));
  return list;
}

/// The settings that an entry has are those with a default.
template <class Entry>
Json with_defaults(const Entry& entry) {
  return Json::object({{"id", entry.id}, {"summary", entry.summary}, {"defaults", to_json(entry.defaults)}});
}

Json optimizers() {
  Json list = Json::array();
  for (const OptimizerEntry& entry : all_optimizers()) list.push_back(with_defaults(entry));
  return list;
}

Json schedules() {
  Json list = Json::array();
  for (const ScheduleEntry& entry : all_schedules()) list.push_back(with_defaults(entry));
  return list;
}

Json trackers() {
  Json list = Json::array();
  for (const TrackerEntry& entry : all_trackers())
    list.push_back(Json::object({{"id", entry.id}, {"summary", entry.summary}}));
  return list;
}

Json models() {
  Json list = Json::array();
  for (const EmbeddedModel& entry : all_embedded_models()) list.push_back(embedded_facts(entry));
  return list;
}

Json commands() {
  Json list = Json::array();
  for (const Command& entry : all_commands())
    list.push_back(Json::object({{"id", entry.info.name}, {"summary", entry.info.summary}}));
  return list;
}

struct Listing {
  std::string_view name;
  Json (*make)();
};
constexpr Listing kListings[] = {
    {"backends", backends}, {"architectures", architectures}, {"sites", sites},       {"metrics", metrics},
    {"scorers", scorers},   {"formats", formats},             {"runtimes", runtimes}, {"commands", commands},
    {"optimizers", optimizers}, {"schedules", schedules},     {"trackers", trackers}, {"models", models},
};

std::vector<std::string> listing_names() {
  std::vector<std::string> names;
  for (const Listing& listing : kListings) names.emplace_back(listing.name);
  return names;
}

void fields(ListConfig& c, FieldVisitor& f) {
  f("what", c.what, {.help = "one of: " + join(listing_names(), ", "), .required = true, .positional = true});
  fields(c.common, f);
}

Result<int> run_list(const ListConfig& config, Session& session) {
  for (const Listing& listing : kListings) {
    if (listing.name != config.what) continue;
    const Json list = listing.make();
    if (session.out().json()) {
      VB_CHECK(session.out().print_json(list));
      return 0;
    }
    for (const Json& row : list.items())
      session.out().text(format("{:<23} {}\n", row.find("id")->as_string(), row.find("summary")->as_string()));
    return 0;
  }
  const std::string near = did_you_mean(config.what, listing_names());
  return with_hint(invalid_input("cannot list '{}'", config.what),
                   near.empty() ? "one of: " + join(listing_names(), ", ") : format("did you mean '{}'?", near));
}

}  // namespace

Command list_command() {
  return make_command<ListConfig>({"list", "backends, architectures, sites, metrics, scorers, formats, runtimes, optimizers, schedules, trackers, models, commands", ""}, run_list);
}

}  // namespace vauban
