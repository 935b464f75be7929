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
  explicit Sequence(std::vector<std::unique_ptr<PostProcessor>> members) : members_(std::move(members)) {
    for (const auto& member : members_) {
      if (member->single()) single_ = around(single_, *member->single());
      if (member->pair()) pair_ = member->pair();
    }
  }

  const Frame* single() const override { return single_.empty() ? nullptr : &single_; }
  const Frame* pair() const override { return pair_; }
  void trim(Encoding& encoding, std::string_view text) const override {
    for (const auto& member : members_) member->trim(encoding, text);
  }

 private:
  /// `outer` with `inner`, if any, in the place of its text.
  static Frame around(const Frame& inner, const Frame& outer) {
    if (inner.empty()) return outer;
    Frame out;
    for (const FramePart& part : outer) {
      if (part.kind == FramePart::Kind::first)
        out.insert(out.end(), inner.begin(), inner.end());
      else
        out.push_back(part);
    }
    return out;
  }

  std::vector<std::unique_ptr<PostProcessor>> members_;
  Frame single_;                 ///< empty: nothing stands around a text
  const Frame* pair_ = nullptr;  ///< the last member's that has one
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
