#include "trace/weight_edit_json.h"

#include "trace/json_fields.h"

namespace vauban {

Json to_json(const WeightEditRecord& record) {
  return Json::object({{"edit", record.edit},
                       {"tensor", record.tensor},
                       {"op", record.op},
                       {"parameters", json_fields::object_of(record.parameters)},
                       {"digest_before", record.digest_before},
                       {"digest_after", record.digest_after},
                       {"dtype_before", record.dtype_before},
                       {"dtype_after", record.dtype_after},
                       {"values", record.values},
                       {"changed_values", record.changed_values},
                       {"max_abs_change", record.max_abs_change},
                       {"mean_abs_change", record.mean_abs_change},
                       {"effect", record.changed() ? "changed" : "none"}});
}

Json to_json(std::span<const WeightEditRecord> records) {
  Json list = Json::array();
  for (const WeightEditRecord& record : records) list.push_back(to_json(record));
  return list;
}

}  // namespace vauban
