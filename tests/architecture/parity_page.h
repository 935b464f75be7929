/// docs/parity.md, generated from docs/parity.toml and the tests that exist in the sources.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "base/config/fields.h"
#include "base/result.h"

namespace vauban::test {

struct ParityRow {
  std::string section, feature, capability, proof, boundary;
};
struct ParityFile {
  std::vector<ParityRow> rows;
};
void fields(ParityRow& c, FieldVisitor& f);
void fields(ParityFile& c, FieldVisitor& f);

Result<ParityFile> read_parity();
/// "Suite.Name" of every TEST, TEST_F and TEST_P in src/ and tests/.
std::set<std::string> tests_in_sources();
/// Those of them that are a TEST_P: they run once for each of their parameters, as backends are.
std::set<std::string> parameterised_tests_in_sources();
/// Errors: invalid_input for a proof that names no test.
Result<std::string> render_parity(const ParityFile& file, const std::set<std::string>& tests);

}  // namespace vauban::test
