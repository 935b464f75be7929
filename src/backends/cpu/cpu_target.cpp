#include "backends/cpu/cpu_target.h"

#include <array>
#include <string>

namespace vauban {
namespace {

bool runs_avx2() {
#if defined(__x86_64__)
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c");
#else
  return false;
#endif
}

bool runs_avx512() {
#if defined(__x86_64__)
  return runs_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
#else
  return false;
#endif
}

bool runs_always() { return true; }

struct TargetEntry {
  CpuTarget target;
  std::string_view name;
  const cpu::Kernels* (*kernels)();
  const cpu::PrimitiveKernels* (*primitive)();
  bool (*runs)();
};

constexpr std::array kTargets{
    TargetEntry{CpuTarget::portable, "portable", cpu::portable_kernels, cpu::portable_primitive_kernels, runs_always},
    TargetEntry{CpuTarget::avx2, "avx2", cpu::avx2_kernels, cpu::avx2_primitive_kernels, runs_avx2},
    TargetEntry{CpuTarget::avx512, "avx512", cpu::avx512_kernels, cpu::avx512_primitive_kernels, runs_avx512},
};

const TargetEntry& entry_of(CpuTarget target) { return kTargets[static_cast<std::size_t>(target)]; }
bool is_available(const TargetEntry& entry) { return entry.kernels() != nullptr && entry.runs(); }

}  // namespace

std::string_view to_string(CpuTarget target) { return entry_of(target).name; }

std::vector<CpuTarget> available_cpu_targets() {
  std::vector<CpuTarget> available;
  for (const TargetEntry& entry : kTargets)
    if (is_available(entry)) available.push_back(entry.target);
  return available;
}

CpuTarget cpu::target_of(const Kernels& kernels) {
  for (const TargetEntry& entry : kTargets)
    if (entry.kernels() == &kernels) return entry.target;
  return CpuTarget::portable;
}

const cpu::PrimitiveKernels& cpu::primitive_kernels_of(CpuTarget target) { return *entry_of(target).primitive(); }

Result<const cpu::Kernels*> cpu::kernels_for(CpuTarget target) {
  const TargetEntry& entry = entry_of(target);
  if (is_available(entry)) return entry.kernels();
  std::string available;
  for (const CpuTarget other : available_cpu_targets()) {
    available += available.empty() ? "" : ", ";
    available += to_string(other);
  }
  return unsupported("backend 'cpu' cannot run its {} kernels on this processor or in this build; available: {}",
                     entry.name, available);
}

}  // namespace vauban
