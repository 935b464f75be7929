/// vauban doctor: what this machine and this build can do.

#include <sys/utsname.h>
#include <unistd.h>

#include <thread>

#include "app/command.h"
#include "app/version.h"
#include "backends/backends.h"
#include "backends/cpu/cpu_ops.h"
#include "backends/torch_loader.h"

namespace vauban {
namespace {

struct DoctorConfig {
  CommonOptions common;
};

void fields(DoctorConfig& c, FieldVisitor& f) { fields(c.common, f); }

/// What the torch backend's module says of itself; where it is not there, its row has the reason.
void add_torch_info(Json& row) {
  const Result<TorchInfo> info = torch_info();
  if (!info) return;
  row["libtorch"] = info->libtorch;
  row["devices"] = Json::array();
  for (const std::string& device : info->devices) row["devices"].push_back(device);
}

Json backend_rows(const Context& context) {
  Json list = Json::array();
  for (const BackendEntry& entry : all_backends()) {
    const auto ops = entry.make(context, {});
    Json row = Json::object({{"id", entry.id},
                             {"works", ops.has_value()},
                             {"reason", ops ? Json() : Json(describe(ops.error()))},
                             {"devices", Json::array()}});
    if (ops) {
      row["device"] = (*ops)->device_label();
      row["devices"].push_back((*ops)->device_kind());
    }
    if (entry.id == "torch") add_torch_info(row);
    list.push_back(std::move(row));
  }
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
