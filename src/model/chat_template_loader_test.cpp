#include <gtest/gtest.h>

#include "base/files.h"
#include "model/model.h"
#include "support/test_data.h"
#include "support/tiny_model.h"

namespace vauban::test {
namespace {

Result<std::shared_ptr<const ChatTemplate>> loaded(const TempDir& folder) {
  VB_TRY(const ModelSource source, ModelSource::open(folder.path()));
  return load_chat_template(source);
}

TEST(LoadChatTemplate, TheFileGoesBeforeTheConfiguration) {
  const TempDir folder;
  VB_ASSERT_OK(write_tiny_model(folder.path()));
  const auto none = loaded(folder);
  VB_ASSERT_OK(none);
  EXPECT_EQ(*none, nullptr);
  VB_ASSERT_OK(write_file_atomic(folder / "tokenizer_config.json", R"({"chat_template": "from the configuration"})"));
  EXPECT_EQ((*loaded(folder))->source(), "from the configuration");
  VB_ASSERT_OK(write_file_atomic(folder / "chat_template.jinja", "from the file"));
  EXPECT_EQ((*loaded(folder))->source(), "from the file");
}

TEST(LoadChatTemplate, OfSeveralTheDefaultIsTaken) {
  const TempDir folder;
  VB_ASSERT_OK(write_tiny_model(folder.path()));
  const auto write = [&](const char* config) { return write_file_atomic(folder / "tokenizer_config.json", config); };
  VB_ASSERT_OK(write(R"({"chat_template": [{"name": "tool_use", "template": "t"}, {"name": "default", "template": "d"}]})"));
  EXPECT_EQ((*loaded(folder))->source(), "d");
  VB_ASSERT_OK(write(R"({"chat_template": [{"name": "tool_use", "template": "t"}]})"));
  EXPECT_EQ(loaded(folder).error().code, ErrorCode::unsupported);
  VB_ASSERT_OK(write(R"({"chat_template": 3})"));
  EXPECT_EQ(loaded(folder).error().code, ErrorCode::corrupt);
  VB_ASSERT_OK(write(R"({"chat_template": "{% if %}"})"));
  EXPECT_NE(describe(loaded(folder).error()).find("line 1"), std::string::npos);
}

}  // namespace
}  // namespace vauban::test
