// inspect: what it says beyond the list of tensors, held to config.json and to the header of the file.
#include "cli/file_sums.h"
#include "cli/workspace.h"

namespace vauban::test {
namespace {

std::filesystem::path tiny(const std::string& name) { return shared_data() / "tiny_models" / name; }
Json inspected(const std::string& name) { return vauban({"inspect", tiny(name).string(), "--no-digests", "--json"}).json(); }

TEST(Inspect, ParametersThatATokenDoesNotMeet) {
  VB_NEED_SHARED("tiny_models");
  struct Case {
    const char *model, *experts, *chosen;
  };
  for (const auto& [model, experts, chosen] : {Case{"mixtral", "num_local_experts", "num_experts_per_tok"}, {"deepseek_v3", "n_routed_experts", "num_experts_per_tok"},
                                               {"qwen2_moe", "num_experts", "num_experts_per_tok"}, {"gptoss", "num_local_experts", "num_experts_per_tok"}}) {
    SCOPED_TRACE(model);
    const Json config = read_json(tiny(model) / "config.json");
    const std::int64_t all = at(config, {experts}).as_int(), few = at(config, {chosen}).as_int();
    const FileSums file = file_sums(tiny(model) / "model.safetensors"),
                   routed = file_sums(tiny(model) / "model.safetensors", [](const std::string& name) { return name.find(".experts.") != std::string::npos; });
    ASSERT_GT(routed.parameters, 0);
    const Json answer = inspected(model);
    EXPECT_EQ(at(answer, {"parameters"}).as_int(), file.parameters);
    EXPECT_EQ(at(answer, {"parameters_active"}).as_int(), file.parameters - routed.parameters / all * (all - few));
  }
}

TEST(Inspect, CacheLayersAndBytes) {
  VB_NEED_SHARED("tiny_models");
  const Json config = read_json(tiny("gemma3") / "config.json"), answer = inspected("gemma3");
  const std::int64_t layers = at(config, {"num_hidden_layers"}).as_int();
  const std::int64_t each = 2 * at(config, {"num_key_value_heads"}).as_int() * at(config, {"head_dim"}).as_int();
  EXPECT_EQ(at(answer, {"kv_cache", "values_per_token"}).as_int(), layers * each);
  EXPECT_EQ(at(answer, {"kv_cache", "bytes_per_token", "f16"}).as_int(), 2 * layers * each);
  EXPECT_EQ(at(answer, {"context_length"}), at(config, {"max_position_embeddings"}));
  std::int64_t counted = 0, at_context = 0;
  for (const Json& kind : at(answer, {"layer_kinds"}).items()) {
    const std::int64_t count = at(kind, {"count"}).as_int();
    counted += count;
    const Json& window = at(kind, {"mixer", "window"});
    at_context += count * each * (window.is_null() ? at(config, {"max_position_embeddings"}).as_int() : at(config, {"sliding_window"}).as_int());
  }
  EXPECT_EQ(counted, layers);
  EXPECT_EQ(at(answer, {"layer_kinds"}).size(), 2u);
  EXPECT_EQ(at(answer, {"kv_cache", "bytes_at_context", "f16"}).as_int(), 2 * at_context);
  const FileSums file = file_sums(tiny("gemma3") / "model.safetensors");
  EXPECT_EQ(at(answer, {"bytes_by_type", "f32"}).as_int(), file.bytes_by_type.at("F32"));
}

/// A plain table and a divided one give back the numbers of their configuration; one scaled by frequency gives none.
TEST(Inspect, RotationIsReadBack) {
  VB_NEED_SHARED("tiny_models");
  const auto rope = [](const std::string& model) { return at(inspected(model), {"rope"}).items().front(); };
  EXPECT_DOUBLE_EQ(at(rope("llama"), {"base"}).as_double(), at(read_json(tiny("llama") / "config.json"), {"rope_theta"}).as_double());
  const Json linear = read_json(tiny("llama_rope_linear") / "config.json");
  EXPECT_DOUBLE_EQ(at(rope("llama_rope_linear"), {"base"}).as_double(), at(linear, {"rope_theta"}).as_double());
  EXPECT_NEAR(at(rope("llama_rope_linear"), {"factor"}).as_double(), at(linear, {"rope_scaling", "factor"}).as_double(), 1e-9);
  EXPECT_TRUE(at(rope("llama_rope_llama3"), {"base"}).is_null());
  EXPECT_EQ(at(rope("llama_rope_dynamic"), {"by_length"}).as_string(), "dynamic");
}

TEST(Inspect, StatesInsteadOfACache) {
  VB_NEED_SHARED("tiny_models");
  const Json config = read_json(tiny("mamba") / "config.json"), answer = inspected("mamba");
  EXPECT_EQ(at(answer, {"kv_cache", "values_per_token"}).as_int(), 0);
  const std::int64_t inner = at(config, {"intermediate_size"}).as_int();
  EXPECT_EQ(at(answer, {"kv_cache", "state_values"}).as_int(),
            at(config, {"num_hidden_layers"}).as_int() * inner * (at(config, {"conv_kernel"}).as_int() - 1 + at(config, {"state_size"}).as_int()));
}

}  // namespace
}  // namespace vauban::test
