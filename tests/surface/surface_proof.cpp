/// Runs the checks of the surface and writes their result files; scripts/generate-docs calls it.
///
///   surface_proof [--backend B] [--device D] [--out FOLDER] [--stale] [--versioned]
///
/// Without --backend: every backend of this build, on its first device. --stale leaves a file alone whose results are
/// of the sources and checks as they are now, so that dates change only with results. --versioned names the file after the
/// version of what the backend stands on (torch-cpu-2.15.0.json), to stand beside that of another. Exit code 1 when a check
/// contradicts what the code declares.

#include <algorithm>
#include <cstdio>
#include <string>
#include <vector>

#include "base/json_file.h"
#include "support/backends_here.h"
#include "surface/result_file.h"

namespace vauban::test {
namespace {

struct Options {
  std::string backend, device, out = results_folder().string();
  bool stale = false, versioned = false;
};

Result<Options> options_from(int count, char** arguments) {
  Options out;
  for (int i = 1; i < count; ++i) {
    const std::string_view flag = arguments[i];
    if (flag == "--stale" || flag == "--versioned") {
      (flag == "--stale" ? out.stale : out.versioned) = true;
      continue;
    }
    std::string* value = flag == "--backend"  ? &out.backend
                         : flag == "--device" ? &out.device
                         : flag == "--out"    ? &out.out
                                              : nullptr;
    if (!value || i + 1 == count)
      return invalid_input("expected --backend B, --device D, --out FOLDER, --stale or --versioned, found '{}'", flag);
    *value = arguments[++i];
  }
  return out;
}

Result<bool> is_fresh(const std::filesystem::path& path, const SurfaceBench& bench) {
  if (!std::filesystem::exists(path)) return false;
  VB_TRY(const Json json, read_json_file(path));
  const Result<ResultFile> file = result_file_from(path.filename().string(), json);
  if (!file) return false;
  VB_TRY(const std::string digest, digest_for(*file));
  if (!is_current(*file, digest)) return false;
  for (const SurfaceRow& row : surface_rows())
    for (const SurfaceCheck& check : row.checks)
      if (check.runs_on(file->device_kind) &&
          std::ranges::find(file->checks, check.id, &CheckResult::id) == file->checks.end())
        return false;
  return contradictions(bench.declaration(), file->checks).empty();
}

/// "-2.15.0"; "" of a backend that stands on nothing.
Result<std::string> version_of(std::string_view backend) {
  const auto entry = std::ranges::find(all_backends(), backend, &BackendEntry::id);
  if (entry == all_backends().end()) return not_found("no backend '{}'", backend);
  VB_TRY(const auto versions, entry->versions());
  return versions.empty() ? std::string() : "-" + versions.begin()->second;
}

/// -> whether nothing contradicts the declaration.
Result<bool> prove_one(const std::string& backend, const Options& options) {
  VB_TRY(const auto bench, SurfaceBench::open(backend, options.device));
  std::string version;
  if (options.versioned) {
    VB_TRY(version, version_of(backend));
  }
  const std::filesystem::path path =
      std::filesystem::path(options.out) / format("{}-{}{}.json", backend, bench->declaration().device.kind, version);
  VB_TRY(const bool fresh, is_fresh(path, *bench));
  if (options.stale && fresh) return true;
  VB_TRY(const ResultFile file, prove(*bench));
  std::filesystem::create_directories(options.out);
  VB_CHECK(write_json_file(path, to_json(file)));
  const auto faults = contradictions(bench->declaration(), file.checks);
  for (const std::string& fault : faults) std::fprintf(stderr, "%s\n", fault.c_str());
  std::printf("%s: %zu checks, %zu contradictions\n", path.c_str(), file.checks.size(), faults.size());
  return faults.empty();
}

Result<bool> prove_all(const Options& options) {
  bool honest = true;
  for (const std::string& backend : options.backend.empty() ? backends_here() : std::vector{options.backend}) {
    VB_TRY(const bool good, prove_one(backend, options), "of backend '{}'", backend);
    honest = honest && good;
  }
  return honest;
}

}  // namespace
}  // namespace vauban::test

int main(int count, char** arguments) {
  using namespace vauban;
  const auto options = test::options_from(count, arguments);
  const auto honest = options ? test::prove_all(*options) : Result<bool>(options.error());
  if (!honest) std::fprintf(stderr, "surface_proof: %s\n", describe(honest.error()).c_str());
  return honest && *honest ? 0 : 1;
}
