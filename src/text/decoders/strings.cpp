// Replace, Strip and Metaspace: decoders that edit the text of each token.
#include <limits>

#include "text/decoders/decoder.h"
#include "text/fields.h"
#include "text/metaspace.h"
#include "text/pattern.h"
#include "text/unicode.h"

namespace vauban {
namespace {

class Replace final : public Decoder {
 public:
  Replace(Pattern pattern, std::string content) : pattern_(std::move(pattern)), content_(std::move(content)) {}
  Result<void> apply(std::vector<std::string>& tokens) const override {
    for (std::string& token : tokens) {
      VB_TRY(token, pattern_.replace_all(token, content_));
    }
    return ok();
  }
  Settling settling(bool fused) const override {
    return fused && !pattern_.is_one_character() ? Settling::at_end : Settling::each_token;
  }

 private:
  Pattern pattern_;
  std::string content_;
};

class Strip final : public Decoder {
 public:
  Strip(std::string content, std::int64_t start, std::int64_t stop)
      : content_(std::move(content)), start_(start), stop_(stop) {}
  Result<void> apply(std::vector<std::string>& tokens) const override {
    for (std::string& token : tokens) token = strip(token);
    return ok();
  }
  // Characters taken from the end of all of the text come back when more text follows.
  Settling settling(bool fused) const override { return fused && stop_ > 0 ? Settling::at_end : Settling::each_token; }

 private:
  std::string strip(std::string_view token) const {
    for (std::int64_t i = 0; i < start_ && token.starts_with(content_); ++i) token.remove_prefix(content_.size());
    for (std::int64_t i = 0; i < stop_ && token.ends_with(content_); ++i) token.remove_suffix(content_.size());
    return std::string(token);
  }

  std::string content_;  ///< one character
  std::int64_t start_, stop_;
};

class MetaspaceDecoder final : public Decoder {
 public:
  explicit MetaspaceDecoder(Metaspace rule) : mark_(to_utf8(rule.replacement)), prepend_(rule.prepend) {}
  Result<void> apply(std::vector<std::string>& tokens) const override {
    for (std::size_t i = 0; i < tokens.size(); ++i) {
      const bool prefix = i == 0 && prepend_ != Metaspace::Prepend::never;
      tokens[i] = replace_all(tokens[i], mark_, prefix ? "" : " ");
    }
    return ok();
  }
  Settling settling(bool fused) const override { return fused ? Settling::at_end : Settling::each_token; }

 private:
  std::string mark_;
  Metaspace::Prepend prepend_;
};

}  // namespace

Result<std::unique_ptr<Decoder>> make_replace_decoder(const Json& section) {
  VB_TRY(Pattern pattern, Pattern::read(section, "pattern"));
  VB_TRY(std::string content, fields::string(section, "content"));
  return std::make_unique<Replace>(std::move(pattern), std::move(content));
}

Result<std::unique_ptr<Decoder>> make_strip_decoder(const Json& section) {
  constexpr std::int64_t kMost = std::numeric_limits<std::int32_t>::max();
  VB_TRY(const char32_t content, fields::character(section, "content"));
  VB_TRY(const std::int64_t start, fields::integer(section, "start", 0, kMost));
  VB_TRY(const std::int64_t stop, fields::integer(section, "stop", 0, kMost));
  return std::make_unique<Strip>(to_utf8(content), start, stop);
}

Result<std::unique_ptr<Decoder>> make_metaspace_decoder(const Json& section) {
  VB_TRY(const Metaspace rule, read_metaspace(section));
  return std::make_unique<MetaspaceDecoder>(rule);
}

}  // namespace vauban
