#include "backends/torch_loader.h"

#include <dlfcn.h>

#include "backends/torch/torch_module.h"

namespace vauban {
namespace {

using torch_backend::Module;
using torch_backend::ModuleEntry;

constexpr std::string_view kHint =
    "install libtorch-dev and libopenblas0-openmp (scripts/setup --tests) and build again, or name a LibTorch with "
    "-DCMAKE_PREFIX_PATH; '--backend cpu' needs neither";

Result<const Module*> open_module(const std::filesystem::path& path) {
  // Never closed: LibTorch cannot be unloaded.
  void* handle = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!handle) return with_hint(unsupported("backend 'torch': cannot load {}: {}", path.string(), ::dlerror()), std::string(kHint));
  const auto entry = reinterpret_cast<ModuleEntry>(::dlsym(handle, torch_backend::kModuleSymbol));
  if (!entry)
    return with_hint(unsupported("backend 'torch': {} is no module of vauban", path.string()), std::string(kHint));
  const Module* module = entry();
  if (const std::string digest = module->info().source_digest; digest != VAUBAN_TORCH_SOURCE_DIGEST)
    return with_hint(unsupported("backend 'torch': {} was built from other sources ({}, this program from {})",
                                 path.string(), digest, VAUBAN_TORCH_SOURCE_DIGEST),
                     "build the target vauban_torch again");
  return module;
}

Result<const Module*> find_module() {
  std::string looked;
  for (const std::filesystem::path& place : torch_module_places()) {
    std::error_code ignored;
    if (std::filesystem::exists(place, ignored)) return open_module(place);
    looked += format("{}{}", looked.empty() ? "" : ", ", place.string());
  }
  return with_hint(unsupported("backend 'torch': its module is not here (looked for {})", looked), std::string(kHint));
}

const Result<const Module*>& the_module() {
  static const Result<const Module*> module = find_module();
  return module;
}

}  // namespace

std::vector<std::filesystem::path> torch_module_places() {
  const std::filesystem::path name = "libvauban_torch.so";
  std::vector<std::filesystem::path> places;
  std::error_code failed;
  const std::filesystem::path program = std::filesystem::read_symlink("/proc/self/exe", failed);
  if (!failed) places = {program.parent_path() / name, program.parent_path() / "../lib/vauban" / name};
  places.push_back(std::filesystem::path(VAUBAN_TORCH_MODULE_DIR) / name);
  return places;
}

Result<std::unique_ptr<Ops>> make_torch_ops(const Context& context, const TorchRequest& request) {
  VB_TRY(const Module* module, the_module());
  return module->make(context, {.device = request.device, .numerics = request.numerics, .training = request.training});
}

Result<std::unique_ptr<Ops>> make_torch_ops(const std::filesystem::path& path, const Context& context,
                                            const TorchRequest& request) {
  VB_TRY(const Module* module, open_module(path));
  return module->make(context, {.device = request.device, .numerics = request.numerics, .training = request.training});
}

Result<std::string> libtorch_version() {
  VB_TRY(const Module* module, the_module());
  return module->info().libtorch;
}

}  // namespace vauban
