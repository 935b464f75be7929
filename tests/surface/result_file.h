/// Result files: what the checks found on one backend and device, kept in docs/surface/results.
///
/// <backend>-<kind>.json is of the whole suite, <backend>-<kind>-operations.json of torch_proof. Between the last word
/// and .json a file may say which version of what the backend stands on it is of, as in torch-cuda-operations-2.15.0.json:
/// results of several versions stand side by side.
///
///   date            "2026-11-30"
///   device          {kind: "cuda", label: "cuda:0", name: as the system calls it}
///   versions        {vauban, compiler, libtorch (of the torch backend)}
///   source_digest   of the sources that were tested, by source_digest() or operations_digest()
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
  std::string file_name() const { return stem() + ".json"; }
  std::string stem() const { return backend + "-" + device_kind + (of_operations ? "-operations" : "") + version; }
  std::string version;  ///< "-2.15.0", from the file's name; empty where it says none
};

Json to_json(const ResultFile& file);
/// Errors: corrupt for a missing, misplaced or unknown key, and for a device kind, a kind of proof or a version that is not
/// the one in `name`.
Result<ResultFile> result_file_from(std::string_view name, const Json& json);

std::filesystem::path results_folder();
/// Every file of the folder, by name. Errors: those of reading.
Result<std::vector<ResultFile>> read_results();

/// Of what the suite's results stand or fall with: the first 16 hex digits of SHA-256 over " <SHA-256 of the file>" of
/// sources (.h and .cpp, tests left out), in the order of their paths. On the host: the backend's and those of src/ops,
/// since every run of the tests repeats the checks there (Surface.KeptResultsSayWhatTheChecksSayNow). A result of another
/// device is all there is until somebody has one: of everything between a file and a trace, and of the checks.
Result<std::string> source_digest(std::string_view backend, std::string_view device_kind);
/// The same of what torch_proof stands or falls with, as src/backends/torch/libtorch.cmake makes it where the proof is built.
std::string operations_digest();

/// Runs everything on a bench and says what it ran on.
Result<ResultFile> prove(SurfaceBench& bench);
/// Whether these results are of the sources and checks as they are now. `digest` as the file's own kind has it.
bool is_current(const ResultFile& file, std::string_view digest);
/// The digest that a current file has: source_digest() or operations_digest().
Result<std::string> digest_for(const ResultFile& file);

}  // namespace vauban::test
