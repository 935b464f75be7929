/// Writes the generated pages. Run through scripts/generate-docs.

#include <cstdio>

#include "architecture/parity_page.h"
#include "base/files.h"
#include "support/test_data.h"

int main() {
  using namespace vauban;
  const auto file = test::read_parity();
  const auto page = file ? test::render_parity(*file, test::tests_in_sources()) : Result<std::string>(file.error());
  const auto written = page ? write_file_atomic(test::source_dir() / "docs/parity.md", *page) : Result<void>(page.error());
  if (!written) std::fprintf(stderr, "generate_docs: %s\n", describe(written.error()).c_str());
  return written ? 0 : 1;
}
