// NFC, NFD, NFKC, NFKD: the Unicode normal forms.
#include <algorithm>

#include "text/normalizers/normalizer.h"

namespace vauban {
namespace {

class Form final : public Normalizer {
 public:
  explicit Form(UnicodeForm form) : form_(form) {}
  Result<void> apply(AlignedText& text) const override {
    const std::string_view all = text.view();
    if (std::all_of(all.begin(), all.end(), [](char c) { return static_cast<unsigned char>(c) < 0x80; })) return ok();
    const std::vector<Change> changes = normal_form(all, form_);
    text.transform(changes);
    return ok();
  }

 private:
  UnicodeForm form_;
};

}  // namespace

Result<std::unique_ptr<Normalizer>> make_nfc(const Json&) { return std::make_unique<Form>(UnicodeForm::nfc); }
Result<std::unique_ptr<Normalizer>> make_nfd(const Json&) { return std::make_unique<Form>(UnicodeForm::nfd); }
Result<std::unique_ptr<Normalizer>> make_nfkc(const Json&) { return std::make_unique<Form>(UnicodeForm::nfkc); }
Result<std::unique_ptr<Normalizer>> make_nfkd(const Json&) { return std::make_unique<Form>(UnicodeForm::nfkd); }

}  // namespace vauban
