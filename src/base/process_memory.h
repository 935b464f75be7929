/// Peak resident memory of this process, as the kernel counts it. Linux only; elsewhere, and where /proc is closed,
/// there is no answer rather than a guess.
#pragma once

#include <cstdint>
#include <optional>

namespace vauban {

/// VmHWM of /proc/self/status: the high-water mark since the last reset, in bytes (whole pages).
std::optional<std::int64_t> peak_resident_bytes();

/// Lowers that mark to what is resident now (writes 5 to /proc/self/clear_refs). -> whether the kernel allowed it.
/// The mark is one per process: only one measurement at a time means something.
bool reset_peak_resident();

}  // namespace vauban
