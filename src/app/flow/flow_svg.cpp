/// The picture as SVG 1.1: the residual stream is the line on the left, each branch leaves it and is added back. Lengths are
/// pixels; text widths are estimated, so boxes are drawn wider than any font needs. Colours follow the reader's preference
/// of light or dark.
#include <algorithm>

#include "app/flow/flow.h"
#include "app/shown_text.h"
#include "base/format.h"
#include "base/strings.h"
#include "model/decoder/description.h"

namespace vauban {
namespace {

constexpr int kWidth = 760, kMargin = 28, kPadding = 14, kStream = 70, kBranches = 122;
constexpr int kRight = kWidth - kMargin, kBoxRight = kRight - kPadding, kNumbers = kBoxRight - 12;  // numbers end in one column
constexpr int kGap = 22, kLine = 17, kTitle = 30, kColumnGap = 20, kPlus = 9, kCorner = 7;
constexpr int kCharacter = 7;       // of 12 px, in a wide font
constexpr std::size_t kNameBytes = 80, kLargeName = 44;  // longer names are set smaller

/// Fill and edge of a box, in light and in dark.
struct Paint {
  std::string_view kind, fill, edge, dark_fill, dark_edge;
};
constexpr Paint kPaints[] = {{"norm", "#f4f4f5", "#a1a1aa", "#27272a", "#71717a"},      {"ends", "#eef2ff", "#6366f1", "#1e1f45", "#818cf8"},
                             {"attention", "#fff4e5", "#e08a1e", "#3a2409", "#e9a13b"}, {"mlp", "#e8f6ee", "#2f9e63", "#0f2f1e", "#4cc38a"},
                             {"experts", "#e6f6f8", "#138a9c", "#0b2d33", "#3fb8cb"},   {"recurrence", "#fdeaf1", "#cf4c82", "#3a1426", "#ec7fab"},
                             {"", "#f1ecfd", "#7c4ddb", "#281a4a", "#a98bf0"}};

/// The class of a box. Kinds that are not listed share the last paint.
std::size_t paint_of(std::string_view kind) {
  return static_cast<std::size_t>(std::ranges::find_if(kPaints, [&](const Paint& p) { return p.kind.empty() || p.kind == kind; }) - kPaints);
}

std::string style() {
  const auto colours = [](std::string_view paper, std::string_view ink, std::string_view soft, std::string_view wire, std::string_view frame,
                          std::string_view frame_edge, bool dark) {
    std::string out = format(".paper,.plus{{fill:{0}}}text{{fill:{1}}}.fact{{fill:{2}}}.wire,.plus{{stroke:{3}}}.tip{{fill:{3}}}"
                             ".frame{{fill:{4};stroke:{5}}}.cut{{stroke:{5}}}", paper, ink, soft, wire, frame, frame_edge);
    for (std::size_t i = 0; i < std::size(kPaints); ++i)
      out += format(".b{}{{fill:{};stroke:{}}}", i, dark ? kPaints[i].dark_fill : kPaints[i].fill, dark ? kPaints[i].dark_edge : kPaints[i].edge);
    return out;
  };
  return "<style>text{font-family:system-ui,'DejaVu Sans',Helvetica,Arial,sans-serif;font-size:12px}.name{font-size:20px;font-weight:600}"
         ".title{font-size:13px;font-weight:600}.count{font-variant-numeric:tabular-nums}.wire{fill:none;stroke-width:1.4}"
         ".plus{stroke-width:1.4}.frame{stroke-width:1.2}.cut{fill:none;stroke-dasharray:5 4}" +
         colours("#fff", "#18181b", "#52525b", "#52525b", "#fafafa", "#d4d4d8", false) + "@media(prefers-color-scheme:dark){" +
         colours("#111113", "#f4f4f5", "#a8a8b3", "#a1a1aa", "#18181b", "#3f3f46", true) + "}</style>\n";
}

/// Facts joined into lines of at most `limit` characters.
std::vector<std::string> wrapped(const std::vector<std::string>& facts, std::size_t limit) {
  constexpr std::string_view kBetween = " · ";
  std::vector<std::string> lines;
  for (const std::string& fact : facts) {
    if (!lines.empty() && columns(lines.back()) + columns(fact) + columns(kBetween) <= limit) {
      lines.back() += std::string(kBetween) + fact;
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
    const std::string name = shown(flow_.name, kNameBytes);
    text(kMargin, 36, name, columns(name) <= kLargeName ? "name" : "title");
    int y = 58;
    std::vector<std::string> lines = wrapped({headline(flow_)}, (kRight - kMargin) / kCharacter);
    lines.push_back(flow_.residuals + " · numbers on the right are parameters");
    for (const std::string& line : lines) {
      text(kMargin, y, line, "fact");
      y += kLine;
    }
    y_ = y + 16;
    text(kStream, y_, "token ids", "fact", "middle");
    y_ += 6;
    stream_from_ = y_;
    ends(flow_.before);
    for (const FlowSegment& drawn : flow_.segments) segment(drawn);
    ends(flow_.after);
    y_ += kGap;
    arrow(kStream, y_ - kGap, kStream, y_);
    text(kStream, y_ + 16, "logits", "fact", "middle");
    return document(y_ + 34);
  }

 private:
  void text(int x, int y, std::string_view words, std::string_view style, std::string_view anchor = {}) {
    body_ += format("<text x=\"{}\" y=\"{}\" class=\"{}\"{}>{}</text>\n", x, y, style,
                    anchor.empty() ? "" : format(" text-anchor=\"{}\"", anchor), xml_text(words, 1000));
  }
  /// A number in the column of numbers that ends at `x`, `before` it what it counts.
  void number(int x, int y, std::string_view before, std::int64_t value) {
    body_ += format("<text x=\"{}\" y=\"{}\" text-anchor=\"end\">", x, y);
    if (!before.empty()) body_ += format("<tspan class=\"fact\">{} </tspan>", before);
    body_ += format("<tspan class=\"count\">{}</tspan></text>\n", with_commas(value));
  }
  void path(const std::string& d, bool tip) { body_ += format("<path class=\"wire\"{} d=\"{}\"/>\n", tip ? " marker-end=\"url(#tip)\"" : "", d); }
  void line(int x1, int y1, int x2, int y2) { path(format("M{} {}L{} {}", x1, y1, x2, y2), false); }
  void arrow(int x1, int y1, int x2, int y2) { path(format("M{} {}L{} {}", x1, y1, x2, y2), true); }
  /// From (x1, y1) along y1 to x2, then down to y2.
  void across_and_down(int x1, int y1, int x2, int y2) {
    const int turn = x2 > x1 ? x2 - kCorner : x2 + kCorner;
    path(format("M{0} {1}H{2}Q{3} {1} {3} {4}V{5}", x1, y1, turn, x2, y1 + kCorner, y2), true);
  }
  /// From (x1, y1) down to y2, then along y2 to x2.
  void down_and_across(int x1, int y1, int x2, int y2, bool tip) {
    const int turn = x2 > x1 ? x1 + kCorner : x1 - kCorner;
    path(format("M{0} {1}V{2}Q{0} {3} {4} {3}H{5}", x1, y1, y2 - kCorner, y2, turn, x2), tip);
  }
  void plus(int x, int y) {
    body_ += format("<circle class=\"plus\" cx=\"{0}\" cy=\"{1}\" r=\"{6}\"/><path class=\"wire\" d=\"M{2} {1}H{3}M{0} {4}V{5}\"/>\n", x, y, x - 5,
                    x + 5, y - 5, y + 5, kPlus);
  }

  /// A box for a node from (x, y), its number ending at `numbers`; -> its lower edge.
  int box(const FlowNode& node, int x, int y, int width, int numbers) {
    const std::vector<std::string> lines = wrapped(node.lines, static_cast<std::size_t>((width - 24) / kCharacter));
    const int height = kTitle + (lines.empty() ? 0 : kLine * static_cast<int>(lines.size()) + 4);
    body_ += format("<rect class=\"b{}\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" rx=\"6\"/>\n", paint_of(node.kind), x, y, width, height);
    text(x + 12, y + 20, node.title, "title");
    if (node.parameters > 0) number(numbers, y + 20, {}, node.parameters);
    int at = y + kTitle + 10;
    for (const std::string& words : lines) {
      text(x + 12, at, words, "fact");
      at += kLine;
    }
    return y + height;
  }

  /// Boxes below each other, joined by arrows; something else leads to the first, whose upper edge is `top`. -> the lower edge
  /// of the last.
  int stack(const FlowBranch& branch, int x, int top, int width) {
    int y = top - kGap;
    for (const FlowNode& node : branch) {
      if (y + kGap != top) arrow(x + width / 2, y, x + width / 2, y + kGap);
      y = box(node, x, y + kGap, width, x + width - 12);
    }
    return y;
  }

  void sum(const FlowSum& drawn) {
    const int room = kBoxRight - kBranches, count = std::max(1, static_cast<int>(drawn.branches.size()));
    const int each = (room - kColumnGap * (count - 1)) / count, middle = kBranches + room / 2;
    const auto column = [&](int i) { return kBranches + i * (each + kColumnGap); };
    const auto centre = [&](int i) { return column(i) + each / 2; };
    const int fork = y_ + 4;
    int from_x = kStream, branching = fork;
    if (!drawn.shared.empty()) {
      across_and_down(kStream, fork, middle, fork + kGap);
      from_x = middle;
      const int end = stack(drawn.shared, kBranches, fork + kGap, room);
      branching = count > 1 ? end + kGap / 2 : end;
      if (count > 1) line(middle, end, middle, branching);
    }
    int lowest = branching;
    std::vector<int> ends;
    for (int i = 0; i < count; ++i) {
      if (centre(i) == from_x) arrow(from_x, branching, from_x, branching + kGap);
      else across_and_down(from_x, branching, centre(i), branching + kGap);
      ends.push_back(stack(drawn.branches[static_cast<std::size_t>(i)], column(i), branching + kGap, each));
      lowest = std::max(lowest, ends.back());
    }
    const int join = lowest + kGap;
    for (int i = 0; i < count; ++i)  // the outermost wire carries the tip
      down_and_across(centre(i), ends[static_cast<std::size_t>(i)], i + 1 == count ? kStream + kPlus + 1 : centre(0) - kCorner, join, i + 1 == count);
    pluses_.push_back(join);
    y_ = join + kPlus + 11;
  }

  void segment(const FlowSegment& drawn) {
    y_ += 14;
    const int top = y_;
    std::string before = std::move(body_);  // the frame lies under what it holds
    body_.clear();
    text(kStream + 18, y_ + 22, headline(drawn), "title");
    const bool one_kind = drawn.layers.size() == 1;
    number(kNumbers, y_ + 22, drawn.times > 1 ? "a round" : drawn.span() > 1 ? "each" : "",
           one_kind ? drawn.layers.front().parameters() : drawn.parameters());
    y_ += 32;
    for (std::size_t i = 0; i < drawn.layers.size(); ++i) {
      const FlowLayer& layer = drawn.layers[i];
      if (i > 0) {
        body_ += format("<path class=\"cut\" d=\"M{} {}H{}\"/>\n", kMargin, y_, kRight);
        y_ += 4;
      }
      if (!one_kind) {
        text(kBranches, y_ + 16, which_layers(drawn, i), "fact");
        number(kNumbers, y_ + 16, layer.count * drawn.times > 1 ? "each" : "", layer.parameters());
        y_ += 22;
      }
      for (const FlowSum& one : layer.sums) sum(one);
    }
    body_ = std::move(before) + format("<rect class=\"frame\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" rx=\"10\"/>\n", kMargin, top,
                                       kRight - kMargin, y_ - top) + std::move(body_);
  }

  /// What stands on the stream itself.
  void ends(const std::vector<FlowNode>& nodes) {
    for (const FlowNode& node : nodes) {
      y_ += kGap;
      stretches_.emplace_back(stream_from_, y_);
      y_ = box(node, kMargin, y_, kRight - kMargin, kNumbers);
      stream_from_ = y_;
    }
  }

  std::string document(int height) {
    std::string out = format(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0}\" height=\"{1}\" viewBox=\"0 0 {0} {1}\" role=\"img\">\n<title>{2}</title>\n"
        "<desc>{3}</desc>\n",
        kWidth, height, xml_text(flow_.name), xml_text(headline(flow_), 1000));
    out += style();
    out += "<defs><marker id=\"tip\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerWidth=\"7\" markerHeight=\"7\" orient=\"auto\">"
           "<path class=\"tip\" d=\"M0 0.5L8 4L0 7.5z\"/></marker></defs>\n<rect class=\"paper\" width=\"100%\" height=\"100%\"/>\n";
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
