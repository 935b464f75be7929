/// A configuration file: one table per command, run in this order.
#pragma once

#include <optional>

#include "app/audit/audit_config.h"
#include "app/commands/measure/measure_config.h"
#include "app/commands/probe/probe_config.h"
#include "app/commands/scan/scan_config.h"
#include "app/commands/steer/steer_config.h"
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
  std::optional<MeasureConfig> measure;
  std::optional<SteerConfig> steer;
  std::optional<ProbeConfig> probe;
  std::optional<ScanConfig> scan;

  /// How many of the tables that name a command are there.
  int commands() const {
    return audit.has_value() + diff.has_value() + trace.has_value() + measure.has_value() + steer.has_value() +
           probe.has_value() + scan.has_value();
  }
};

inline void fields(RunConfig& c, FieldVisitor& f) {
  f("common", c.common, {.help = "options of every command"});
  f("audit", c.audit, {.help = "the flags of `vauban audit`"});
  f("diff", c.diff, {.help = "the flags of `vauban diff`"});
  f("trace", c.trace, {.help = "the flags of `vauban trace`"});
  f("measure", c.measure, {.help = "the flags of `vauban measure`"});
  f("steer", c.steer, {.help = "the flags of `vauban steer`"});
  f("probe", c.probe, {.help = "the flags of `vauban probe`"});
  f("scan", c.scan, {.help = "the flags of `vauban scan`"});
}

}  // namespace vauban
