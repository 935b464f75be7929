// The list of post-processors that a tokenizer.json may name.
#include <array>

#include "text/component_list.h"
#include "text/post_processors/post_processor.h"

namespace vauban {
namespace {

constexpr std::array kPostProcessors = {
    ComponentEntry<PostProcessor>{"Sequence", make_sequence_post_processor},
    ComponentEntry<PostProcessor>{"ByteLevel", make_byte_level_post_processor},
    ComponentEntry<PostProcessor>{"TemplateProcessing", make_template_processing},
    ComponentEntry<PostProcessor>{"RobertaProcessing", make_roberta_processing},
    ComponentEntry<PostProcessor>{"BertProcessing", make_bert_processing},
};

class Sequence final : public PostProcessor {
 public:
  explicit Sequence(std::vector<std::unique_ptr<PostProcessor>> members) : members_(std::move(members)) {}

  std::vector<AddedAround> before() const override {
    std::vector<AddedAround> all;
    for (const auto& member : members_) {
      const auto outer = member->before();
      all.insert(all.begin(), outer.begin(), outer.end());
    }
    return all;
  }
  std::vector<AddedAround> after() const override {
    std::vector<AddedAround> all;
    for (const auto& member : members_) {
      const auto outer = member->after();
      all.insert(all.end(), outer.begin(), outer.end());
    }
    return all;
  }
  void trim(Encoding& encoding, std::string_view text) const override {
    for (const auto& member : members_) member->trim(encoding, text);
  }

 private:
  std::vector<std::unique_ptr<PostProcessor>> members_;
};

}  // namespace

Result<std::unique_ptr<PostProcessor>> make_post_processor(const Json& section) {
  return make_component<PostProcessor>(kPostProcessors, section, "post-processor");
}

Result<std::unique_ptr<PostProcessor>> make_sequence_post_processor(const Json& section) {
  VB_TRY(auto members, make_members<PostProcessor>(kPostProcessors, section, "processors", "post-processor"));
  return std::make_unique<Sequence>(std::move(members));
}

}  // namespace vauban
