#include "support/tiny_tokenizer.h"

#include <array>
#include <string_view>
#include <utility>

#include "base/format.h"

namespace vauban::test {
namespace {

constexpr std::string_view kSpace = "\xE2\x96\x81";  // U+2581, which SentencePiece writes for a space

/// Left and right part of each merge, in rank order; '_' stands for the space mark.
constexpr std::array<std::pair<std::string_view, std::string_view>, 14> kMerges{{
    {"_", "t"},
    {"h", "e"},
    {"_t", "he"},
    {"i", "n"},
    {"e", "r"},
    {"a", "n"},
    {"r", "e"},
    {"o", "n"},
    {"_", "a"},
    {"_", "s"},
    {"n", "d"},
    {"_a", "nd"},
    {"_", "w"},
    {"o", "u"},
}};

std::string with_space_mark(std::string_view text) {
  std::string out;
  for (const char c : text) c == '_' ? out += kSpace : out += c;
  return out;
}

Json special_token(int id, std::string_view content) {
  return Json::object({{"id", id},
                       {"content", content},
                       {"single_word", false},
                       {"lstrip", false},
                       {"rstrip", false},
                       {"normalized", false},
                       {"special", true}});
}

Json replace(std::string_view pattern, std::string_view content) {
  return Json::object({{"type", "Replace"}, {"pattern", Json::object({{"String", pattern}})}, {"content", content}});
}

Json bpe_model() {
  Json vocabulary = Json::object(), merges = Json::array();
  int id = 0;
  for (const std::string& piece : tiny_pieces()) vocabulary[piece] = id++;
  for (const auto& [left, right] : kMerges) merges.push_back(with_space_mark(left) + " " + with_space_mark(right));
  return Json::object({{"type", "BPE"},
                       {"dropout", nullptr},
                       {"unk_token", "<unk>"},
                       {"continuing_subword_prefix", nullptr},
                       {"end_of_word_suffix", nullptr},
                       {"fuse_unk", true},
                       {"byte_fallback", true},
                       {"ignore_merges", false},
                       {"vocab", vocabulary},
                       {"merges", merges}});
}

Json bos_template() {
  const auto special = [] { return Json::object({{"SpecialToken", Json::object({{"id", "<s>"}, {"type_id", 0}})}}); };
  const auto sequence = [](const char* id) {
    return Json::object({{"Sequence", Json::object({{"id", id}, {"type_id", 0}})}});
  };
  const Json token = Json::object({{"id", "<s>"}, {"ids", Json::array({1})}, {"tokens", Json::array({"<s>"})}});
  return Json::object({{"type", "TemplateProcessing"},
                       {"single", Json::array({special(), sequence("A")})},
                       {"pair", Json::array({special(), sequence("A"), special(), sequence("B")})},
                       {"special_tokens", Json::object({{"<s>", token}})}});
}

}  // namespace

std::vector<std::string> tiny_pieces() {
  std::vector<std::string> pieces = {"<unk>", "<s>", "</s>"};
  for (int byte = 0; byte < kTinyByteTokens; ++byte) pieces.push_back(format("<0x{:02X}>", byte));
  pieces.emplace_back(kSpace);
  for (char letter = 'a'; letter <= 'z'; ++letter) pieces.emplace_back(1, letter);
  for (const auto& [left, right] : kMerges) pieces.push_back(with_space_mark(left) + with_space_mark(right));
  return pieces;
}

Json tiny_tokenizer_json() {
  const Json normalizer = Json::object(
      {{"type", "Sequence"},
       {"normalizers", Json::array({Json::object({{"type", "Prepend"}, {"prepend", kSpace}}), replace(" ", kSpace)})}});
  const Json strip = Json::object({{"type", "Strip"}, {"content", " "}, {"start", 1}, {"stop", 0}});
  const Json decoder =
      Json::object({{"type", "Sequence"},
                    {"decoders", Json::array({replace(kSpace, " "), Json::object({{"type", "ByteFallback"}}),
                                              Json::object({{"type", "Fuse"}}), strip})}});
  return Json::object(
      {{"version", "1.0"},
       {"truncation", nullptr},
       {"padding", nullptr},
       {"added_tokens", Json::array({special_token(0, "<unk>"), special_token(1, "<s>"), special_token(2, "</s>")})},
       {"normalizer", normalizer},
       {"pre_tokenizer", nullptr},
       {"post_processor", bos_template()},
       {"decoder", decoder},
       {"model", bpe_model()}});
}

}  // namespace vauban::test
