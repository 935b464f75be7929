/// The tests of this build: what its test programs list, each parameter of each suite by name.
#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace vauban::test {

/// Names of the programs `*_test` below `build`: "Trace.RefusesEachViolationOfTheGraph", "Backends/Forward.IsRun/torch". Test
/// programs that are not built are not in it.
std::set<std::string> registered_tests(std::string_view build);

/// What is wrong with `name` ("Suite.Name") as a required test of every one of `backends`: it exists for some of
/// them and not for others. Empty: nothing, or it is registered once for all (a test of the host), or not at all (its
/// program is not built).
std::string missing_for(std::string_view name, const std::vector<std::string>& backends,
                        const std::set<std::string>& registered);

}  // namespace vauban::test
