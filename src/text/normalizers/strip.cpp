// Strip: removes white space at the ends.
#include "text/fields.h"
#include "text/normalizers/normalizer.h"

namespace vauban {
namespace {

class Strip final : public Normalizer {
 public:
  Strip(bool left, bool right) : left_(left), right_(right) {}
  Result<void> apply(AlignedText& text) const override {
    const std::string_view all = text.view();
    std::size_t begin = 0, end = 0;
    if (left_)
      while (begin < all.size() && is_white_space(code_point_at(all, begin).value))
        begin += code_point_at(all, begin).size;
    for (std::size_t at = begin; at < all.size();) {
      const CodePoint c = code_point_at(all, at);
      at += c.size;
      if (!right_ || !is_white_space(c.value)) end = at;
    }
    AlignedText out("", text.span(begin, begin).begin);
    out.append(text, begin, end);
    text = std::move(out);
    return ok();
  }

 private:
  bool left_, right_;
};

}  // namespace

Result<std::unique_ptr<Normalizer>> make_strip(const Json& section) {
  VB_TRY(const bool left, fields::boolean(section, "strip_left"));
  VB_TRY(const bool right, fields::boolean(section, "strip_right"));
  return std::make_unique<Strip>(left, right);
}

}  // namespace vauban
