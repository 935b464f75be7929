// Every architecture's own blocks say which tensors are the mixer's, which the feed-forward's, and which are norms.
#include "model/layer_parts.h"

#include <gtest/gtest.h>

#include "model/decoder/gated_delta.h"
#include "model/decoder/mamba.h"
#include "model/decoder/mlp.h"
#include "model/decoder/moe.h"
#include "model/decoder/short_conv.h"

namespace vauban {
namespace {

const Architecture& architecture(std::string_view id) {
  for (const Architecture& one : all_architectures())
    if (one.id == id) return one;
  ADD_FAILURE() << "no architecture " << id;
  return all_architectures().front();
}

template <class Mixer>
ModelConfig with_mixer(const Mixer& mixer, const std::shared_ptr<const BlockSpec>& feed) {
  ModelConfig c;
  c.vocab_size = 8;
  c.width = 4;
  c.layers = 1;
  c.decoder.norm = {.kind = NormKind::rms};
  c.decoder.layers = {{.mixer = std::make_shared<const Mixer>(mixer), .feed = feed}};
  return c;
}

std::set<std::string> norms_of(const Architecture& of, const ModelConfig& c) {
  std::set<std::string> found;
  for (const TensorSpec& spec : of.tensors(c))
    if (is_norm_weight(spec)) found.insert(spec.hf);
  return found;
}

TEST(LayerParts, ADeltaNetIsAMixerWithANormOfItsOwn) {
  GatedDeltaSpec delta;
  delta.key_heads = delta.value_heads = 1;
  delta.key_dim = delta.value_dim = 4;
  delta.kernel = 2;
  MoeSpec moe;
  moe.routing.experts = 2;
  moe.routing.chosen = 1;
  moe.width = moe.shared_width = 4;
  moe.shared_gate = true;
  const ModelConfig c = with_mixer(delta, std::make_shared<const MoeSpec>(moe));
  const Architecture& next = architecture("qwen3next");
  const auto mixer = tensors_of(next, c, LayerPart::mixer), feed = tensors_of(next, c, LayerPart::feed);
  for (const char* name : {"in_proj_qkvz", "in_proj_ba", "out_proj", "norm"}) {
    EXPECT_TRUE(mixer.contains("model.layers.0.linear_attn." + std::string(name) + ".weight")) << name;
    EXPECT_FALSE(feed.contains("model.layers.0.linear_attn." + std::string(name) + ".weight")) << name;
  }
  EXPECT_TRUE(feed.contains("model.layers.0.mlp.experts.1.up_proj.weight"));
  EXPECT_TRUE(feed.contains("model.layers.0.mlp.shared_expert_gate.weight"));
  EXPECT_EQ(norms_of(next, c), (std::set<std::string>{"model.layers.0.input_layernorm.weight", "model.layers.0.linear_attn.norm.weight",
                                                      "model.layers.0.post_attention_layernorm.weight", "model.norm.weight"}));
}

TEST(LayerParts, AScanAndAConvolutionAreMixersWithoutNorms) {
  MambaSpec scan;
  scan.inner = 8;
  scan.states = 2;
  scan.rank = 1;
  scan.kernel = 2;
  const ModelConfig mamba = with_mixer(scan, nullptr);
  EXPECT_TRUE(tensors_of(architecture("mamba"), mamba, LayerPart::mixer).contains("backbone.layers.0.mixer.in_proj.weight"));
  EXPECT_TRUE(tensors_of(architecture("mamba"), mamba, LayerPart::feed).empty());
  EXPECT_EQ(norms_of(architecture("mamba"), mamba), (std::set<std::string>{"backbone.layers.0.norm.weight", "backbone.norm_f.weight"}));

  ShortConvSpec conv;
  conv.width = 4;
  conv.kernel = 2;
  MlpSpec mlp;
  mlp.width = 8;
  const ModelConfig lfm2 = with_mixer(conv, std::make_shared<const MlpSpec>(mlp));
  EXPECT_TRUE(tensors_of(architecture("lfm2"), lfm2, LayerPart::mixer).contains("model.layers.0.conv.out_proj.weight"));
  EXPECT_TRUE(tensors_of(architecture("lfm2"), lfm2, LayerPart::feed).contains("model.layers.0.feed_forward.w1.weight"));
  EXPECT_EQ(norms_of(architecture("lfm2"), lfm2), (std::set<std::string>{"model.layers.0.operator_norm.weight", "model.layers.0.ffn_norm.weight",
                                                                         "model.embedding_norm.weight"}));
}

}  // namespace
}  // namespace vauban
