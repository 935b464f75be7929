/// Result files: what the checks found on one backend and device, kept in docs/surface/results/<backend>-<kind>.json.
///
///   date            "2026-11-30"
///   device          {kind: "cuda", label: "cuda:0", name: as the system calls it}
///   versions        {vauban, compiler, libtorch (of the torch backend)}
///   source_digest   of the sources that were tested, by source_digest() or `scripts/source-digest BACKEND`
///   checks          [{id, row, level, evidence, bound, measured, passed}]: CheckResult; evidence null when nothing
///   came
///
/// On a machine where only LibTorch is at hand, torch_proof (scripts/prove-torch) proves the operations alone, and
/// writes the same keys but for its checks: [{id, row, relation, bound, measured, passed, note}], measured null for no
/// finite number.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "surface/surface.h"

namespace vauban::test {

struct ResultFile {
  std::string backend;  ///< from the file's name
  std::string date;
  std::string device_kind, device_label, device_name;
  std::map<std::string, std::string> versions;
  std::string source_digest;
  std::vector<CheckResult> checks;
  bool of_operations = false;  ///< by torch_proof: kernels against the reference, not the rows themselves
  std::string file_name() const { return backend + "-" + device_kind + ".json"; }
};

Json to_json(const ResultFile& file);
/// Errors: corrupt for a missing, misplaced or unknown key, and for a kind that is not the one in `name`.
Result<ResultFile> result_file_from(std::string_view name, const Json& json);

std::filesystem::path results_folder();
/// Every file of the folder, by name. Errors: those of reading.
Result<std::vector<ResultFile>> read_results();

/// Of what a proof stands or falls with: the first 16 hex digits of SHA-256 over " <SHA-256 of the file>" of the
/// backend's sources and those of src/ops (.h and .cpp; tests and `alone/` left out), in the order of their paths.
Result<std::string> source_digest(std::string_view backend);

/// Runs everything on a bench and says what it ran on.
Result<ResultFile> prove(SurfaceBench& bench);
/// Whether these results are of the sources and checks as they are now.
bool is_current(const ResultFile& file, std::string_view digest);

}  // namespace vauban::test
