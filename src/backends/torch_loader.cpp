#include "backends/torch_loader.h"

#include <dlfcn.h>

#include <utility>

#include "backends/module_file.h"
#include "backends/torch/torch_module.h"
#include "base/strings.h"

namespace vauban {
namespace {

using torch_backend::Module;
using torch_backend::ModuleEntry;

constexpr std::string_view kHint =
    "install libtorch-dev and libopenblas0-openmp (scripts/setup --tests) and build again, or name a LibTorch with "
    "-DCMAKE_PREFIX_PATH (docs/torch.md); '--backend cpu' needs neither";

constexpr std::string_view kRebuild =
    "build the target vauban_torch again on this machine (it needs libtorch-dev: docs/torch.md); "
    "'--backend cpu' needs none";

template <class... Args>
Error no_module(fmt::format_string<Args...> text, Args&&... args) {
  return with_hint(unsupported("backend 'torch': {}", fmt::format(text, std::forward<Args>(args)...)), std::string(kHint));
}

/// A module's own libraries are looked for by the loader of the system, whose message names the one that is missing.
Result<const Module*> open_module(const std::filesystem::path& path) {
  if (auto whole = check_module_file(path); !whole) {
    Error error = std::move(whole).error();
    error.message = format("backend 'torch': cannot load {}: {}", path.string(), error.message);
    return error.hint.empty() ? with_hint(std::move(error), std::string(kRebuild)) : error;
  }
  // Never closed: LibTorch cannot be unloaded.
  void* handle = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!handle) return no_module("cannot load {}: {}", path.string(), ::dlerror());
  const auto entry = reinterpret_cast<ModuleEntry>(::dlsym(handle, torch_backend::kModuleSymbol));
  const Module* module = entry ? entry() : nullptr;
  if (!module) return no_module("{} is no module of vauban", path.string());
  if (const std::string_view digest = module->source_digest; digest != VAUBAN_TORCH_SOURCE_DIGEST)
    return with_hint(unsupported("backend 'torch': {} was built from other sources ({}, this program from {})",
                                 path.string(), printable(digest, 40), VAUBAN_TORCH_SOURCE_DIGEST),
                     std::string(kRebuild));
  return module;
}

/// The first that exists is the one: a broken module is an answer, not a reason to look elsewhere.
Result<const Module*> find_module(std::span<const std::filesystem::path> places) {
  std::string looked;
  for (const std::filesystem::path& place : places) {
    std::error_code ignored;
    if (std::filesystem::exists(place, ignored)) return open_module(place);
    looked += format("{}{}", looked.empty() ? "" : ", ", place.string());
  }
  return no_module("its module is not here (looked for {})", looked);
}

const Result<const Module*>& the_module() {
  static const Result<const Module*> module = find_module(torch_module_places());
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

Result<std::unique_ptr<Ops>> make_torch_ops(std::span<const std::filesystem::path> places, const Context& context,
                                            const TorchRequest& request) {
  VB_TRY(const Module* module, find_module(places));
  return module->make(context, {.device = request.device, .numerics = request.numerics, .training = request.training});
}

Result<TorchInfo> torch_info() {
  VB_TRY(const Module* module, the_module());
  return TorchInfo{.libtorch = module->libtorch, .kinds = module->kinds(), .devices = module->devices()};
}

}  // namespace vauban
