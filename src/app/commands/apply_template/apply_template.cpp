/// vauban apply-template [MODEL] --messages F.json: a conversation -> the text that a model is given.

#include <chrono>
#include <cstdio>
#include <ctime>

#include "app/command.h"
#include "app/open.h"
#include "base/files.h"

namespace vauban {
namespace {

struct ApplyTemplateConfig {
  std::optional<std::string> model;
  std::string messages;
  std::optional<std::string> tools, kwargs, template_file, now;
  bool generation_prompt = true;
  CommonOptions common;
};

void fields(ApplyTemplateConfig& c, FieldVisitor& f) {
  f("model", c.model, {.help = "model folder or .gguf; may be left out where --template is given", .positional = true, .file = true});
  f("messages", c.messages, {.help = "JSON: an array of messages, or an object with all of the template's variables", .required = true, .file = true});
  f("tools", c.tools, {.help = "JSON: the array of tools", .file = true});
  f("kwargs", c.kwargs, {.help = "JSON: an object of further variables", .file = true});
  f("template", c.template_file, {.help = "a template file in place of the model's own", .file = true});
  f("now", c.now, {.help = "what strftime_now tells: 2026-01-02T03:04:05; the present time when not given"});
  f("generation_prompt", c.generation_prompt, {.help = "end with the start of the assistant's answer"});
  fields(c.common, f);
}

Result<std::chrono::system_clock::time_point> parse_time(const std::string& text) {
  std::tm fields{};
  int used = 0;
  const int read = std::sscanf(text.c_str(), "%4d-%2d-%2dT%2d:%2d:%2d%n", &fields.tm_year, &fields.tm_mon, &fields.tm_mday,
                               &fields.tm_hour, &fields.tm_min, &fields.tm_sec, &used);
  const bool whole = read == 6 && static_cast<std::size_t>(used) == text.size() && fields.tm_mon >= 1 && fields.tm_mon <= 12 &&
                     fields.tm_mday >= 1 && fields.tm_mday <= 31 && fields.tm_hour < 24 && fields.tm_min < 60 && fields.tm_sec < 61;
  if (!whole) return invalid_input("--now: expected a time like 2026-01-02T03:04:05, found '{}'", text);
  fields.tm_year -= 1900;
  fields.tm_mon -= 1;
  return std::chrono::system_clock::from_time_t(::timegm(&fields));
}

/// `object` ("{...}") with one more member, as text, so that the order of keys stays.
void add_member(std::string& object, std::string_view key, std::string_view value) {
  const std::size_t end = object.rfind('}');
  const bool empty = object.find_last_not_of(" \t\r\n", end - 1) == object.find('{');
  object.insert(end, format("{}\"{}\":{}", empty ? "" : ",", key, value));
}

Result<std::string> json_file(const std::string& path, Json& parsed) {
  VB_TRY(std::string text, read_file(path));
  VB_TRY(parsed, Json::parse(text), "in {}", path);
  return text;
}

/// An object in the file is passed as it stands; an array gets what transformers passes.
Result<std::string> variables_of(const ApplyTemplateConfig& config, const ChatFormat& chat) {
  Json parsed;
  VB_TRY(std::string text, json_file(config.messages, parsed));
  if (!parsed.is_object() && !parsed.is_array())
    return invalid_input("{}: expected an array of messages or an object, found {}", config.messages, parsed.type_name());
  Json given = parsed;
  std::string variables = parsed.is_object() ? std::move(text) : "{}";
  const auto add = [&](std::string_view key, std::string_view value) {
    if (!given.is_object()) given = Json::object();
    given[key] = true;
    add_member(variables, key, value);
  };
  if (parsed.is_array()) {
    add("messages", text);
    if (!config.tools) add("tools", "null");
    add("documents", "null");
    add("add_generation_prompt", config.generation_prompt ? "true" : "false");
    if (!chat.bos.empty()) add("bos_token", Json(chat.bos).dump().value_or("\"\""));
    if (!chat.eos.empty()) add("eos_token", Json(chat.eos).dump().value_or("\"\""));
  }
  if (config.tools) {
    if (given.find("tools")) return invalid_input("--tools: '{}' has tools already", config.messages);
    Json tools;
    VB_TRY(const std::string tools_text, json_file(*config.tools, tools));
    add("tools", tools_text);
  }
  if (!config.kwargs) return variables;
  Json more;
  VB_TRY(const std::string more_text, json_file(*config.kwargs, more));
  if (!more.is_object()) return invalid_input("{}: expected an object, found {}", *config.kwargs, more.type_name());
  for (const auto& [key, value] : more.entries()) {
    if (given.find(key)) return invalid_input("--kwargs: the variable '{}' is given already", key);
    VB_TRY(const std::string name, Json(key).dump());
    VB_TRY(const std::string written, value.dump());
    add(std::string_view(name).substr(1, name.size() - 2), written);
  }
  return variables;
}

Result<int> run_apply_template(const ApplyTemplateConfig& config, Session& session) {
  if (!config.model && !config.template_file) return invalid_input("expected a model, or a template with --template");
  VB_TRY(const ChatFormat chat, open_chat_format(config.model.value_or(""), config.template_file.value_or("")));
  RenderOptions options{.now = session.context().clock.utc()};
  if (config.now) {
    VB_TRY(options.now, parse_time(*config.now));
  }
  VB_TRY(const std::string variables, variables_of(config, chat));
  VB_TRY(const std::string text, chat.chat_template->render_json(variables, options));
  if (!session.out().json()) {
    session.out().text(text);
    return 0;
  }
  Json ids;
  if (chat.tokenizer) {
    // The template writes every special token: nothing is added, so BOS cannot come twice.
    VB_TRY(const Encoding encoding, chat.tokenizer->encode(text, {.add_special = false}));
    ids = Json(encoding.ids);
  }
  VB_CHECK(session.out().print_json(Json::object({{"text", text}, {"ids", std::move(ids)}}), -1));
  return 0;
}

}  // namespace

Command apply_template_command() {
  return make_command<ApplyTemplateConfig>(
      {"apply-template", "a conversation as the text a model is given",
       "Plain output is the rendered text, byte for byte, with no newline added. The file of --messages is an array of "
       "messages, which gets the defaults of transformers (tools and documents none), or an object whose keys are the "
       "template's variables, which is passed as it stands.\n\n"
       "Templates run in a sandbox and within limits of steps, depth and bytes."},
      run_apply_template);
}

}  // namespace vauban
