/// The picture as SVG 1.1: the residual stream is the line on the left, each branch leaves it and is added back. Lengths are
/// pixels; text widths are estimated, so boxes are drawn wider than any font needs.
#include <algorithm>

#include "app/flow/flow.h"
#include "app/shown_text.h"
#include "base/format.h"
#include "base/strings.h"
#include "model/decoder/description.h"

namespace vauban {
namespace {

constexpr int kWidth = 760, kMargin = 28, kStream = 76, kBranches = 132, kRight = kWidth - kMargin - 20;
constexpr int kGap = 22, kLine = 17, kTitle = 30, kCharacter = 7;

/// Fill and edge of a box. Kinds that are not listed get one of the colours by their name.
struct Paint {
  std::string_view fill, edge;
};
Paint paint_of(std::string_view kind) {
  static constexpr std::pair<std::string_view, Paint> kKnown[] = {
      {"norm", {"#f4f4f5", "#a1a1aa"}},    {"ends", {"#eef2ff", "#6366f1"}},       {"attention", {"#fff4e5", "#e08a1e"}},
      {"mlp", {"#e8f6ee", "#2f9e63"}},     {"experts", {"#e6f6f8", "#138a9c"}},    {"recurrence", {"#fdeaf1", "#cf4c82"}}};
  static constexpr Paint kOthers[] = {{"#f1ecfd", "#7c4ddb"}, {"#fdf6d8", "#b08900"}, {"#e9f1fd", "#2f6fd0"}};
  for (const auto& [name, paint] : kKnown)
    if (name == kind) return paint;
  unsigned sum = 0;
  for (const char c : kind) sum = sum * 31 + static_cast<unsigned char>(c);
  return kOthers[sum % std::size(kOthers)];
}

/// Facts joined into lines of at most `limit` characters.
std::vector<std::string> wrapped(const std::vector<std::string>& facts, std::size_t limit) {
  std::vector<std::string> lines;
  for (const std::string& fact : facts) {
    if (!lines.empty() && lines.back().size() + fact.size() + 2 <= limit) {
      lines.back() += ", " + fact;
      continue;
    }
    std::string rest = fact;
    while (rest.size() > limit) {
      const std::size_t space = rest.rfind(' ', limit);
      if (space == std::string::npos || space == 0) break;  // a word that is too long stands out
      lines.push_back(rest.substr(0, space));
      rest = rest.substr(space + 1);
    }
    lines.push_back(rest);
  }
  return lines;
}

class Drawing {
 public:
  explicit Drawing(const Flow& flow) : flow_(flow) {}

  std::string draw() {
    text(kMargin, 36, shown(flow_.name), "name");
    int y = 58;
    for (const std::string& line : wrapped({headline(flow_), flow_.residuals}, (kWidth - 2 * kMargin) / kCharacter)) {
      text(kMargin, y, line, "fact");
      y += kLine;
    }
    y_ = y + 14;
    text(kStream - 30, y_, "token ids", "fact");
    y_ += 6;
    stream_from_ = y_;
    ends(flow_.before);
    for (const FlowSegment& drawn : flow_.segments) segment(drawn);
    ends(flow_.after);
    y_ += kGap;
    arrow(kStream, y_ - kGap, kStream, y_);
    text(kStream - 20, y_ + 16, "logits", "fact");
    return document(y_ + 34);
  }

 private:
  void text(int x, int y, std::string_view words, std::string_view style, bool at_end = false) {
    body_ += format("<text x=\"{}\" y=\"{}\" class=\"{}\"{}>{}</text>\n", x, y, style, at_end ? " text-anchor=\"end\"" : "",
                    xml_text(words, 1000));
  }
  void line(int x1, int y1, int x2, int y2) { body_ += format("<path class=\"wire\" d=\"M{} {}L{} {}\"/>\n", x1, y1, x2, y2); }
  void arrow(int x1, int y1, int x2, int y2) {
    body_ += format("<path class=\"wire\" marker-end=\"url(#tip)\" d=\"M{} {}L{} {}\"/>\n", x1, y1, x2, y2);
  }
  void plus(int x, int y) {
    body_ += format("<circle class=\"plus\" cx=\"{0}\" cy=\"{1}\" r=\"9\"/><path class=\"wire\" d=\"M{2} {1}H{3}M{0} {4}V{5}\"/>\n", x, y, x - 5,
                    x + 5, y - 5, y + 5);
  }

  /// A box for a node from (x, y); -> its lower edge.
  int box(const FlowNode& node, int x, int y, int width) {
    const std::vector<std::string> lines = wrapped(node.lines, static_cast<std::size_t>((width - 24) / kCharacter));
    const int height = kTitle + (lines.empty() ? 0 : kLine * static_cast<int>(lines.size()) + 4);
    const auto [fill, edge] = paint_of(node.kind);
    body_ += format("<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" rx=\"6\" fill=\"{}\" stroke=\"{}\"/>\n", x, y, width, height, fill, edge);
    text(x + 12, y + 20, node.title, "title");
    if (node.parameters > 0) text(x + width - 12, y + 20, with_commas(node.parameters), "count", true);
    int at = y + kTitle + 10;
    for (const std::string& words : lines) {
      text(x + 12, at, words, "fact");
      at += kLine;
    }
    return y + height;
  }

  /// Boxes below each other, joined by arrows; the first is entered from `from`. -> the lower edge of the last.
  int stack(const FlowBranch& branch, int x, int width, int from) {
    int y = from;
    for (const FlowNode& node : branch) {
      arrow(x + width / 2, y, x + width / 2, y + kGap);
      y = box(node, x, y + kGap, width);
    }
    return y;
  }

  void sum(const FlowSum& drawn) {
    const int fork = y_ + 6, room = kRight - kBranches, count = std::max(1, static_cast<int>(drawn.branches.size()));
    const int each = (room - 20 * (count - 1)) / count;
    const auto column = [&](int i) { return kBranches + i * (each + 20); };
    const auto centre = [&](int i) { return column(i) + each / 2; };
    int split = fork;
    if (drawn.shared.empty()) {
      line(kStream, fork, centre(count - 1), fork);
    } else {
      line(kStream, fork, kBranches + room / 2, fork);
      split = stack(drawn.shared, kBranches, room, fork) + 12;
      line(kBranches + room / 2, split - 12, kBranches + room / 2, split);
      line(centre(0), split, centre(count - 1), split);
    }
    std::vector<int> ends;
    for (int i = 0; i < count; ++i) ends.push_back(stack(drawn.branches[static_cast<std::size_t>(i)], column(i), each, split));
    const int join = *std::ranges::max_element(ends) + kGap;
    for (int i = 0; i < count; ++i) line(centre(i), ends[static_cast<std::size_t>(i)], centre(i), join);
    line(centre(0), join, centre(count - 1), join);
    arrow(centre(0), join, kStream + 11, join);
    pluses_.push_back(join);
    y_ = join + 16;
  }

  void segment(const FlowSegment& drawn) {
    y_ += 14;
    const int top = y_;
    std::string before = std::move(body_);  // the frame lies under what it holds
    body_.clear();
    text(kMargin + 66, y_ + 21, headline(drawn), "title");
    y_ += 30;
    for (std::size_t i = 0; i < drawn.layers.size(); ++i) {
      const FlowLayer& layer = drawn.layers[i];
      if (i > 0) {
        body_ += format("<path class=\"cut\" d=\"M{} {}H{}\"/>\n", kMargin, y_ + 2, kWidth - kMargin);
        y_ += 6;
      }
      const std::string which = which_layers(drawn, i);
      text(kBranches, y_ + 16, which.empty() ? "parameters of a layer" : which + ": parameters of a layer", "fact");
      text(kRight - 12, y_ + 16, with_commas(layer.parameters()), "count", true);
      y_ += 24;
      for (const FlowSum& one : layer.sums) sum(one);
    }
    body_ = std::move(before) + format("<rect class=\"frame\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" rx=\"10\"/>\n", kMargin, top,
                                       kWidth - 2 * kMargin, y_ - top) + std::move(body_);
  }

  /// What stands on the stream itself.
  void ends(const std::vector<FlowNode>& nodes) {
    for (const FlowNode& node : nodes) {
      y_ += kGap;
      stretches_.emplace_back(stream_from_, y_);
      y_ = box(node, kMargin, y_, kRight - kMargin);
      stream_from_ = y_;
    }
  }

  std::string document(int height) {
    std::string out = format(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0}\" height=\"{1}\" viewBox=\"0 0 {0} {1}\" role=\"img\">\n<title>{2}</title>\n"
        "<desc>{3}</desc>\n",
        kWidth, height, xml_text(flow_.name), xml_text(headline(flow_), 1000));
    out +=
        "<style>text{font-family:system-ui,'DejaVu Sans',Helvetica,Arial,sans-serif;fill:#18181b}.name{font-size:20px;font-weight:600}"
        ".title{font-size:13px;font-weight:600}.fact{font-size:12px;fill:#52525b}.count{font-size:12px;font-variant-numeric:tabular-nums;"
        "fill:#3f3f46}.wire{fill:none;stroke:#52525b;stroke-width:1.4}.plus{fill:#fff;stroke:#52525b;stroke-width:1.4}"
        ".frame{fill:#fafafa;stroke:#d4d4d8;stroke-width:1.2}.cut{fill:none;stroke:#d4d4d8;stroke-dasharray:5 4}</style>\n"
        "<defs><marker id=\"tip\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerWidth=\"7\" markerHeight=\"7\" orient=\"auto\">"
        "<path d=\"M0 0.5L8 4L0 7.5z\" fill=\"#52525b\"/></marker></defs>\n<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n";
    out += std::move(body_);
    body_.clear();
    for (const auto& [from, to] : stretches_) arrow(kStream, from, kStream, to);
    for (const int y : pluses_) plus(kStream, y);
    return out + std::move(body_) + "</svg>\n";
  }

  const Flow& flow_;
  std::string body_;
  int y_ = 0, stream_from_ = 0;
  std::vector<std::pair<int, int>> stretches_;  ///< stretches of the stream between what stands on it
  std::vector<int> pluses_;
};

}  // namespace

std::string flow_svg(const Flow& flow) { return Drawing(flow).draw(); }

}  // namespace vauban
