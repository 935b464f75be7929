/// The picture as text: the residual stream is the line on the left, each branch leaves it and is added back.
#include "app/flow/flow.h"
#include "app/shown_text.h"
#include "base/format.h"
#include "base/strings.h"
#include "model/decoder/description.h"

namespace vauban {
namespace {

constexpr std::size_t kWidth = 76;  ///< of the whole; numbers end there

/// `of`: what the number counts, where that is not the line.
std::string with_number(const std::string& line, std::int64_t number, std::string_view of = {}) {
  if (number == 0) return line + "\n";
  const std::string text = (of.empty() ? "" : std::string(of) + " ") + with_commas(number);
  const std::size_t used = columns(line) + text.size();
  return line + std::string(used < kWidth ? kWidth - used : 2, ' ') + text + "\n";
}

std::string node_text(const FlowNode& node, const std::string& first, const std::string& rest) {
  std::string out = with_number(first + node.title, node.parameters);
  std::string line;
  for (const std::string& fact : node.lines) {
    if (!line.empty() && columns(rest) + columns(line) + columns(fact) > kWidth - 5) {
      out += rest + "  " + line + "\n";
      line.clear();
    }
    line += line.empty() ? fact : " · " + fact;
  }
  return line.empty() ? out : out + rest + "  " + line + "\n";
}

/// Boxes below each other; the first of them leaves the line at `margin`.
std::string branch_text(const FlowBranch& branch, const std::string& margin) {
  std::string out;
  for (const FlowNode& node : branch) out += node_text(node, margin + (out.empty() ? "├─▶ " : "│   "), margin + "│   ");
  return out;
}

std::string sum_text(const FlowSum& sum, const std::string& margin) {
  // What is shared has a line of its own, which the branches leave.
  std::string out = branch_text(sum.shared, margin);
  const std::string from = out.empty() ? margin : margin + "│   ";
  for (std::size_t i = 0; i < sum.branches.size(); ++i) {
    if (i > 0) out += from + "│\n";
    out += branch_text(sum.branches[i], from);
  }
  return out + margin + "⊕◀──╯\n";
}

std::string ends_text(const std::vector<FlowNode>& nodes) {
  std::string out;
  for (const FlowNode& node : nodes) out += node_text(node, "  ", "  ") + "  │\n";
  return out;
}

std::string segment_text(const FlowSegment& segment) {
  const bool one_kind = segment.layers.size() == 1;
  std::string out = with_number("  ╔═ " + headline(segment), one_kind ? segment.layers.front().parameters() : segment.parameters(),
                                segment.times > 1 ? "a round" : segment.span() > 1 ? "each" : "");
  for (std::size_t i = 0; i < segment.layers.size(); ++i) {
    const FlowLayer& layer = segment.layers[i];
    if (i > 0) out += "  ╟──\n";
    if (!one_kind) out += with_number("  ║ " + which_layers(segment, i), layer.parameters(), layer.count * segment.times > 1 ? "each" : "");
    out += "  ║ │\n";
    for (const FlowSum& sum : layer.sums) out += sum_text(sum, "  ║ ");
    out += "  ║ │\n";
  }
  return out + "  ╚═\n  │\n";
}

}  // namespace

std::string flow_text(const Flow& flow) {
  std::string out = shown(flow.name) + ": " + headline(flow) + "\n" + flow.residuals + "; numbers on the right are parameters\n\n";
  out += "  token ids\n  │\n" + ends_text(flow.before);
  for (const FlowSegment& segment : flow.segments) out += segment_text(segment);
  return out + ends_text(flow.after) + "  logits\n";
}

}  // namespace vauban
