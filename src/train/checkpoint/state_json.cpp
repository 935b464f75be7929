#include "train/checkpoint/state_json.h"

namespace vauban {

namespace {

Result<std::int64_t> get_count(const Json& json, std::string_view key) {
  VB_TRY(const std::int64_t value, json.get_int(key));
  if (value < 0) return corrupt("{}: expected at least 0, found {}", key, value);
  return value;
}

Result<Json> get_any(const Json& json, std::string_view key) {
  const Json* found = json.find(key);
  if (found == nullptr) return corrupt("key '{}' is missing", key);
  return *found;
}

}  // namespace

Json state_to_json(const TrainingState& state) {
  return Json::object({{"base_digest", state.base_digest},
                       {"best_metric", state.best_metric ? Json(*state.best_metric) : Json()},
                       {"config_digest", state.config_digest},
                       {"data_digest", state.data_digest},
                       {"data_position", state.data_position},
                       {"epoch", state.epoch},
                       {"extra", state.extra},
                       {"history", state.history},
                       {"optimizer_step", state.optimizer.step},
                       {"rng", state.rng},
                       {"schedule", state.schedule},
                       {"step", state.step}});
}

Result<TrainingState> state_from_json(const Json& json) {
  TrainingState state;
  VB_TRY(state.base_digest, json.get_string("base_digest"));
  VB_TRY(const Json best, get_any(json, "best_metric"));
  if (!best.is_null() && !best.is_number())
    return corrupt("best_metric: expected a number, found {}", best.type_name());
  if (best.is_number()) state.best_metric = best.as_double();
  VB_TRY(state.config_digest, json.get_string("config_digest"));
  VB_TRY(state.data_digest, json.get_string("data_digest"));
  VB_TRY(state.data_position, get_any(json, "data_position"));
  VB_TRY(state.epoch, get_count(json, "epoch"));
  VB_TRY(state.extra, get_any(json, "extra"));
  VB_TRY(state.history, get_any(json, "history"));
  VB_TRY(state.optimizer.step, get_count(json, "optimizer_step"));
  VB_TRY(state.rng, get_any(json, "rng"));
  VB_TRY(state.schedule, get_any(json, "schedule"));
  VB_TRY(state.step, get_count(json, "step"));
  return state;
}

}  // namespace vauban
