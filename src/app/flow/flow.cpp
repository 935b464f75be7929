#include "app/flow/flow.h"

#include <algorithm>

#include "app/flow/fold.h"
#include "base/format.h"
#include "base/strings.h"
#include "model/decoder/block.h"
#include "model/decoder/description.h"
#include "model/network.h"

namespace vauban {
namespace {

std::vector<std::string> lines_of(const BlockDescription& block) {
  std::vector<std::string> lines;
  for (const BlockFact& fact : block.facts)
    if (!fact.text.empty()) lines.push_back(fact.text);
  return lines;
}

FlowNode norm_node(const NormSpec& norm, std::int64_t width) {
  return {.kind = "norm", .title = std::string(title_of(norm.kind)), .lines = {}, .parameters = parameters_of(norm, width), .facts = {}};
}

/// Draws the layers of one model.
class LayerDrawer {
 public:
  LayerDrawer(const ModelConfig& config, DecoderNames names) : config_(config), names_(std::move(names)) {}

  Result<std::vector<FlowSum>> sums(std::int64_t layer) const {
    const DecoderSpec& decoder = config_.decoder;
    const LayerSpec& spec = decoder.layers[static_cast<std::size_t>(layer)];
    VB_TRY(FlowNode mixer, block_node(*spec.mixer, layer));
    std::optional<FlowNode> feed;
    if (spec.feed) {
      VB_TRY(feed, block_node(*spec.feed, layer));
    }
    const FlowNode norm = norm_node(decoder.norm, config_.width);
    const auto one = [&](FlowBranch branch) { return FlowSum{.shared = {}, .branches = {std::move(branch)}}; };
    const auto around = [&](FlowNode block) -> FlowBranch {
      switch (decoder.residuals) {
        case Residuals::after:
          return {std::move(block), norm};
        case Residuals::around:
          return {norm, std::move(block), norm};
        default:
          return {norm, std::move(block)};
      }
    };
    if (decoder.residuals == Residuals::parallel && feed)
      return std::vector<FlowSum>{{.shared = {norm}, .branches = {{std::move(mixer)}, {*std::move(feed)}}}};
    if (decoder.residuals == Residuals::parallel_two_norms && feed)
      return std::vector<FlowSum>{{.shared = {}, .branches = {around(std::move(mixer)), around(*std::move(feed))}}};
    std::vector<FlowSum> out{one(around(std::move(mixer)))};
    if (feed) out.push_back(one(around(*std::move(feed))));
    return out;
  }

 private:
  Result<FlowNode> block_node(const BlockSpec& spec, std::int64_t layer) const {
    TensorLister lister;
    VB_CHECK(spec.load({.weights = lister, .names = names_, .decoder = config_.decoder, .width = config_.width, .layer = layer}));
    const BlockDescription said = spec.describe(config_.decoder, config_.width);
    FlowNode node{.kind = said.kind, .title = said.title, .lines = lines_of(said), .parameters = 0, .facts = said.to_json()};
    for (const TensorSpec& tensor : lister.take()) node.parameters += tensor.shape.elements();
    return node;
  }

  const ModelConfig& config_;
  DecoderNames names_;
};

/// A number for each layer, equal where layers are drawn alike.
std::vector<int> kinds_of(const ModelConfig& config, std::int64_t& idle) {
  std::vector<std::pair<BlockDescription, std::optional<BlockDescription>>> known;
  std::vector<int> kinds;
  for (const LayerSpec& layer : config.decoder.layers) {
    std::pair<BlockDescription, std::optional<BlockDescription>> said{layer.mixer->describe(config.decoder, config.width), {}};
    if (layer.feed) said.second = layer.feed->describe(config.decoder, config.width);
    idle += said.first.idle_parameters + (said.second ? said.second->idle_parameters : 0);
    const auto found = std::ranges::find(known, said);
    kinds.push_back(static_cast<int>(found - known.begin()));
    if (found == known.end()) known.push_back(std::move(said));
  }
  return kinds;
}

FlowNode table_node(std::string title, std::int64_t rows, std::int64_t width, std::vector<std::string> lines) {
  lines.insert(lines.begin(), format("{} × {}", rows, width));
  return {.kind = "ends", .title = std::move(title), .lines = std::move(lines), .parameters = rows * width, .facts = {}};
}

std::vector<FlowNode> nodes_before(const ModelConfig& c) {
  const DecoderSpec& d = c.decoder;
  std::vector<FlowNode> out{table_node("token embedding", c.vocab_size, c.width,
                                       d.embedding_scale != 1.0 ? std::vector<std::string>{format("times {:.6g}", d.embedding_scale)}
                                                                : std::vector<std::string>{})};
  if (d.learned_positions > 0) out.push_back(table_node("+ position embedding", d.learned_positions + d.position_offset, c.width, {}));
  if (d.embedding_norm) out.push_back(norm_node(d.norm, c.width));
  return out;
}

std::vector<FlowNode> nodes_after(const ModelConfig& c) {
  const DecoderSpec& d = c.decoder;
  std::vector<std::string> lines;
  if (c.tied_head) lines.emplace_back("the embedding's table");
  if (d.head_bias) lines.emplace_back("with a bias");
  if (d.logit_scale != 1.0) lines.push_back(format("input times {:.6g}", d.logit_scale));
  if (d.logit_softcap > 0.0) lines.push_back(format("logits capped at {:g}", d.logit_softcap));
  FlowNode head = table_node("head", c.vocab_size, c.width, std::move(lines));
  if (c.tied_head) head.parameters = 0;
  if (d.head_bias) head.parameters += c.vocab_size;
  return {norm_node(d.norm, c.width), std::move(head)};
}

Json to_json(const FlowNode& node) {
  Json out = node.facts.is_null() ? Json::object({{"kind", node.kind}, {"title", node.title}}) : node.facts;
  out["parameters"] = node.parameters;
  if (node.facts.is_null() && !node.lines.empty()) out["notes"] = Json(node.lines);
  return out;
}

Json to_json(const std::vector<FlowNode>& nodes) {
  Json out = Json::array();
  for (const FlowNode& node : nodes) out.push_back(to_json(node));
  return out;
}

Json to_json(const FlowLayer& layer) {
  Json sums = Json::array();
  for (const FlowSum& sum : layer.sums) {
    Json branches = Json::array();
    for (const FlowBranch& branch : sum.branches) branches.push_back(to_json(branch));
    sums.push_back(Json::object({{"shared", to_json(sum.shared)}, {"branches", std::move(branches)}}));
  }
  return Json::object({{"count", layer.count}, {"parameters", layer.parameters()}, {"sums", std::move(sums)}});
}

std::string range(std::int64_t first, std::int64_t count) {
  return count == 1 ? std::to_string(first) : format("{}-{}", first, first + count - 1);
}

}  // namespace

std::int64_t FlowLayer::parameters() const {
  std::int64_t total = 0;
  const auto add = [&](const FlowBranch& branch) {
    for (const FlowNode& node : branch) total += node.parameters;
  };
  for (const FlowSum& sum : sums) {
    add(sum.shared);
    for (const FlowBranch& branch : sum.branches) add(branch);
  }
  return total;
}

std::int64_t FlowSegment::span() const {
  std::int64_t total = 0;
  for (const FlowLayer& layer : layers) total += layer.count;
  return total;
}

std::int64_t FlowSegment::parameters() const {
  std::int64_t total = 0;
  for (const FlowLayer& layer : layers) total += layer.count * layer.parameters();
  return total;
}

Result<Flow> flow_of(const ModelSource& source) {
  VB_TRY(const Architecture* architecture, find_architecture(source));
  VB_TRY(const ModelConfig config, architecture->read_config(source));
  Flow flow{.name = source.name, .architecture = std::string(architecture->id), .residuals = std::string(title_of(config.decoder.residuals)),
            .layers = config.layers, .width = config.width, .vocabulary = config.vocab_size, .context = config.context_length,
            .before = nodes_before(config), .after = nodes_after(config), .segments = {}};
  const LayerDrawer drawer(config, architecture->names(config));
  std::int64_t idle = 0;
  for (const FoldedSegment& folded_segment : folded(kinds_of(config, idle))) {
    FlowSegment& segment = flow.segments.emplace_back(FlowSegment{folded_segment.first, folded_segment.times, {}});
    std::int64_t at = segment.first;
    for (const FoldedRun& run : folded_segment.runs) {
      VB_TRY(std::vector<FlowSum> sums, drawer.sums(at));
      segment.layers.push_back({run.count, std::move(sums)});
      at += run.count;
    }
    flow.parameters += segment.times * segment.parameters();
  }
  for (const std::vector<FlowNode>* nodes : {&flow.before, &flow.after})
    for (const FlowNode& node : *nodes) flow.parameters += node.parameters;
  flow.active_parameters = flow.parameters - idle;
  return flow;
}

Json to_json(const Flow& flow) {
  Json segments = Json::array();
  for (const FlowSegment& segment : flow.segments) {
    Json layers = Json::array();
    for (const FlowLayer& layer : segment.layers) layers.push_back(to_json(layer));
    segments.push_back(Json::object({{"first", segment.first}, {"last", segment.first + segment.times * segment.span() - 1},
                                     {"times", segment.times}, {"layers", std::move(layers)}}));
  }
  return Json::object({{"name", flow.name}, {"architecture", flow.architecture}, {"residuals", flow.residuals}, {"layers", flow.layers},
                       {"width", flow.width}, {"vocab_size", flow.vocabulary}, {"context_length", flow.context},
                       {"parameters", flow.parameters}, {"parameters_active", flow.active_parameters},
                       {"before", to_json(flow.before)}, {"segments", std::move(segments)}, {"after", to_json(flow.after)}});
}

std::string headline(const Flow& flow) {
  std::string text = format("{}, {} layers, width {}, vocabulary {}", flow.architecture, flow.layers, with_commas(flow.width),
                            with_commas(flow.vocabulary));
  if (flow.context > 0) text += format(", context {}", with_commas(flow.context));
  text += format(", {} parameters", with_commas(flow.parameters));
  if (flow.active_parameters != flow.parameters) text += format(" ({} per token)", with_commas(flow.active_parameters));
  return text;
}

std::string headline(const FlowSegment& segment) {
  const std::int64_t count = segment.times * segment.span();
  std::string text = format("{} {}", count == 1 ? "layer" : "layers", range(segment.first, count));
  if (segment.times > 1) return text + format(": {} rounds of {}", segment.times, segment.span());
  return count > 1 ? text + format(": {} alike", count) : text;
}

std::string which_layers(const FlowSegment& segment, std::size_t index) {
  if (segment.layers.size() < 2) return {};
  std::int64_t first = segment.first;
  for (std::size_t i = 0; i < index; ++i) first += segment.layers[i].count;
  const std::int64_t count = segment.layers[index].count;
  std::vector<std::string> ranges;
  for (std::int64_t round = 0; round < std::min<std::int64_t>(segment.times, 4); ++round)
    ranges.push_back(range(first + round * segment.span(), count));
  const bool one = count == 1 && segment.times == 1;
  return (one ? "layer " : "layers ") + join(ranges, ", ") + (segment.times > 4 ? " ..." : "");
}

}  // namespace vauban
