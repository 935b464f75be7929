// Precompiled: the rules of a SentencePiece model ("precompiled_charsmap", base64), as tokenizer.json applies them: by
// grapheme cluster of at most five bytes first, else by character, and by the shortest rule that the stretch begins
// with, which then replaces all of it. (SentencePiece itself takes the longest rule at each byte.)
#include "text/base64.h"
#include "text/fields.h"
#include "text/normalizers/normalizer.h"
#include "text/sentencepiece/charsmap.h"

namespace vauban {
namespace {

constexpr std::size_t kLongestCluster = 5;  // bytes

class Precompiled final : public Normalizer {
 public:
  explicit Precompiled(Charsmap rules) : rules_(std::move(rules)) {}

  Result<void> apply(AlignedText& text) const override {
    const std::string_view all = text.view();
    Rewrite out;
    for (std::size_t at = 0; at < all.size();) {
      const std::size_t size = grapheme_size(all, at);
      const std::string_view cluster = all.substr(at, size);
      if (size > kLongestCluster || !replace(cluster, out)) replace_characters(cluster, out);
      at += size;
    }
    if (out.modified) text.transform(out.changes);
    return ok();
  }

 private:
  struct Rewrite {
    std::vector<Change> changes;
    bool modified = false;
  };

  bool replace(std::string_view part, Rewrite& out) const {
    const auto rule = rules_.shortest(part);
    if (!rule) return false;
    out.modified = true;
    const auto old_count = static_cast<int>(count_code_points(part));
    int count = 0;
    for (std::size_t at = 0; at < rule->replacement.size(); ++count) {
      const CodePoint c = code_point_at(rule->replacement, at);
      out.changes.push_back({c.value, count < old_count ? 0 : 1});
      at += c.size;
    }
    if (count >= old_count) return true;
    // What vanishes belongs to the character before it. At the very beginning there is none, and the reference counts
    // it nowhere: offsets behind a dropped BOM are one too low there, and so they are here.
    if (!out.changes.empty()) out.changes.back().change -= old_count - count;
    return true;
  }

  void replace_characters(std::string_view cluster, Rewrite& out) const {
    for (std::size_t at = 0; at < cluster.size();) {
      const CodePoint c = code_point_at(cluster, at);
      if (!replace(cluster.substr(at, c.size), out)) out.changes.push_back({c.value, 0});
      at += c.size;
    }
  }

  Charsmap rules_;
};

}  // namespace

Result<std::unique_ptr<Normalizer>> make_precompiled(const Json& section) {
  VB_TRY(const std::string text, fields::string(section, "precompiled_charsmap"));
  VB_TRY(const std::string blob, decode_base64(text), "in 'precompiled_charsmap'");
  VB_TRY(Charsmap rules, Charsmap::parse(blob));
  return std::make_unique<Precompiled>(std::move(rules));
}

}  // namespace vauban
