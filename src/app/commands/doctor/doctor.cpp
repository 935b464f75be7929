/// vauban doctor: what this machine and this build can do.

#include <sys/utsname.h>
#include <unistd.h>

#include <thread>

#include "app/command.h"
#include "app/version.h"
#include "backends/backends.h"
#include "backends/cpu/cpu_ops.h"

namespace vauban {
namespace {

struct DoctorConfig {
  CommonOptions common;
};

void fields(DoctorConfig& c, FieldVisitor& f) { fields(c.common, f); }

/// Where a backend is not there, its row has the reason.
Json backend_row(const BackendEntry& entry, const Context& context) {
  const auto ops = entry.make(context, {});
  Json row = Json::object({{"id", entry.id},
                           {"works", ops.has_value()},
                           {"reason", ops ? Json() : Json(describe(ops.error()))},
                           {"devices", Json::array()}});
  if (!ops) return row;
  row["device"] = (*ops)->device_label();
  if (const auto devices = entry.devices_here())
    for (const std::string& device : *devices) row["devices"].push_back(device);
  if (const auto versions = entry.versions())
    for (const auto& [name, version] : *versions) row[name] = version;
  return row;
}

Json backend_rows(const Context& context) {
  Json list = Json::array();
  for (const BackendEntry& entry : all_backends()) list.push_back(backend_row(entry, context));
  return list;
}

Json host() {
  utsname name{};
  ::uname(&name);
  return Json::object({{"system", name.sysname}, {"release", name.release}, {"machine", name.machine},
                       {"cores", std::thread::hardware_concurrency()},
                       {"memory_bytes", static_cast<std::int64_t>(::sysconf(_SC_PHYS_PAGES)) * ::sysconf(_SC_PAGESIZE)}});
}

Result<int> run_doctor(const DoctorConfig&, Session& session) {
  Json kernels = Json::array();
  for (const CpuTarget target : available_cpu_targets()) kernels.push_back(to_string(target));
  const Json answer = Json::object({{"version", version()}, {"compiler", build_compiler()}, {"build", build_type()},
                                    {"host", host()}, {"threads", session.context().pool.size()},
                                    {"backends", backend_rows(session.context())}, {"cpu_kernels", std::move(kernels)}});
  if (session.out().json()) {
    VB_CHECK(session.out().print_json(answer));
    return 0;
  }
  session.out().text(format("vauban {} ({}, {})\n", version(), build_compiler(), build_type()));
  session.out().text(format("host      {}\n", answer.find("host")->dump().value_or("")));
  for (const Json& row : answer.find("backends")->items()) session.out().text(format("backend   {}\n", row.dump().value_or("")));
  for (const Json& row : answer.find("cpu_kernels")->items()) session.out().text(format("kernels   {}\n", row.as_string()));
  return 0;
}

}  // namespace

Command doctor_command() {
  return make_command<DoctorConfig>({"doctor", "devices, kernels and versions of this machine and build", ""}, run_doctor);
}

}  // namespace vauban
