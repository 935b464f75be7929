/// docs/torch_surface_matrix.md, generated from what the code declares, the tests that exist and the result files.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/result.h"
#include "surface/result_file.h"
#include "surface/surface.h"

namespace vauban::test {

struct SurfaceInputs {
  std::vector<Declaration> declarations;  ///< in the order of the page
  std::vector<ResultFile> results;
  std::map<std::string, std::string> source_digests;  ///< by name of the result file, as the sources are now
  std::set<std::string> tests;                        ///< "Suite.Name" of those that exist
  std::set<std::string> parameterised;                ///< those of them that run once for each backend
};

/// From this build and this checkout: every backend of the program, torch first. Errors: also unsupported where one of
/// them cannot be opened here, since the page shows all of them.
Result<SurfaceInputs> surface_inputs();

/// Errors: invalid_input, naming row or check, where the page would claim what is not shown:
///   a required test that does not exist; a result for a check or row that the suite does not have; a result that
///   passed beyond its bound or without its evidence; a current result whose level is not the declared one, or that
///   contradicts it.
/// Results of other sources or bounds are not refused: the page calls them stale.
Result<std::string> render_surface(const SurfaceInputs& inputs);
/// Errors: those of render_surface; invalid_input, with the first line that differs, for a page that it would not write.
Result<void> check_surface_page(std::string_view page, const SurfaceInputs& inputs);

}  // namespace vauban::test
