/// vauban flow MODEL: the architecture as a picture.

#include <filesystem>

#include "app/command.h"
#include "app/flow/flow.h"
#include "app/open.h"
#include "app/own_input.h"
#include "base/files.h"

namespace vauban {
namespace {

struct FlowConfig {
  std::string model;
  std::optional<std::string> out;
  CommonOptions common;
};

void fields(FlowConfig& c, FieldVisitor& f) {
  f("model", c.model, {.help = "model folder or .gguf", .required = true, .positional = true, .file = true});
  f("out", c.out, {.help = "write the picture as SVG instead of text", .metavar = "FILE.svg", .file = true});
  fields(c.common, f);
}

Result<int> run_flow(const FlowConfig& config, Session& session) {
  // A text under a name that promises another kind of picture would mislead.
  if (config.out && std::filesystem::path(*config.out).extension() != ".svg")
    return with_hint(invalid_input("--out {}: pictures are written as SVG", *config.out), "name it FILE.svg, or leave --out away for text");
  if (config.out) VB_CHECK(refuse_own_input(*config.out, {config.model}));
  VB_TRY(const ModelSource source, open_source(config.model));
  VB_TRY(const Flow flow, flow_of(source));
  if (config.out) VB_CHECK(write_file_atomic(*config.out, flow_svg(flow)));
  if (session.out().json()) {
    Json answer = to_json(flow);
    answer["out"] = config.out ? Json(*config.out) : Json();
    VB_CHECK(session.out().print_json(answer));
  } else {
    session.out().text(config.out ? *config.out + "\n" : flow_text(flow));
  }
  return 0;
}

}  // namespace

Command flow_command() {
  return make_command<FlowConfig>(
      {"flow", "the architecture as a picture: text, or SVG",
       "From the token ids to the logits: the residual stream, what leaves it and is added back, sizes, rotation, windows, experts, and the "
       "parameters of each part. Layers that are alike are drawn once, with their range; rounds of unlike layers too. Only the "
       "configuration is read, no weight; adapters are not drawn.\n\n"
       "Examples:\n\n"
       "  vauban flow MODEL\n\n"
       "  vauban flow MODEL --out model.svg\n\n"
       "  vauban flow MODEL --json"},
      run_flow);
}

}  // namespace vauban
