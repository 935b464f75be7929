/// Whether a shared object may be given to the loader of the system, which maps it as it is: a file that was cut short
/// would end the process with SIGBUS.
#pragma once

#include <filesystem>

#include "base/result.h"

namespace vauban {

/// Reads the ELF header and the tables of segments and sections (System V gABI, chapter 4); then the same of the libraries
/// that the file needs and that lie in the search path it carries itself (DT_RUNPATH), as a LibTorch that was named when the
/// module was built does. Libraries of the system are not looked for. Where programs are not ELF (macOS) nothing is checked.
/// Errors: invalid_input for what is no regular file; unsupported for a file that is no shared object, or one for another
/// processor or word size, naming both; corrupt where the file is shorter than what its tables name. Of a library the same, with its path.
Result<void> check_module_file(const std::filesystem::path& path);

}  // namespace vauban
