/// DatasetOptions: how data files become examples, as a user states it.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "base/config/fields.h"
#include "base/json.h"

namespace vauban {

struct DatasetOptions {
  std::string format = "auto";
  std::int64_t max_length = 0;
  std::string truncation = "truncate";
  std::string separator;
  bool append_eos = true;
  std::map<std::string, std::string> columns;
  Json template_variables;
  std::optional<std::string> date;
};

inline void fields(DatasetOptions& c, FieldVisitor& f) {
  f("format", c.format,
    {.help = "kind of the records; auto: by the file's ending and the keys of its first record",
     .choices = {"auto", "chat", "prompt_completion", "instruction", "text", "plain_text"}});
  f("max_length", c.max_length, {.help = "tokens of one example at most; 0: any number", .min = 0, .max = 2147483647, .unit = "tokens"});
  f("truncation", c.truncation,
    {.help = "longer examples: truncate keeps the beginning, error refuses them, split cuts texts into blocks",
     .choices = {"truncate", "error", "split"}});
  f("separator", c.separator, {.help = "what stands between the documents of a plain text file; empty: one document"});
  f("append_eos", c.append_eos, {.help = "end texts and completions (not conversations) with the tokenizer's EOS"});
  f("columns", c.columns, {.help = "keys of the file where they differ from the format's: text = \"story\""});
  f("template_variables", c.template_variables, {.help = "further variables of the chat template, a table"});
  f("date", c.date, {.help = "what a chat template is told when it asks for the date", .metavar = "YYYY-MM-DD"});
}

}  // namespace vauban
