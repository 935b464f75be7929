/// What `vauban demo` can audit the embedded model against.
#pragma once

#include <span>
#include <string_view>

namespace vauban {

struct DemoVariant {
  std::string_view id;         ///< of --against
  std::string_view candidate;  ///< MODEL; empty: made on the spot
  std::string_view intervene;  ///< file with interventions; empty: none
  std::string_view kind;       ///< AuditConfig::transformation_kind
  std::string_view summary, target;
  std::string_view look_at;  ///< a hint for the reader of the report
};
std::span<const DemoVariant> all_demo_variants();

}  // namespace vauban
