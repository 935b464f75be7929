// Prepend: puts a string before text that is not empty. It stands for the text's first character.
#include "text/fields.h"
#include "text/normalizers/normalizer.h"

namespace vauban {
namespace {

class Prepend final : public Normalizer {
 public:
  explicit Prepend(std::string prefix) : prefix_(std::move(prefix)) {}
  Result<void> apply(AlignedText& text) const override {
    if (text.empty() || prefix_.empty()) return ok();
    AlignedText out;
    out.append(prefix_, text.origin(0));
    out.append(text);
    text = std::move(out);
    return ok();
  }

 private:
  std::string prefix_;
};

}  // namespace

Result<std::unique_ptr<Normalizer>> make_prepend(const Json& section) {
  VB_TRY(std::string prefix, fields::string(section, "prepend"));
  return std::make_unique<Prepend>(std::move(prefix));
}

}  // namespace vauban
