/// Writes the generated pages. Run through scripts/generate-docs.

#include <cstdio>

#include "architecture/parity_page.h"
#include "base/files.h"
#include "support/test_data.h"
#include "surface/page.h"

namespace vauban::test {
namespace {

Result<void> write_parity() {
  VB_TRY(const ParityFile file, read_parity());
  VB_TRY(const std::string page, render_parity(file, tests_in_sources()));
  return write_file_atomic(source_dir() / "docs/parity.md", page);
}

Result<void> write_surface() {
  VB_TRY(const SurfaceInputs inputs, surface_inputs());
  VB_TRY(const std::string page, render_surface(inputs));
  return write_file_atomic(source_dir() / "docs/torch_surface_matrix.md", page);
}

}  // namespace
}  // namespace vauban::test

int main() {
  bool written = true;
  for (const auto write : {vauban::test::write_parity, vauban::test::write_surface}) {
    const auto done = write();
    if (done) continue;
    std::fprintf(stderr, "generate_docs: %s\n", vauban::describe(done.error()).c_str());
    written = false;
  }
  return written ? 0 : 1;
}
