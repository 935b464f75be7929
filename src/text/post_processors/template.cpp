// TemplateProcessing: "[CLS] $A [SEP]" and the like.
#include <limits>

#include "text/fields.h"
#include "text/post_processors/post_processor.h"

namespace vauban {
namespace {

class Template final : public PostProcessor {
 public:
  Template(Frame single, Frame pair) : single_(std::move(single)), pair_(std::move(pair)) {}
  const Frame* single() const override { return &single_; }
  const Frame* pair() const override { return &pair_; }

 private:
  Frame single_, pair_;
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

Result<std::int32_t> read_type_id(const Json& item) {
  VB_TRY(const std::int64_t type, fields::integer(item, "type_id", 0, std::numeric_limits<std::int32_t>::max()));
  return static_cast<std::int32_t>(type);
}

Result<FramePart> read_sequence(const Json& item) {
  VB_TRY(const std::string id, fields::string(item, "id"));
  VB_TRY(const std::int32_t type_id, read_type_id(item));
  if (id == "A") return FramePart{FramePart::Kind::first, {}, type_id};
  if (id == "B") return FramePart{FramePart::Kind::second, {}, type_id};
  return corrupt("template: expected sequence A or B, found '{}'", id);
}

Result<Frame> read_frame(const Json& section, std::string_view key) {
  VB_TRY(const Json::Array* const items, fields::array(section, key));
  Frame out;
  for (const Json& item : *items) {
    if (const Json* const sequence = item.find("Sequence")) {
      VB_TRY(const FramePart part, read_sequence(*sequence));
      for (const FramePart& seen : out)
        if (seen.kind == part.kind) return unsupported("a template that repeats the text");
      out.push_back(part);
      continue;
    }
    const Json* const special = item.find("SpecialToken");
    if (!special) return corrupt("template: expected 'Sequence' or 'SpecialToken', found {}", item.type_name());
    VB_TRY(const std::string name, fields::string(*special, "id"));
    VB_TRY(const std::int32_t type_id, read_type_id(*special));
    VB_TRY(const auto tokens, read_special(*section.find("special_tokens"), name));
    for (const AddedAround& token : tokens) out.push_back({FramePart::Kind::token, token, type_id});
  }
  return out;
}

/// A template for one text holds that text and no other.
Result<void> check_single(const Frame& frame) {
  bool seen = false;
  for (const FramePart& part : frame) {
    if (part.kind == FramePart::Kind::second) return corrupt("the template for a single text names a sequence other than A");
    seen = seen || part.kind == FramePart::Kind::first;
  }
  if (!seen) return unsupported("a template without the text: it would encode every text alike");
  return ok();
}

}  // namespace

Result<std::unique_ptr<PostProcessor>> make_template_processing(const Json& section) {
  VB_CHECK(fields::object(section, "special_tokens"));
  VB_TRY(Frame single, read_frame(section, "single"), "in 'single'");
  VB_TRY(Frame pair, read_frame(section, "pair"), "in 'pair'");
  VB_CHECK(check_single(single));
  return std::make_unique<Template>(std::move(single), std::move(pair));
}

}  // namespace vauban
