/// A configuration file: one table per command, run in this order.
#pragma once

#include <optional>

#include "app/audit/audit_config.h"
#include "app/commands/trace/trace_config.h"
#include "app/diff/diff_config.h"
#include "app/options.h"
#include "base/config/fields.h"

namespace vauban {

struct RunConfig {
  CommonOptions common;
  std::optional<AuditConfig> audit;
  std::optional<DiffConfig> diff;
  std::optional<TraceConfig> trace;
};

inline void fields(RunConfig& c, FieldVisitor& f) {
  f("common", c.common, {.help = "options of every command"});
  f("audit", c.audit, {.help = "the flags of `vauban audit`"});
  f("diff", c.diff, {.help = "the flags of `vauban diff`"});
  f("trace", c.trace, {.help = "the flags of `vauban trace`"});
}

}  // namespace vauban
