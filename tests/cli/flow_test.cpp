// flow: the picture of a model. Its parameters are those of the file; its XML is well formed whatever a name holds.
#include <algorithm>
#include <cctype>
#include <map>

#include "app/flow/flow.h"
#include "app/flow/fold.h"
#include "base/result.h"
#include "base/strings.h"
#include "cli/file_sums.h"
#include "cli/workspace.h"

namespace vauban::test {
namespace {

namespace fs = std::filesystem;

/// Why `text` is no well-formed XML, or "". Strict on what pictures use: elements, quoted attributes, the five entities.
std::string xml_fault(std::string_view text) {
  std::vector<std::string> open;
  const auto at = [&](std::size_t i) { return " at byte " + std::to_string(i); };
  for (const char c : text)
    if (static_cast<unsigned char>(c) < 0x20 && c != '\n') return "control character";
  if (!is_valid_utf8(text)) return "not UTF-8";
  for (std::size_t i = 0; i < text.size();) {
    if (text[i] == '&') {
      const std::string_view rest = text.substr(i, 7);
      if (!rest.starts_with("&amp;") && !rest.starts_with("&lt;") && !rest.starts_with("&gt;") && !rest.starts_with("&quot;") && !rest.starts_with("&apos;"))
        return "entity" + at(i);
      ++i;
      continue;
    }
    if (text[i] != '<') {
      if (open.empty() && !std::isspace(static_cast<unsigned char>(text[i]))) return "text outside the root" + at(i);
      ++i;
      continue;
    }
    const bool closes = text.substr(i).starts_with("</");
    i += closes ? 2 : 1;
    std::string name;
    while (i < text.size() && std::isalnum(static_cast<unsigned char>(text[i]))) name += text[i++];
    if (name.empty()) return "no element name" + at(i);
    std::vector<std::string> attributes;
    while (i < text.size() && text[i] == ' ') {
      const std::size_t equals = text.find("=\"", i), end = equals == std::string_view::npos ? equals : text.find('"', equals + 2);
      if (end == std::string_view::npos) return "attribute" + at(i);
      const std::string attribute(text.substr(i + 1, equals - i - 1));
      if (attribute.empty() || attribute.find_first_of(" <>&'") != std::string::npos) return "attribute name" + at(i);
      if (std::ranges::find(attributes, attribute) != attributes.end()) return "attribute twice" + at(i);
      attributes.push_back(attribute);
      if (text.substr(equals + 2, end - equals - 2).find('<') != std::string_view::npos) return "'<' in an attribute" + at(i);
      i = end + 1;
    }
    const bool empty = text.substr(i).starts_with("/>");
    i += empty ? 2 : 1;
    if (i > text.size() || text[i - 1] != '>') return "unclosed tag" + at(i);
    if (closes) {
      if (open.empty() || open.back() != name) return "closes " + name + at(i);
      open.pop_back();
    } else if (!empty) {
      open.push_back(name);
    }
  }
  return open.empty() ? "" : "unclosed " + open.back();
}

TEST(Flow, TheXmlCheckerFindsPlantedFaults) {
  EXPECT_EQ(xml_fault("<a b=\"c\"><d/>x &amp; y</a>\n"), "");
  for (const char* wrong : {"<a>", "<a></b>", "<a>&</a>", "<a b=c/>", "<a b=\"1\" b=\"2\"/>", "<a b=\"<\"/>", "<a>\x1b</a>", "<a/>x", "<a>&#0;</a>", "<a>\xff</a>"})
    EXPECT_NE(xml_fault(wrong), "") << wrong;
}

TEST(Flow, LikeLayersFold) {
  const auto text = [](const std::string& kinds) {
    std::vector<int> numbers;
    for (const char c : kinds) numbers.push_back(c - 'A');
    std::string out;
    std::int64_t next = 0;
    for (const FoldedSegment& segment : folded(numbers)) {
      EXPECT_EQ(segment.first, next);
      out += out.empty() ? "" : " ";
      out += format("{}(", segment.times);
      for (const FoldedRun& run : segment.runs) {
        out += format("{}{}", run.count, static_cast<char>('A' + run.kind));
        next += run.count * segment.times;
      }
      out += ")";
    }
    EXPECT_EQ(next, std::ssize(kinds));
    return out;
  };
  EXPECT_EQ(text(""), "");
  EXPECT_EQ(text("A"), "1(1A)");
  EXPECT_EQ(text("AAAA"), "1(4A)");
  EXPECT_EQ(text("ABBBB"), "1(1A) 1(4B)");
  EXPECT_EQ(text("ABABAB"), "3(1A1B)");
  EXPECT_EQ(text("AAAAABAAAAABAA"), "2(5A1B) 1(2A)");
  EXPECT_EQ(text("AAABAAAB"), "2(3A1B)");
}

std::int64_t sum_of(const std::vector<FlowNode>& nodes) {
  std::int64_t sum = 0;
  for (const FlowNode& node : nodes) sum += node.parameters;
  return sum;
}

/// The parameters of every box, times how often its layer stands there; and the same in pictures.
TEST(Flow, ThePartsOfEveryTinyModelSumToItsFile) {
  VB_NEED_SHARED("tiny_models");
  int seen = 0;
  for (const fs::directory_entry& entry : fs::directory_iterator(shared_data() / "tiny_models")) {
    if (!fs::exists(entry.path() / "model.safetensors")) continue;
    SCOPED_TRACE(entry.path().filename().string());
    const auto source = ModelSource::open(entry.path());
    VB_ASSERT_OK(source);
    const auto flow = flow_of(*source);
    VB_ASSERT_OK(flow);
    // Old files of GPT-2 hold the causal mask of each layer, which is no parameter.
    const FileSums file = file_sums(entry.path() / "model.safetensors", [](const std::string& name) { return !name.ends_with(".attn.bias"); });
    EXPECT_EQ(flow->parameters, file.parameters);
    std::int64_t boxes = sum_of(flow->before) + sum_of(flow->after), layers = 0;
    for (const FlowSegment& segment : flow->segments) {
      EXPECT_EQ(segment.first, layers);
      layers += segment.times * segment.span();
      for (const FlowLayer& layer : segment.layers) boxes += segment.times * layer.count * layer.parameters();
    }
    EXPECT_EQ(layers, flow->layers);
    EXPECT_EQ(boxes, file.parameters);
    EXPECT_EQ(xml_fault(flow_svg(*flow)), "");
    EXPECT_TRUE(to_json(*flow).dump().has_value());
    ++seen;
  }
  EXPECT_GE(seen, 50);
}

TEST(Flow, WritesTextJsonAndSvg) {
  const Workspace work;
  const Outcome text = work.run({"flow", "base"});
  EXPECT_EQ(text.exit_code, 0) << text.err;
  for (const char* part : {"base: llama, 2 layers, width 64", "layers 0-1: 2 alike", "4 heads of 16, 2 key heads", "64 → 128 → 64", "logits"})
    EXPECT_NE(text.out.find(part), std::string::npos) << part << "\n" << text.out;
  EXPECT_EQ(work.run({"flow", "base", "--out", "base.svg"}).exit_code, 0);
  EXPECT_EQ(xml_fault(read_text(work / "base.svg")), "");
  const Json answer = work.run({"flow", "base", "--json"}).json();
  EXPECT_EQ(at(answer, {"parameters"}).as_int(), file_sums(work / "base/model.safetensors").parameters);
  ASSERT_EQ(at(answer, {"segments"}).size(), 1u);
  EXPECT_EQ(at(answer, {"segments"}).items()[0].find("last")->as_int(), 1);
  EXPECT_EQ(work.run({"flow", "base", "--out", "base.png"}).exit_code, 2);
  EXPECT_EQ(work.run({"flow", "nowhere"}).exit_code, 2);
}

TEST(Flow, NamesCannotInject) {
  const Workspace work;
  const std::string name = "a<b>&\"'\x1b[31m\xc2\x9b\xe2\x80\xae\xef\xbf\xbf";
  fs::rename(work / "base", work / name);
  const Outcome text = work.run({"flow", name});
  EXPECT_EQ(text.exit_code, 0) << text.err;
  for (const char* bad : {"\x1b", "\xc2\x9b", "\xe2\x80\xae"}) EXPECT_EQ(text.out.find(bad), std::string::npos);
  ASSERT_EQ(work.run({"flow", name, "--out", "x.svg"}).exit_code, 0);
  const std::string svg = read_text(work / "x.svg");
  EXPECT_EQ(xml_fault(svg), "");
  EXPECT_NE(svg.find("a&lt;b&gt;&amp;&quot;&apos;\\x1b[31m\\u{9b}\\u{202e}\\u{ffff}"), std::string::npos);
}

}  // namespace
}  // namespace vauban::test
