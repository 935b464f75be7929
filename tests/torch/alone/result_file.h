/// The result file of a proof: docs/surface/results/<backend>-<kind>-operations-<version>.json, read by the surface matrix.
///
/// {"date", "device": {"kind", "label", "name"}, "versions": {"libtorch", "compiler"}, "source_digest",
///  "checks": [{"id", "row", "relation", "bound", "measured", "passed", "note"}]}
#pragma once

#include <span>
#include <string>

#include "torch/alone/proof.h"

namespace vauban::proof {

struct Provenance {
  std::string date;  ///< UTC
  std::string device_kind, device_label, device_name;
  std::string libtorch, compiler, source_digest;
};

/// UTF-8, one line per check. A measurement that is no finite number is written as null.
std::string result_json(const Provenance& provenance, std::span<const Check> checks);

/// What the machine calls the device: "NVIDIA H200", "Intel(R) Xeon(R) ..."; "unknown" where it does not say.
std::string device_name(std::string_view kind);

}  // namespace vauban::proof
