#include <fstream>

#include "base/files.h"
#include "base/result.h"
#include "format/model_source.h"
#include "format/safetensors.h"
#include "format/safetensors_writer.h"
#include "support/test_data.h"

namespace vauban {
namespace {

constexpr const char* kFirst = "model-00001-of-00002.safetensors";
constexpr const char* kSecond = "model-00002-of-00002.safetensors";

/// Two shards: a, b in the first and c in the second, 4 floats each; the index can then be replaced.
class ShardedModel : public testing::Test {
 protected:
  void SetUp() override {
    write(kFirst, {"a", "b"}, {{"format", "pt"}, {"part", "1"}});
    write(kSecond, {"c"}, {{"format", "pt"}, {"part", "2"}});
    index(R"({"metadata":{"total_size":48},"weight_map":{"a":")" + std::string(kFirst) + R"(","b":")" + kFirst +
          R"(","c":")" + kSecond + R"("}})");
  }
  void write(const std::string& name, const std::vector<std::string>& tensors,
             const SafetensorsMetadata& metadata = {}) {
    std::vector<NamedTensorView> views;
    for (const std::string& tensor : tensors)
      views.push_back({tensor, {DType::f32, {4}, std::as_bytes(std::span(values_))}});
    VB_ASSERT_OK(write_safetensors(folder_ / name, views, metadata));
  }
  void index(const std::string& text) { VB_ASSERT_OK(write_file_atomic(index_path(), text)); }
  std::filesystem::path index_path() const { return folder_ / "model.safetensors.index.json"; }
  void expect_refused(std::string_view reason, ErrorCode code = ErrorCode::corrupt) {
    const auto result = open_safetensors_index(index_path());
    ASSERT_FALSE(result.has_value()) << reason;
    EXPECT_EQ(result.error().code, code) << describe(result.error());
    EXPECT_NE(describe(result.error()).find(reason), std::string::npos) << describe(result.error());
  }
  test::TempDir folder_;
  float values_[4] = {1, 2, 3, 4};
};

TEST_F(ShardedModel, JoinsItsShards) {
  const auto model = open_safetensors_index(index_path());
  VB_ASSERT_OK(model);
  ASSERT_EQ((*model)->tensors().size(), 3u);
  EXPECT_EQ((*model)->files().size(), 2u);
  EXPECT_EQ((*model)->find("b")->file, 0u);
  EXPECT_EQ((*model)->find("c")->file, 1u);
  EXPECT_EQ((*model)->metadata(),
            Json::object({{"format", "pt"}, {format("part@{}", kFirst), "1"}, {format("part@{}", kSecond), "2"}}));
}

TEST_F(ShardedModel, HasTheDigestOfTheSameTensorsInOneFile) {
  write("whole.safetensors", {"c", "a", "b"});
  const auto whole = open_safetensors(folder_ / "whole.safetensors");
  const auto sharded = open_safetensors_index(index_path());
  VB_ASSERT_OK(whole);
  VB_ASSERT_OK(sharded);
  EXPECT_EQ((*whole)->digest(), (*sharded)->digest());
  EXPECT_NE((*whole)->file_digest(0), (*sharded)->file_digest(0));
}

TEST_F(ShardedModel, WithoutATotalOrWithAWholeFractionItOpens) {
  const std::string map =
      R"("weight_map":{"a":")" + std::string(kFirst) + R"(","b":")" + kFirst + R"(","c":")" + kSecond + R"("}})";
  index("{" + map);
  VB_EXPECT_OK(open_safetensors_index(index_path()));
  index(R"({"metadata":{"total_size":48.0},)" + map);
  VB_EXPECT_OK(open_safetensors_index(index_path()));
  for (const char* bad : {"47", "-48", "48.5", "\"48\"", "1e300", "null"}) {
    index(format(R"({{"metadata":{{"total_size":{}}},)", bad) + map);
    EXPECT_FALSE(open_safetensors_index(index_path())) << bad;
  }
}

TEST_F(ShardedModel, RefusesATensorThatItsShardLacks) {
  write(kFirst, {"a"});
  expect_refused("lacks tensor 'b'");
}

TEST_F(ShardedModel, RefusesATensorThatTheIndexDoesNotKnow) {
  write(kSecond, {"c", "d"});
  expect_refused("holds tensor 'd', which the index does not place here");
}

TEST_F(ShardedModel, RefusesATensorInTwoShards) {
  write(kSecond, {"a", "c"});
  expect_refused("holds tensor 'a', which the index does not place here");
}

TEST_F(ShardedModel, RefusesAMissingShard) {
  std::filesystem::remove(folder_ / kSecond);
  expect_refused(kSecond, ErrorCode::not_found);
}

TEST_F(ShardedModel, RefusesADamagedShardAndNamesIt) {
  VB_ASSERT_OK(write_file_atomic(folder_ / kSecond, "short"));
  expect_refused(kSecond);
}

TEST_F(ShardedModel, RefusesShardsOutsideTheFolder) {
  for (const char* name :
       {"../x.safetensors", "/etc/passwd", "sub/x.safetensors", "..", ".", "", "a\\\\b", "a\\u0000b"}) {
    index(format(R"({{"weight_map":{{"a":"{}"}}}})", name));
    expect_refused("a file beside the index");
  }
}

TEST_F(ShardedModel, RefusesAnIndexOfAnotherForm) {
  for (const char* text : {"[]", "{}", R"({"weight_map":[]})", R"({"weight_map":{}})", R"({"weight_map":{"a":1}})",
                           "no json", R"({"weight_map":{"a":"x","a":"y"}})"}) {
    index(text);
    const auto refused = open_safetensors_index(index_path());
    ASSERT_FALSE(refused) << text;
    EXPECT_EQ(refused.error().code, ErrorCode::corrupt) << text;
  }
}

TEST_F(ShardedModel, OpensAsAFolderButNotByOneShard) {
  VB_ASSERT_OK(write_file_atomic(folder_ / "config.json", R"({"model_type":"llama"})"));
  const auto source = ModelSource::open(folder_.path());
  VB_ASSERT_OK(source);
  EXPECT_EQ(source->file->tensors().size(), 3u);
  const auto refused = ModelSource::open(folder_ / kFirst);
  ASSERT_FALSE(refused);
  EXPECT_NE(describe(refused.error()).find("one shard of a model"), std::string::npos);
}

}  // namespace
}  // namespace vauban
