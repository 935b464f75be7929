#include "format/model_names.h"

#include <gtest/gtest.h>

namespace vauban {
namespace {

TEST(ModelNames, AreThoseOfEmbeddedModelsWithOrWithoutAdapters) {
  for (const char* name : {"garrison", "garrison-finetuned", "garrison+terse", "garrison+path/to/mine+other"})
    EXPECT_TRUE(names_embedded_model(name)) << name;
  for (const char* path : {"", "+", "garrisons", "./garrison", "models/garrison", "mine+garrison", "Garrison"})
    EXPECT_FALSE(names_embedded_model(path)) << path;
}

}  // namespace
}  // namespace vauban
