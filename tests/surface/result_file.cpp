#include "surface/result_file.h"

#include <algorithm>
#include <limits>
#include <set>

#include "architecture/source_tree.h"
#include "backends/backends.h"
#include "base/context.h"
#include "base/json_file.h"
#include "base/processor.h"
#include "base/sha256.h"
#include "base/strings.h"

namespace vauban::test {
namespace {

#if defined(__clang__)
constexpr std::string_view kCompiler = "clang " __clang_version__;
#else
constexpr std::string_view kCompiler = "gcc " __VERSION__;
#endif

Json to_json(const CheckResult& check) {
  return Json::object({{"id", check.id},
                       {"row", check.row},
                       {"level", check.level},
                       {"evidence", check.evidence.empty() ? Json() : Json(check.evidence)},
                       {"bound", check.bound},
                       {"measured", check.measured},
                       {"passed", check.passed}});
}

Result<void> only_keys(const Json& json, const std::set<std::string_view>& keys) {
  for (const auto& [key, value] : json.entries())
    if (!keys.contains(key)) return corrupt("unknown key '{}'", key);
  return ok();
}

/// `relation` is what tells a proof of operations.
Result<CheckResult> check_from(const Json& json) {
  const bool of_operations = json.find("relation") != nullptr;
  VB_CHECK(only_keys(
      json, of_operations
                ? std::set<std::string_view>{"id", "row", "relation", "bound", "measured", "passed", "note"}
                : std::set<std::string_view>{"id", "row", "level", "evidence", "bound", "measured", "passed"}));
  CheckResult out;
  VB_TRY(out.id, json.get_string("id"));
  VB_TRY(out.row, json.get_string("row"));
  VB_TRY(out.bound, json.get_double("bound"));
  VB_TRY(out.passed, json.get_bool("passed"));
  if (of_operations) {
    VB_TRY(out.relation, json.get_string("relation"));
    VB_TRY(out.note, json.get_string("note"));
    const Json* measured = json.find("measured");
    out.measured = std::numeric_limits<double>::quiet_NaN();  // null: nothing finite, and within no bound
    if (measured && !measured->is_null()) {
      VB_TRY(out.measured, json.get_double("measured"));
    }
    return out;
  }
  VB_TRY(out.level, json.get_string("level"));
  VB_TRY(out.measured, json.get_double("measured"));
  const Json* evidence = json.find("evidence");
  if (!evidence || (!evidence->is_null() && !evidence->is_string()))
    return corrupt("'{}': expected 'evidence'", out.id);
  out.evidence = evidence->as_string();
  return out;
}

Result<std::map<std::string, std::string>> versions_of(std::string_view backend) {
  std::map<std::string, std::string> out{{"vauban", VAUBAN_VERSION}, {"compiler", std::string(kCompiler)}};
  for (const BackendEntry& entry : all_backends())
    if (entry.id == backend) {
      VB_TRY(const auto beside, entry.versions());
      out.insert(beside.begin(), beside.end());
    }
  return out;
}

}  // namespace

Json to_json(const ResultFile& file) {
  Json versions = Json::object(), checks = Json::array();
  for (const auto& [name, version] : file.versions) versions[name] = version;
  for (const CheckResult& check : file.checks) checks.push_back(to_json(check));
  return Json::object(
      {{"date", file.date},
       {"device", Json::object({{"kind", file.device_kind}, {"label", file.device_label}, {"name", file.device_name}})},
       {"versions", versions},
       {"source_digest", file.source_digest},
       {"checks", checks}});
}

Result<ResultFile> result_file_from(std::string_view name, const Json& json) {
  VB_CHECK(only_keys(json, {"date", "device", "versions", "source_digest", "checks"}));
  ResultFile out;
  VB_TRY(out.date, json.get_string("date"));
  VB_TRY(out.source_digest, json.get_string("source_digest"));
  VB_TRY(const Json* device, json.get_object("device"));
  VB_CHECK(only_keys(*device, {"kind", "label", "name"}));
  VB_TRY(out.device_kind, device->get_string("kind"));
  VB_TRY(out.device_label, device->get_string("label"));
  VB_TRY(out.device_name, device->get_string("name"));
  VB_TRY(const Json* versions, json.get_object("versions"));
  for (const auto& [key, version] : versions->entries()) out.versions[key] = version.as_string();
  VB_TRY(const Json* checks, json.get_array("checks"));
  for (const Json& check : checks->items()) {
    VB_TRY(CheckResult read, check_from(check));
    out.of_operations = out.of_operations || !read.relation.empty();
    out.checks.push_back(std::move(read));
  }
  out.backend = std::string(name.substr(0, name.find('-')));
  for (const CheckResult& check : out.checks)
    if (check.relation.empty() == out.of_operations) return corrupt("'{}' is of another kind of proof", check.id);
  if (const auto at = name.rfind('-'); at != std::string_view::npos && name.ends_with(".json")) {
    const std::string_view last = name.substr(at + 1, name.size() - at - 1 - std::string_view(".json").size());
    if (std::ranges::any_of(out.versions, [&](const auto& version) { return version.second == last; }))
      out.version = format("-{}", last);
  }
  if (out.file_name() != name) return corrupt("'{}' holds what belongs in '{}'", name, out.file_name());
  return out;
}

std::filesystem::path results_folder() { return source_dir() / "docs/surface/results"; }

Result<std::vector<ResultFile>> read_results() {
  std::set<std::filesystem::path> paths;
  std::error_code absent;
  for (const auto& entry : std::filesystem::directory_iterator(results_folder(), absent))
    if (entry.path().extension() == ".json") paths.insert(entry.path());
  std::vector<ResultFile> out;
  for (const auto& path : paths) {
    VB_TRY(const Json json, read_json_file(path));
    VB_TRY(ResultFile file, result_file_from(path.filename().string(), json), "in {}", path.string());
    out.push_back(std::move(file));
  }
  return out;
}

namespace {

Result<std::string> digest_of_sources(const std::vector<std::string>& folders) {
  std::set<std::string> paths;
  for (const std::string& folder : folders)
    for (const auto& path : files_below(folder, {".h", ".cpp"}))
      if (const std::string name = std::filesystem::relative(path, source_dir()).string(); !name.ends_with("_test.cpp"))
        paths.insert(name);
  if (paths.empty()) return not_found("no sources below {} in {}", join(folders, ", "), source_dir().string());
  std::string digests;
  for (const std::string& path : paths) {
    VB_TRY(const std::string digest, sha256_file((source_dir() / path).string()));
    digests += " " + digest;
  }
  return sha256_hex(std::string_view(digests)).substr(0, 16);
}

}  // namespace

Result<std::string> source_digest(std::string_view backend, std::string_view device_kind) {
  const std::string own = format("src/backends/{}", backend);
  if (files_below(own, {".cpp"}).empty()) return not_found("backend '{}' has no sources in {}", backend, own);
  if (device_kind == "cpu") return digest_of_sources({own, "src/ops"});
  return digest_of_sources({own, "src/ops", "src/tensor", "src/format", "src/model", "src/runtime", "src/trace", "src/train",
                            "src/evidence", "tests/surface"});
}

std::string operations_digest() { return VAUBAN_PROOF_DIGEST; }

Result<std::string> digest_for(const ResultFile& file) {
  return file.of_operations ? operations_digest() : source_digest(file.backend, file.device_kind);
}

Result<ResultFile> prove(SurfaceBench& bench) {
  const DeviceRef& device = bench.declaration().device;
  ResultFile out{.backend = bench.backend(), .date = iso8601(system_clock().utc()).substr(0, 10)};
  out.device_kind = device.kind;
  out.device_label = device.label;
  out.device_name = device.kind == "cpu" ? processor_name() : device.label;
  VB_TRY(out.versions, versions_of(bench.backend()));
  VB_TRY(out.source_digest, source_digest(bench.backend(), device.kind));
  out.checks = run_surface(bench);
  return out;
}

bool is_current(const ResultFile& file, std::string_view digest) {
  if (file.source_digest != digest || file.of_operations) return file.source_digest == digest;
  for (const SurfaceRow& row : surface_rows())
    for (const SurfaceCheck& check : row.checks) {
      const auto found = std::ranges::find(file.checks, check.id, &CheckResult::id);
      if (found != file.checks.end() && found->bound != check.bound) return false;
    }
  return true;
}

}  // namespace vauban::test
