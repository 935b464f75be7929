#include "model/layer_parts.h"

#include "model/decoder/block.h"

namespace vauban {

std::set<std::string> tensors_of(const Architecture& architecture, const ModelConfig& config, LayerPart part) {
  const DecoderNames names = architecture.names(config);
  TensorLister lister;
  for (std::size_t i = 0; i < config.decoder.layers.size(); ++i) {
    const LayerSpec& layer = config.decoder.layers[i];
    const auto& block = part == LayerPart::mixer ? layer.mixer : layer.feed;
    if (!block) continue;
    const BlockLoader loader{.weights = lister, .names = names, .decoder = config.decoder, .width = config.width, .layer = static_cast<std::int64_t>(i)};
    if (const auto listed = block->load(loader); !listed) return {};  // a lister cannot fail
  }
  std::set<std::string> found;
  for (const TensorSpec& spec : lister.take()) found.insert(spec.hf);
  return found;
}

bool is_norm_weight(const TensorSpec& spec) {
  return spec.role == TensorRole::other && spec.hf.ends_with(".weight") && !spec.hf_middle_one;
}

}  // namespace vauban
