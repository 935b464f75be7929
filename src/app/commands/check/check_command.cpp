/// vauban check MODEL: is the model whole? Ten stages of numbers.

#include "app/check/check.h"
#include "app/command.h"

namespace vauban {
namespace {

struct CheckConfig {
  CheckOptions check;
  CommonOptions common;
};

void fields(CheckConfig& c, FieldVisitor& f) {
  f("model", c.check.model, {.help = "model folder or .gguf", .required = true, .positional = true, .file = true});
  f("file", c.check.file, {.help = "a text of the kind that the model was trained on; default: the best of those built in", .metavar = "FILE", .file = true});
  f("tokens", c.check.tokens, {.help = "of the text, at most", .min = 17, .max = 4096, .unit = "tokens"});
  f("alternatives", c.check.alternatives, {.help = "try other norms, RoPE bases and heads: a pass or a load each"});
  fields(c.common, f);
}

std::string plain(const std::vector<StageResult>& stages) {
  std::string out;
  for (const StageResult& stage : stages) out += format("{:<8} {:<12} {}\n", to_string(stage.status), stage.name, stage.detail);
  return out;
}

Result<int> run_check(const CheckConfig& config, Session& session) {
  VB_TRY(const std::vector<StageResult> stages, check_model(config.check, session));
  Json list = Json::array();
  for (const StageResult& stage : stages)
    list.push_back(Json::object({{"name", stage.name}, {"status", to_string(stage.status)}, {"detail", stage.detail}}));
  const int code = exit_code_of(stages);
  if (session.out().json()) {
    VB_CHECK(session.out().print_json(Json::object({{"model", config.check.model}, {"ok", code == 0}, {"stages", std::move(list)}})));
  } else {
    session.out().text(plain(stages));
  }
  return code;
}

}  // namespace

Command check_command() {
  return make_command<CheckConfig>(
      {"check", "is a model whole: ten stages of numbers, from the file to the sampler",
       "No reference copy is needed: training leaves every part near its best value, so a norm at half its scale, another RoPE base or the "
       "embedding as head must predict an ordinary text worse than what is stored. Where one predicts it better, that stage fails.\n\n"
       "Exit code 1: a stage failed. 4: none failed, but one could not run; its detail says why."},
      run_check);
}

}  // namespace vauban
