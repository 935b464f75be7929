#include "base/config/schema.h"

#include <gtest/gtest.h>

#include "base/config/config_test_structs.h"
#include "support/test_data.h"

namespace vauban {
namespace {

constexpr std::string_view kPromptSchema = R"json({
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "title": "prompt",
  "type": "object",
  "additionalProperties": false,
  "allOf": [
    {"oneOf": [{"required": ["id"]}, {"required": ["prompt_id"]}]},
    {"oneOf": [{"required": ["text"]}, {"required": ["prompt"]}]}
  ],
  "properties": {
    "id": {"type": "string", "description": "unique name of the prompt"},
    "prompt_id": {"type": "string", "description": "the same as id", "deprecated": true},
    "text": {"type": "string", "description": "what the model is asked"},
    "prompt": {"type": "string", "description": "the same as text", "deprecated": true},
    "category": {"type": "string", "description": "group for metrics by category", "default": "default"},
    "expected_behavior": {"type": "string", "enum": ["refuse", "comply"], "description": "what a good answer does"},
    "tags": {"type": "array", "items": {"type": "string"}, "description": "free labels", "default": []},
    "sampling": {
      "type": "object",
      "additionalProperties": false,
      "description": "overrides for this prompt",
      "properties": {
        "temperature": {"type": "number", "minimum": 0.0, "maximum": 2.0, "default": 0.0, "description": "0 is greedy"},
        "top_k": {"type": "integer", "minimum": 1, "default": 40, "description": "candidates kept (tokens)"},
        "min_p": {"type": "number", "minimum": 0.0, "maximum": 1.0, "default": 0.05,
                  "description": "least share of the best candidate"}
      }
    }
  }
})json";

TEST(ConfigSchema, OfAStructIsExactlyThis) {
  EXPECT_EQ(*json_schema<config_test::Prompt>("prompt").dump(2), *Json::parse(kPromptSchema)->dump(2));
}

TEST(ConfigSchema, CoversEveryTypeOfField) {
  const Json schema = json_schema<config_test::Audit>("audit");
  const auto property = [&](std::string_view name) { return *schema.find("properties")->find(name)->dump(); };
  EXPECT_EQ(property("memory"),
            R"json({"default":0,"description":"most memory to use (bytes)","minimum":0,"type":"integer"})json");
  EXPECT_EQ(property("verbose"), R"json({"description":"say more","type":"boolean"})json");
  EXPECT_EQ(property("basis"),
            R"json({"default":[],"description":"rows of a subspace",)json"
            R"json("items":{"items":{"type":"number"},"type":"array"},"type":"array"})json");
  EXPECT_EQ(property("labels"),
            R"json({"additionalProperties":{"type":"string"},"default":{},)json"
            R"json("description":"shown in the report","type":"object"})json");
  EXPECT_EQ(property("extra"), R"json({"description":"kept as it is"})json");
  EXPECT_EQ(property("mode"),
            R"json({"deprecated":true,"description":"ignored: the old tool needed it; it has no effect"})json");
  EXPECT_EQ(*schema.find("required")->dump(), R"(["model"])");
  EXPECT_EQ(*schema.find("properties")->find("prompts")->find("items")->find("additionalProperties"), Json(false));
}

struct Loose {
  std::string note;
  int level = 1;
};
void fields(Loose& c, FieldVisitor& f) {
  f("note", c.note, {.help = "n", .aliases = {"remark"}});
  f("level", c.level, {.help = "l", .required = true});
}
struct Holder {
  Loose inside;
  std::optional<Loose> maybe;
};
void fields(Holder& c, FieldVisitor& f) {
  f("inside", c.inside, {.help = "i"});
  f("maybe", c.maybe, {.help = "m"});
}

TEST(ConfigSchema, ATableWithARequiredKeyIsItselfRequired) {
  const Json schema = json_schema<Holder>("holder");
  EXPECT_EQ(*schema.find("required")->dump(), R"(["inside"])");
  EXPECT_EQ(*schema.find("properties")->find("inside")->find("allOf")->dump(),
            R"json([{"oneOf":[{"required":["note"]},{"required":["remark"]},)json"
            R"json({"not":{"anyOf":[{"required":["note"]},{"required":["remark"]}]}}]}])json")
      << "an optional key has at most one of its spellings";
}

}  // namespace
}  // namespace vauban
