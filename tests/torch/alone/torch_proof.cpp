// torch_proof [--device D] [--name NAME] [--out FILE] [--plant ID]: proves a device of LibTorch against the reference,
// prints a summary and writes the result file. torch_proof --version: that of LibTorch. Exit code: 0 all passed, 1 a check failed, 2 usage, 3 no such device.
#include <cstdio>
#include <fstream>
#include <map>
#include <optional>

#include "backends/reference/reference_ops.h"
#include "torch/alone/result_file.h"
#include "backends/torch/torch_module.h"

extern "C" const vauban::torch_backend::Module* vauban_torch_module();

namespace vauban::proof {
namespace {

constexpr const char* kUsage = "usage: torch_proof [--device cpu|cuda[:n]|mps] [--name NAME] [--out FILE] [--plant ID|all]\n";

struct Options {
  std::string device = "cpu", name, out;
  std::string plant;  ///< this check's measurement is spoilt: it must fail
};

std::optional<Options> parse(std::span<char*> args) {
  Options options;
  const std::map<std::string_view, std::string*> known{
      {"--device", &options.device}, {"--name", &options.name}, {"--out", &options.out}, {"--plant", &options.plant}};
  for (std::size_t i = 1; i < args.size(); i += 2) {
    const auto option = known.find(args[i]);
    if (option == known.end() || i + 1 >= args.size()) return {};
    *option->second = args[i + 1];
  }
  return options;
}

std::vector<Check> prove_all(Ops& specification, Ops& device, Ops& trainer, Ops& native, const std::string& plant) {
  Proof exact(specification, device, plant), training(specification, trainer, plant), narrow(specification, native, plant);
  for (const auto prove : {prove_forward, prove_attention, prove_recurrences, prove_primitive, prove_weights, prove_profile}) prove(exact);
  prove_gradients(training);
  prove_written_weights(training);
  prove_native(narrow);
  prove_native_weights(narrow);
  std::vector<Check> checks;
  for (const Proof* proof : {&exact, &training, &narrow})
    checks.insert(checks.end(), proof->checks().begin(), proof->checks().end());
  return checks;
}

/// Rows with their counts, and every check that failed. Returns how many did.
int summarise(const Provenance& p, std::span<const Check> checks) {
  std::map<std::string, std::pair<int, int>> rows;  // passed, all
  int failed = 0;
  std::printf("torch_proof: %s (%s), LibTorch %s, %s\n", p.device_label.c_str(), p.device_name.c_str(),
              p.libtorch.c_str(), p.compiler.c_str());
  for (const Check& check : checks) {
    rows[check.row].first += check.passed;
    ++rows[check.row].second;
    if (check.passed) continue;
    ++failed;
    std::printf("FAILED %s: measured %g, expected %s %g %s\n", check.id.c_str(), check.measured, check.relation.c_str(),
                check.bound, check.note.c_str());
  }
  for (const auto& [row, count] : rows) std::printf("%-22s %d of %d\n", row.c_str(), count.first, count.second);
  std::printf("%s: %zu checks, %d failed\n", failed == 0 ? "passed" : "FAILED", checks.size(), failed);
  return failed;
}

int explain(const Error& error) {
  std::fprintf(stderr, "torch_proof: %s\n", describe(error).c_str());
  return 3;
}

int run(const Options& options) {
  ThreadPool pool(2);
  SystemClock clock;
  SilentProgress progress;
  CancelToken cancel;
  const Context context{.pool = pool, .clock = clock, .progress = progress, .cancel = cancel, .seed = 1};
  const torch_backend::Module& module = *vauban_torch_module();
  const auto specification = make_reference_ops(context, "cpu:0");
  const auto device = module.make(context, {.device = options.device, .numerics = "exact"});
  const auto trainer = module.make(context, {.device = options.device, .numerics = "f32", .training = true});
  const auto native = module.make(context, {.device = options.device, .numerics = "native"});
  for (const auto* made : {&specification, &device, &trainer, &native})
    if (!*made) return explain(made->error());

  const std::vector<Check> checks = prove_all(**specification, **device, **trainer, **native, options.plant);
  const std::string kind((*device)->device_kind());
  const Provenance provenance{.date = iso8601(clock.utc()),
                              .device_kind = kind,
                              .device_label = (*device)->device_label(),
                              .device_name = options.name.empty() ? device_name(kind) : options.name,
                              .libtorch = module.libtorch,
                              .compiler = VAUBAN_COMPILER,
                              .source_digest = VAUBAN_PROOF_DIGEST};
  const int failed = summarise(provenance, checks);
  if (!options.out.empty()) {
    std::ofstream file(options.out, std::ios::binary);
    file << result_json(provenance, checks) << std::flush;
    if (!file) return explain(io("cannot write '{}'", options.out));
  }
  return failed == 0 ? 0 : 1;
}

}  // namespace
}  // namespace vauban::proof

int main(int count, char** values) {
  if (count == 2 && std::string_view(values[1]) == "--version") {
    std::printf("%s\n", vauban_torch_module()->libtorch);
    return 0;
  }
  const auto options = vauban::proof::parse({values, static_cast<std::size_t>(count)});
  if (options) return vauban::proof::run(*options);
  std::fputs(vauban::proof::kUsage, stderr);
  return 2;
}
