// The list of decoders that a tokenizer.json may name.
#include <algorithm>
#include <array>

#include "text/component_list.h"
#include "text/decoders/decoder.h"

namespace vauban {
namespace {

constexpr std::array kDecoders = {
    ComponentEntry<Decoder>{"Sequence", make_sequence_decoder},
    ComponentEntry<Decoder>{"ByteLevel", make_byte_level_decoder},
    ComponentEntry<Decoder>{"ByteFallback", make_byte_fallback_decoder},
    ComponentEntry<Decoder>{"Fuse", make_fuse_decoder},
    ComponentEntry<Decoder>{"Replace", make_replace_decoder},
    ComponentEntry<Decoder>{"Strip", make_strip_decoder},
    ComponentEntry<Decoder>{"Metaspace", make_metaspace_decoder},
    ComponentEntry<Decoder>{"WordPiece", make_word_piece_decoder},
    ComponentEntry<Decoder>{"BPEDecoder", make_bpe_decoder},
    ComponentEntry<Decoder>{"CTC", make_ctc_decoder},
};

class Sequence final : public Decoder {
 public:
  explicit Sequence(std::vector<std::unique_ptr<Decoder>> members) : members_(std::move(members)) {}

  Result<void> apply(std::vector<std::string>& tokens) const override {
    for (const auto& member : members_) VB_CHECK(member->apply(tokens));
    return ok();
  }
  Settling settling(bool fused) const override {
    Settling latest = Settling::each_token;
    for (const auto& member : members_) {
      latest = std::max(latest, member->settling(fused));
      fused = fused || member->fuses();
    }
    return latest;
  }
  bool fuses() const override {
    return std::any_of(members_.begin(), members_.end(), [](const auto& member) { return member->fuses(); });
  }
  bool reads_byte_letters() const override {
    return std::any_of(members_.begin(), members_.end(), [](const auto& m) { return m->reads_byte_letters(); });
  }

 private:
  std::vector<std::unique_ptr<Decoder>> members_;
};

}  // namespace

Result<std::unique_ptr<Decoder>> make_decoder(const Json& section) {
  return make_component<Decoder>(kDecoders, section, "decoder");
}

Result<std::unique_ptr<Decoder>> make_sequence_decoder(const Json& section) {
  VB_TRY(auto members, make_members<Decoder>(kDecoders, section, "decoders", "decoder"));
  return std::make_unique<Sequence>(std::move(members));
}

std::string replace_all(std::string_view text, std::string_view from, std::string_view to) {
  if (from.empty()) return std::string(text);
  std::string out;
  std::size_t kept = 0;
  for (std::size_t at = text.find(from); at != std::string_view::npos; at = text.find(from, kept)) {
    out.append(text, kept, at - kept).append(to);
    kept = at + from.size();
  }
  return out.append(text.substr(kept));
}

std::string clean_up(std::string text) {
  constexpr std::pair<std::string_view, std::string_view> kRules[] = {
      {" .", "."},   {" ?", "?"},           {" !", "!"},   {" ,", ","},     {" ' ", "'"},   {" n't", "n't"},
      {" 'm", "'m"}, {" do not", " don't"}, {" 's", "'s"}, {" 've", "'ve"}, {" 're", "'re"}};
  for (const auto& [from, to] : kRules) text = replace_all(text, from, to);
  return text;
}

}  // namespace vauban
