/// The include table of docs/architecture.md, enforced on every #include of src/ and include/.

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <set>

#include "architecture/source_tree.h"
#include "support/test_data.h"

namespace vauban::test {
namespace {

using Layers = std::set<std::string>;

/// layer -> what it may include besides itself. `ops_contract` is include/vauban/primitive.h: the arithmetic that both
/// a trace request and an Ops method speak about, so it sits below both.
const std::map<std::string, Layers>& include_table() {
  static const std::map<std::string, Layers> table = [] {
    std::map<std::string, Layers> t{
        {"base", {}},
        {"ops_contract", {"base"}},
        {"tensor", {"base"}},
        {"suite", {"base"}},
        {"text", {"base"}},
        {"format", {"base", "tensor"}},
        {"trace", {"base", "tensor", "format", "ops_contract"}},
        {"ops", {"base", "tensor", "ops_contract"}},
        {"model", {"base", "tensor", "text", "format", "ops", "trace", "ops_contract"}},
        {"backends", {"base", "tensor", "ops", "ops_contract"}},
        {"runtime", {"base", "tensor", "text", "ops", "model", "trace", "ops_contract"}},
        {"transform", {"base", "tensor", "text", "format", "model", "trace"}},
        {"data", {"base", "text"}},
        {"train", {"base", "tensor", "text", "format", "model", "ops", "trace", "data"}},
        {"runner", {"base", "suite", "text", "trace", "runtime"}},
        {"evidence", {"base", "tensor", "format", "suite", "trace"}},
        {"claim", {"base", "trace", "evidence"}},
        {"report", {"base", "suite", "trace", "evidence", "claim"}},
    };
    t["app"] = {};
    for (const auto& [layer, allowed] : t)
      if (layer != "app") t["app"].insert(layer);
    return t;
  }();
  return table;
}

std::string violation(const std::string& layer, const std::string& target) {
  const auto row = include_table().find(layer);
  if (row == include_table().end()) return "layer '" + layer + "' is not in the include table";
  const std::string other = layer_of_include(target);
  if (other == layer || row->second.contains(other)) return "";
  return "layer '" + layer + "' may not include '" + target + "'";
}

bool is_test(const std::string& path) { return path.ends_with("_test.cpp") || path.ends_with("_test.h"); }

TEST(IncludeTable, HoldsForEverySourceFile) {
  const std::filesystem::path src = source_dir() / "src";
  int checked = 0;
  for (const auto& file : files_below("src", {".h", ".cpp", ".inl"})) {
    const std::string relative = std::filesystem::relative(file, src).string();
    // Tests may reach for anything: a layer is tested with real neighbours.
    if (is_test(relative)) continue;
    const std::string layer = relative.substr(0, relative.find('/'));
    for (const Include& include : includes_of(file)) {
      if (include.angled) continue;
      ++checked;
      EXPECT_EQ(violation(layer, include.target), "") << file.string() << ":" << include.line;
    }
  }
  EXPECT_GT(checked, 100);
}

TEST(IncludeTable, HoldsForPublicHeaders) {
  for (const auto& file : files_below("include", {".h"})) {
    const std::string layer = layer_of_include("vauban/" + file.filename().string());
    for (const Include& include : includes_of(file))
      if (!include.angled) {
        EXPECT_EQ(violation(layer, include.target), "") << file.string() << ":" << include.line;
      }
  }
}

TEST(IncludeTable, CatchesAPlantedViolation) {
  EXPECT_NE(violation("evidence", "model/model.h"), "");
  EXPECT_NE(violation("model", "backends/backends.h"), "");
  EXPECT_NE(violation("runtime", "suite/suite.h"), "");
  EXPECT_NE(violation("base", "vauban/trace.h"), "");
  EXPECT_NE(violation("novel_layer", "base/result.h"), "");
  EXPECT_EQ(violation("runner", "vauban/runtime.h"), "");
}

TEST(IncludeTable, HasNoCycle) {
  std::map<std::string, int> state;
  std::function<bool(const std::string&)> acyclic = [&](const std::string& layer) {
    if (state[layer] == 2) return true;
    if (state[layer] == 1) return false;
    state[layer] = 1;
    for (const std::string& other : include_table().at(layer))
      if (!acyclic(other)) return false;
    state[layer] = 2;
    return true;
  };
  for (const auto& [layer, allowed] : include_table()) EXPECT_TRUE(acyclic(layer)) << layer;
}

/// Public headers are values and interfaces: the standard library and each other.
std::vector<std::string> foreign_includes(const std::vector<Include>& includes) {
  static const std::set<std::string> standard{
      "array", "atomic", "bitset", "chrono", "compare", "concepts", "cstddef", "cstdint", "filesystem", "functional",
      "initializer_list", "limits", "map", "memory", "optional", "set", "span", "string", "string_view", "tuple",
      "type_traits", "utility", "variant", "vector"};
  std::vector<std::string> foreign;
  for (const Include& include : includes) {
    const bool fine = include.angled ? standard.contains(include.target) : include.target.starts_with("vauban/");
    if (!fine) foreign.push_back(include.target);
  }
  return foreign;
}

TEST(PublicHeaders, IncludeNothingThirdParty) {
  const auto headers = files_below("include", {".h"});
  EXPECT_GE(headers.size(), 5u);
  for (const auto& file : headers)
    EXPECT_EQ(foreign_includes(includes_of(file)), std::vector<std::string>{}) << file.string();
}

TEST(PublicHeaders, CatchAPlantedThirdPartyInclude) {
  EXPECT_EQ(foreign_includes(includes_in("#include <nlohmann/json.hpp>\n#include <string>\n")),
            std::vector<std::string>{"nlohmann/json.hpp"});
  EXPECT_EQ(foreign_includes(includes_in("#  include \"base/result.h\"\n")), std::vector<std::string>{"base/result.h"});
}

/// The folder of the module that is linked with LibTorch. Its border to the rest is torch_module.h.
constexpr std::string_view kTorchFolder = "src/backends/torch/";

/// Headers of that folder that a file outside it includes.
std::vector<std::string> crossings_to_torch(std::string_view relative, const std::vector<Include>& includes) {
  std::vector<std::string> crossings;
  if (relative.starts_with(kTorchFolder)) return crossings;
  for (const Include& include : includes)
    if (include.target.starts_with("backends/torch/") && include.target != "backends/torch/torch_module.h")
      crossings.push_back(include.target);
  return crossings;
}

TEST(ThirdParty, OnlyTheBorderOfTheTorchModuleIsSeenOutside) {
  for (const auto& file : files_below("src", {".h", ".cpp"})) {
    const std::string relative = std::filesystem::relative(file, source_dir()).string();
    EXPECT_EQ(crossings_to_torch(relative, includes_of(file)), std::vector<std::string>{}) << relative;
  }
  const auto border = includes_of(source_dir() / "src/backends/torch/torch_module.h");
  for (const Include& include : border) EXPECT_FALSE(include.target.starts_with("ATen")) << include.target;
  const auto planted = includes_in("#include \"backends/torch/torch_ops.h\"\n");
  EXPECT_EQ(crossings_to_torch("src/app/open.cpp", planted).size(), 1u);
}

/// Third-party types stay in their adapter: no header outside it names them.
TEST(ThirdParty, HeadersStayInTheirAdapters) {
  const std::set<std::string> adapters{"src/base/format.h", "src/base/result.h"};
  for (const auto& file : files_below("src", {".h"})) {
    const std::string relative = std::filesystem::relative(file, source_dir()).string();
    if (adapters.contains(relative) || is_test(relative) || relative.starts_with(kTorchFolder)) continue;
    for (const Include& include : includes_of(file)) {
      const bool third_party = include.angled && include.target.find('/') != std::string::npos &&
                               !include.target.starts_with("sys/");
      EXPECT_FALSE(third_party) << relative << ":" << include.line << " includes " << include.target;
    }
  }
}

}  // namespace
}  // namespace vauban::test
