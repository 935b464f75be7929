// Split: cuts at the matches of a pattern, or at everything else when inverted.
#include "text/fields.h"
#include "text/pattern.h"
#include "text/pre_tokenizers/pre_tokenizer.h"

namespace vauban {
namespace {

class Split final : public PreTokenizer {
 public:
  Split(Pattern pattern, SplitBehavior behavior, bool invert)
      : pattern_(std::move(pattern)), behavior_(behavior), invert_(invert) {}

  Result<void> apply(Segments& segments) const override {
    if (behavior_ == SplitBehavior::isolated && pattern_.regex()) return split_at_matches(segments, *pattern_.regex());
    return split_pieces(segments, behavior_, [&](std::string_view text) -> Result<std::vector<SplitPart>> {
      VB_TRY(const auto matches, pattern_.find_all(text));
      std::vector<SplitPart> parts = parts_of(matches, text.size());
      if (invert_)
        for (SplitPart& part : parts) part.matched = !part.matched;
      return parts;
    });
  }

 private:
  Pattern pattern_;
  SplitBehavior behavior_;
  bool invert_;
};

}  // namespace

Result<std::unique_ptr<PreTokenizer>> make_split(const Json& section) {
  VB_TRY(Pattern pattern, Pattern::read(section, "pattern"));
  VB_TRY(const SplitBehavior behavior, read_behavior(section));
  VB_TRY(const bool invert, fields::boolean(section, "invert"));
  return std::make_unique<Split>(std::move(pattern), behavior, invert);
}

}  // namespace vauban
