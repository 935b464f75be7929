/// The surface: seventeen primitives that every backend answers for, and the checks that make each one's evidence.
///
/// The level of a row comes from what backend, architecture and capability say about themselves (declaration.h); no row
/// is typed by hand. A check runs the real thing on a small seeded model and measures one number against a stated
/// bound. Source of the rows: trace-contract section 11.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "surface/bench.h"
#include "surface/declaration.h"

namespace vauban::test {

/// What a check found.
struct Measured {
  bool emitted = false;  ///< its evidence was there: an artifact of a trace, a record, files
  double value = 0;      ///< a deviation, or a count of faults
  std::string note;      ///< the first faults, in words
};

struct SurfaceCheck {
  std::string_view id;        ///< "logits.rows"
  std::string_view evidence;  ///< what must be there: an artifact kind, or a record named in the row's evidence
  std::string_view what;      ///< what the value is
  double bound = 0;           ///< value <= bound passes
  std::string_view device;    ///< the only device kind that it runs on; empty: every one
  Result<Measured> (*run)(SurfaceBench& bench) = nullptr;
  bool runs_on(std::string_view device_kind) const { return device.empty() || device == device_kind; }
};

struct SurfaceRow {
  std::string_view id;        ///< "load_model"
  std::string_view evidence;  ///< in words, for the page
  Support (*declared)(const Declaration& declaration) = nullptr;
  std::vector<SurfaceCheck> checks;
  std::vector<std::string> tests;  ///< "Suite.Name" that must exist
};

/// In the order of the contract. To add one: a line in surface.cpp, and its checks in a file of rows/.
std::span<const SurfaceRow> surface_rows();

/// One check on one backend and device, as result files keep it.
struct CheckResult {
  std::string id, row;
  std::string level;     ///< of the row, as the code declared it when the check ran
  std::string evidence;  ///< what was emitted; empty: nothing
  double bound = 0, measured = 0;
  bool passed = false;
  std::string note;      ///< why not; kept only in proofs of operations
  std::string relation;  ///< of proofs of operations: "<=" or ">=", how measured stands to bound; else empty, and "<="
};

/// Every check that runs on the bench's device. A check that ends in an error has not passed, and its note says why.
std::vector<CheckResult> run_surface(SurfaceBench& bench);

/// Where declaration and results contradict each other: declared full and not shown, declared unsupported and shown, a
/// level without a reason. Rows of other device kinds are not judged. Empty: honest.
std::vector<std::string> contradictions(const Declaration& declaration, std::span<const CheckResult> results);
/// The same with other levels than the declaration's, by row id. For planted faults.
std::vector<std::string> contradictions(const Declaration& declaration, std::span<const CheckResult> results,
                                        const std::map<std::string, Support>& instead);

}  // namespace vauban::test
