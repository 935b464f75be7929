#include "app/prompt_options.h"

#include "app/open.h"
#include "base/strings.h"
#include "trace/observe_spec.h"
#include "trace/profile_fields.h"

namespace vauban {

Result<TraceRequest> to_request(const PromptOptions& prompt, Sampling sampling) {
  if (prompt.prompt.has_value() == prompt.ids.has_value()) return invalid_input("expected exactly one of --prompt, --ids");
  TraceRequest request{.trace_id = "request", .sampling = std::move(sampling)};
  request.apply_chat_template = prompt.chat;
  if (prompt.ids) {
    if (prompt.chat) return invalid_input("--chat needs --prompt: a template cannot be applied to ids");
    VB_TRY(request.prompt_ids, parse_ids(*prompt.ids));
    if (request.prompt_ids.empty()) return invalid_input("--ids: expected token ids, found none");
  } else {
    if (trim(*prompt.prompt).empty())
      return with_hint(invalid_input("--prompt: expected a text, found {}", prompt.prompt->empty() ? "none" : "only white space"),
                       "to start from nothing but BOS, give its id with --ids");
    request.input_text = *prompt.prompt;
  }
  return request;
}

Result<std::vector<Want>> to_wants(const std::vector<std::string>& observe) {
  if (observe.empty()) return std::vector<Want>();
  return parse_observe(join(observe, ","));
}

Result<std::vector<std::string>> to_profile(const std::vector<std::string>& stages) {
  VB_TRY(auto parsed, parse_profile_stages(join(stages, ",")), "in --profile");
  return parsed;
}

}  // namespace vauban
