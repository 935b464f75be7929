// Replace: every match of a pattern becomes a fixed string, which stands for the last character of the match.
#include "text/fields.h"
#include "text/normalizers/normalizer.h"
#include "text/pattern.h"

namespace vauban {
namespace {

class Replace final : public Normalizer {
 public:
  Replace(Pattern pattern, std::string content) : pattern_(std::move(pattern)), content_(std::move(content)) {}
  Result<void> apply(AlignedText& text) const override {
    VB_TRY(const auto matches, pattern_.find_all(text.view()));
    if (matches.empty()) return ok();
    AlignedText out;
    std::size_t kept = 0;
    const std::size_t start = text.span(0, 0).begin;
    for (const ByteRange& match : matches) {
      out.append(text, kept, match.begin);
      const auto nothing = static_cast<std::uint32_t>(start);
      out.append(content_, match.end > 0 ? text.origin(match.end - 1) : Origin{nothing, nothing});
      kept = match.end;
    }
    out.append(text, kept, text.size());
    if (out.empty()) out = AlignedText("", start);
    text = std::move(out);
    return ok();
  }

 private:
  Pattern pattern_;
  std::string content_;
};

}  // namespace

Result<std::unique_ptr<Normalizer>> make_replace(const Json& section) {
  VB_TRY(Pattern pattern, Pattern::read(section, "pattern"));
  VB_TRY(std::string content, fields::string(section, "content"));
  return std::make_unique<Replace>(std::move(pattern), std::move(content));
}

}  // namespace vauban
