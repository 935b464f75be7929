// TemplateProcessing: "[CLS] $A [SEP]" and the like. Templates for pairs are checked, but vauban encodes single texts.
#include <limits>

#include "text/fields.h"
#include "text/post_processors/post_processor.h"

namespace vauban {
namespace {

class Template final : public PostProcessor {
 public:
  Template(std::vector<AddedAround> before, std::vector<AddedAround> after)
      : before_(std::move(before)), after_(std::move(after)) {}
  std::vector<AddedAround> before() const override { return before_; }
  std::vector<AddedAround> after() const override { return after_; }

 private:
  std::vector<AddedAround> before_, after_;
};

/// The tokens that the special token `name` of a template stands for.
Result<std::vector<AddedAround>> read_special(const Json& specials, const std::string& name) {
  const Json* const entry = specials.find(name);
  if (!entry) return corrupt("the template names '{}', which 'special_tokens' does not have", name);
  VB_TRY(const Json::Array* const ids, fields::array(*entry, "ids"), "in special token '{}'", name);
  VB_TRY(const Json::Array* const texts, fields::array(*entry, "tokens"), "in special token '{}'", name);
  if (ids->size() != texts->size())
    return corrupt("special token '{}': {} ids and {} tokens", name, ids->size(), texts->size());
  std::vector<AddedAround> out;
  for (std::size_t i = 0; i < ids->size(); ++i) {
    const Json& id = (*ids)[i];
    if (!id.is_integer() || id.as_int() < 0 || id.as_int() > std::numeric_limits<std::int32_t>::max())
      return corrupt("special token '{}': expected an id, found {}", name, id.type_name());
    if (!(*texts)[i].is_string()) return corrupt("special token '{}': expected the text of each id", name);
    out.push_back({static_cast<std::int32_t>(id.as_int()), (*texts)[i].as_string()});
  }
  return out;
}

Result<void> check_sequence(const Json& item) {
  const Json* const id = item.find("id");
  if (id && *id == Json("A")) return ok();
  return corrupt("the template for a single text names a sequence other than A");
}

}  // namespace

Result<std::unique_ptr<PostProcessor>> make_template_processing(const Json& section) {
  VB_TRY(const Json::Array* const single, fields::array(section, "single"));
  VB_CHECK(fields::array(section, "pair"));
  VB_CHECK(fields::object(section, "special_tokens"));
  std::vector<AddedAround> before, after;
  bool seen = false;
  for (const Json& item : *single) {
    if (const Json* sequence = item.find("Sequence")) {
      if (seen) return unsupported("a template that repeats the text");
      VB_CHECK(check_sequence(*sequence));
      seen = true;
      continue;
    }
    const Json* const special = item.find("SpecialToken");
    if (!special) return corrupt("template: expected 'Sequence' or 'SpecialToken', found {}", item.type_name());
    VB_TRY(const std::string name, fields::string(*special, "id"));
    VB_TRY(const auto tokens, read_special(*section.find("special_tokens"), name));
    auto& side = seen ? after : before;
    side.insert(side.end(), tokens.begin(), tokens.end());
  }
  if (!seen) return unsupported("a template without the text: it would encode every text alike");
  return std::make_unique<Template>(std::move(before), std::move(after));
}

}  // namespace vauban
