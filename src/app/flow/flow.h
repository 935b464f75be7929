/// Flow: what a model computes, from the ids to the logits, ready to be drawn. Made from what its blocks say of themselves
/// (model/decoder/description.h), so a new architecture or a new kind of block needs nothing here.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "format/model_source.h"
#include "model/model.h"

namespace vauban {

struct FlowNode {
  std::string kind;   ///< BlockDescription::kind, "norm", "ends"
  std::string title;
  std::vector<std::string> lines;
  std::int64_t parameters = 0;
  Json facts;         ///< null where there is nothing beyond the title
};

/// One way from the residual stream and back: norm, block, norm.
using FlowBranch = std::vector<FlowNode>;

/// What is computed side by side from one point of the stream and added to it; `shared` comes before all of them.
struct FlowSum {
  FlowBranch shared;
  std::vector<FlowBranch> branches;
};

/// Like layers, one behind the other.
struct FlowLayer {
  std::int64_t count = 1;
  std::vector<FlowSum> sums;
  std::int64_t parameters() const;  ///< of one of them
};

/// `layers`, all `times` times: layers [first, first + times * span).
struct FlowSegment {
  std::int64_t first = 0, times = 1;
  std::vector<FlowLayer> layers;
  std::int64_t span() const;        ///< layers of one round
  std::int64_t parameters() const;  ///< of one round
};

struct Flow {
  std::string name, architecture, residuals;
  std::int64_t layers = 0, width = 0, vocabulary = 0, context = 0, parameters = 0, active_parameters = 0;
  std::vector<FlowNode> before, after;  ///< embedding ...; final norm, head
  std::vector<FlowSegment> segments;
};

/// Errors: those of the architecture and its configuration.
Result<Flow> flow_of(const ModelSource& source);

Json to_json(const Flow& flow);
/// "llama: 2 layers, width 64, ...": a line about the whole.
std::string headline(const Flow& flow);
/// "layers 0-23: 4 rounds of 6", "layer 3".
std::string headline(const FlowSegment& segment);
/// "layers 0-4, 6-10 and so on", of a part of a segment that is repeated; empty where the segment says it already.
std::string which_layers(const FlowSegment& segment, std::size_t index);

std::string flow_text(const Flow& flow);
std::string flow_svg(const Flow& flow);

}  // namespace vauban
