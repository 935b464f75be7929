/// primitive_gate OUT.json [THREADS] [SAMPLES]: runs the five checks and writes the record. See bench/primitive/gate.
#include <cstdio>
#include <cstdlib>

#include "backends/cpu/primitive_gate.h"
#include "base/json_file.h"
#include "primitive/gate_checks.h"
#include "primitive/measure.h"

namespace vauban::bench {
namespace {

Result<Json> run_check(std::string_view name, const Context& context, const GateOptions& options) {
  if (name == "torch_equality") return check_torch_equality(context);
  if (name == "trace_config") return check_trace_config(options);
  if (name == "records_stable") return check_records_stable(options);
  if (name == "suite") return check_suite(options);
  if (name == "speed") return check_speed(options);
  return internal("the gate has no check '{}'", name);
}

Result<bool> write_record(const std::string& out, const GateOptions& options) {
  ThreadPool pool(options.threads);
  SystemClock clock;
  SilentProgress progress;
  CancelToken cancel;
  const Context context{.pool = pool, .clock = clock, .progress = progress, .cancel = cancel, .seed = 0};
  const PrimitiveGateBuild build = primitive_gate_build();
  Json checks = Json::object({});
  bool passed = true;
  for (const std::string_view name : kPrimitiveGateChecks) {
    VB_TRY(Json check, run_check(name, context, options), "in check '{}'", name);
    const std::string status = check.find("status")->as_string();
    std::printf("%-16s %s\n", std::string(name).c_str(), status.c_str());
    std::fflush(stdout);
    passed = passed && status == "pass";
    checks[name] = std::move(check);
  }
  Json targets = Json::array(), sources = Json::array();
  // The traces, the suite and the timings ran on the kernels that this processor takes; the others were compared only.
  targets.push_back(to_string(available_cpu_targets().back()));
  for (const std::string_view source : build.sources) sources.push_back(source);
  VB_CHECK(write_json_file(out, Json::object({{"gate", "primitive-cpu"},
                                              {"schema", 1},
                                              {"kernel", "cpu/primitive/simd"},
                                              {"date", iso8601(clock.utc())},
                                              {"machine", machine(pool)},
                                              {"architecture", build.architecture},
                                              {"targets", std::move(targets)},
                                              {"sources", std::move(sources)},
                                              {"flags", build.flags},
                                              {"compiler", build.compiler},
                                              {"sources_sha256", build.sources_sha256},
                                              {"checks", std::move(checks)},
                                              {"passed", passed}})));
  return passed;
}

}  // namespace
}  // namespace vauban::bench

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: primitive_gate OUT.json [THREADS] [SAMPLES]\n");
    return 2;
  }
  const auto passed = vauban::bench::write_record(
      argv[1],
      {.threads = argc > 2 ? std::atoi(argv[2]) : 0, .samples = argc > 3 ? std::max(3, std::atoi(argv[3])) : 11});
  if (!passed) {
    std::fprintf(stderr, "%s\n", vauban::describe(passed.error()).c_str());
    return 3;
  }
  std::printf("%s: the vector kernels %s\n", argv[1], *passed ? "become the default" : "stay experimental");
  return *passed ? 0 : 1;
}
