/// What a call that can fail returns, and what a failure says.
///
/// Only names are declared here, so that public interfaces can mention `Result<T>` without a third-party include;
/// include "base/result.h" to use one. Errors are values: nothing in vauban throws across a layer.
#pragma once

#include <string>
#include <vector>

namespace vauban {

/// Few codes, since callers branch on few. `exit_code_of` (app) maps them to the exit codes of the command line.
enum class ErrorCode {
  invalid_input,  ///< the request or configuration is wrong: fix what was asked
  corrupt,        ///< a file contradicts its own format: fetch or make it again
  not_found,      ///< a named file, model, command or id does not exist
  unsupported,    ///< well-formed, but outside what this build can do
  io,             ///< the operating system refused a read or write
  resource,       ///< memory, disk or a declared limit is used up
  cancelled,      ///< the user stopped it
  internal,       ///< a fault of vauban itself
};

struct Error {
  ErrorCode code = ErrorCode::internal;
  std::string message;               ///< what was expected, what was found, where, in which unit
  std::vector<std::string> context;  ///< innermost first: "while loading layer 3", "in model.gguf"
  std::string hint;                  ///< what to do next; may be empty
};

template <class T>
class Result;

}  // namespace vauban
