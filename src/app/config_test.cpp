#include <gtest/gtest.h>

#include "app/commands/run/run_config.h"
#include "app/commands/init/templates.h"
#include "app/intervention_file.h"
#include "app/weight_edit_file.h"
#include "base/config/dump.h"
#include "base/config/reader.h"
#include "suite/suite.h"
#include "support/test_data.h"

namespace vauban {
namespace {

TEST(Configurations, DeclarationsAreConsistent) {
  VB_EXPECT_OK(check_declaration<RunConfig>());
  VB_EXPECT_OK(check_declaration<InterventionsFile>());
  VB_EXPECT_OK(check_declaration<WeightEditsFile>());
}

TEST(Configurations, EveryExampleIsRead) {
  int configurations = 0;
  for (const auto& entry : std::filesystem::directory_iterator(test::source_dir() / "examples")) {
    if (entry.path().extension() != ".toml") continue;
    if (entry.path().filename() == "interventions.toml") {
      VB_EXPECT_OK(read_interventions(entry.path().string()));
      continue;
    }
    if (entry.path().filename() == "weight_edits.toml") {
      VB_EXPECT_OK(read_weight_edits(entry.path().string()));
      continue;
    }
    const auto config = read_toml_file<RunConfig>(entry.path());
    VB_EXPECT_OK(config);
    ++configurations;
  }
  EXPECT_GE(configurations, 4);
}

TEST(Configurations, EveryShippedSuiteIsRead) {
  for (const auto& entry : std::filesystem::directory_iterator(test::source_dir() / "suites"))
    VB_EXPECT_OK(load_suite(entry.path()));
}

TEST(Configurations, WhatInitWritesIsRead) {
  for (const InitTemplate& file : init_templates()) {
    if (file.name == "suite.toml") {
      VB_EXPECT_OK(parse_suite(file.text, file.name));
    } else {
      VB_EXPECT_OK(read_toml<RunConfig>(file.text, file.name));
    }
  }
}

TEST(Configurations, TheResolvedDumpReadsBackEqual) {
  RunConfig config;
  config.audit.emplace(AuditConfig{.base = "a", .candidate = "b", .suite = "s", .out = "o", .samples = 3, .observe = {"logits:summary"}});
  const auto back = read_toml<RunConfig>(to_toml(config), "");
  VB_ASSERT_OK(back);
  EXPECT_EQ(to_toml(*back), to_toml(config));
  EXPECT_EQ(back->audit->samples, 3);
}

}  // namespace
}  // namespace vauban
