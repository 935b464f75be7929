/// The picture as text: the residual stream is the line on the left, each branch leaves it and is added back.
#include "app/flow/flow.h"
#include "app/shown_text.h"
#include "base/format.h"
#include "base/strings.h"
#include "model/decoder/description.h"

namespace vauban {
namespace {

constexpr std::size_t kNumberColumn = 70;

std::size_t columns(std::string_view text) {
  std::size_t count = 0;
  for (const char c : text) count += (static_cast<unsigned char>(c) & 0xC0) != 0x80;
  return count;
}

std::string with_number(std::string line, std::int64_t number) {
  if (number == 0) return line + "\n";
  const std::string text = with_commas(number);
  const std::size_t used = columns(line) + text.size();
  return line + std::string(used < kNumberColumn ? kNumberColumn - used : 2, ' ') + text + "\n";
}

std::string node_text(const FlowNode& node, const std::string& first, const std::string& rest) {
  std::string out = with_number(first + node.title, node.parameters);
  std::string line;
  for (const std::string& fact : node.lines) {
    if (!line.empty() && columns(rest) + line.size() + fact.size() > 76) {
      out += rest + "  " + line + "\n";
      line.clear();
    }
    line += line.empty() ? fact : ", " + fact;
  }
  return line.empty() ? out : out + rest + "  " + line + "\n";
}

std::string branch_text(const FlowBranch& branch, const std::string& margin, bool leaves_stream) {
  std::string out;
  bool first = leaves_stream;
  for (const FlowNode& node : branch) {
    out += node_text(node, margin + (first ? "├─▶ " : "│   "), margin + "│   ");
    first = false;
  }
  return out;
}

std::string sum_text(const FlowSum& sum, const std::string& margin) {
  std::string out = branch_text(sum.shared, margin, true);
  const bool shared = !sum.shared.empty();
  for (std::size_t i = 0; i < sum.branches.size(); ++i) {
    if (i > 0 || shared) out += margin + (shared ? "│   └ and\n" : "│\n");
    out += branch_text(sum.branches[i], margin, !shared);
  }
  return out + margin + "⊕◀──╯\n";
}

std::string ends_text(const std::vector<FlowNode>& nodes) {
  std::string out;
  for (const FlowNode& node : nodes) out += node_text(node, "  ", "  ") + "  │\n";
  return out;
}

std::string segment_text(const FlowSegment& segment) {
  std::string out = "  ╔═ " + headline(segment) + "\n";
  for (std::size_t i = 0; i < segment.layers.size(); ++i) {
    const FlowLayer& layer = segment.layers[i];
    const std::string which = which_layers(segment, i);
    if (i > 0) out += "  ╟──\n";
    out += with_number("  ║ " + (which.empty() ? "each layer" : which + (layer.count * segment.times > 1 ? ", each" : "")), layer.parameters());
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
