/// vauban man [TOPIC]: the manual of a command, or of a topic.

#include "app/command.h"
#include "app/commands/commands.h"
#include "app/commands/man/topics.h"
#include "base/strings.h"

namespace vauban {
namespace {

struct ManConfig {
  std::optional<std::string> topic;
  CommonOptions common;
};

void fields(ManConfig& c, FieldVisitor& f) {
  f("topic", c.topic, {.help = "a command or a topic; without one: the list", .positional = true});
  fields(c.common, f);
}

std::string contents() {
  std::string text = "topics:\n";
  for (const ManTopic& topic : man_topics()) text += format("  {:<16}{}\n", topic.name, topic.summary);
  text += "commands:\n";
  for (const Command& command : all_commands()) text += format("  {:<16}{}\n", command.info.name, command.info.summary);
  return text;
}

Result<std::string> page(const std::string& name) {
  std::vector<std::string> names;
  for (const ManTopic& topic : man_topics()) {
    if (topic.name == name) return std::string(topic.text);
    names.emplace_back(topic.name);
  }
  for (const Command& command : all_commands()) {
    if (command.info.name == name) return command.man();
    names.emplace_back(command.info.name);
  }
  const std::string near = did_you_mean(name, names);
  return with_hint(not_found("no manual page '{}'", name), near.empty() ? "`vauban man` lists them" : format("did you mean '{}'?", near));
}

Result<int> run_man(const ManConfig& config, Session& session) {
  std::string text = contents();
  if (config.topic) {
    VB_TRY(text, page(*config.topic));
  }
  if (session.out().json()) {
    VB_CHECK(session.out().print_json(Json::object({{"topic", config.topic ? Json(*config.topic) : Json()}, {"text", text}})));
  } else {
    session.out().text(text);
  }
  return 0;
}

}  // namespace

Command man_command() { return make_command<ManConfig>({"man", "the manual", ""}, run_man); }

}  // namespace vauban
