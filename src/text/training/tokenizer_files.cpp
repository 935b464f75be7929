#include "text/training/tokenizer_files.h"

#include <algorithm>

namespace vauban {
namespace {

Json byte_level(bool use_regex) {
  return Json::object(
      {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}, {"use_regex", use_regex}});
}

Json pre_tokenizer(std::span<const std::string_view> patterns) {
  Json members = Json::array();
  for (const std::string_view pattern : patterns)
    members.push_back(Json::object({{"type", "Split"},
                                    {"pattern", Json::object({{"Regex", pattern}})},
                                    {"behavior", "Isolated"},
                                    {"invert", false}}));
  members.push_back(byte_level(false));
  return Json::object({{"type", "Sequence"}, {"pretokenizers", std::move(members)}});
}

Json added_token(std::size_t id, const std::string& content, bool special) {
  return Json::object({{"id", id}, {"content", content}, {"single_word", false}, {"lstrip", false}, {"rstrip", false},
                       {"normalized", false}, {"special", special}});
}

Json model_section(const TrainedBpe& trained, const BpeFileOptions& options) {
  Json vocabulary = Json::object(), merges = Json::array();
  for (std::size_t id = 0; id < trained.tokens.size(); ++id) vocabulary[trained.tokens[id]] = id;
  for (const auto& [left, right] : trained.merges) merges.push_back(left + " " + right);
  return Json::object({{"type", "BPE"}, {"dropout", nullptr}, {"unk_token", nullptr}, {"continuing_subword_prefix", nullptr},
                       {"end_of_word_suffix", nullptr}, {"fuse_unk", false}, {"byte_fallback", false},
                       {"ignore_merges", options.ignore_merges}, {"vocab", std::move(vocabulary)}, {"merges", std::move(merges)}});
}

Json special_item(const std::string& token, int type) {
  return Json::object({{"SpecialToken", Json::object({{"id", token}, {"type_id", type}})}});
}

Json sequence_item(const char* name, int type) {
  return Json::object({{"Sequence", Json::object({{"id", name}, {"type_id", type}})}});
}

/// BOS and EOS around each text, as TemplateProcessing.
Result<Json> post_processor(const TrainedBpe& trained, const TokenizerRoles& roles) {
  if (!roles.add_bos && !roles.add_eos) return Json();
  if (roles.add_bos && !roles.bos) return invalid_input("adding BOS to every text needs a BOS token");
  if (roles.add_eos && !roles.eos) return invalid_input("adding EOS to every text needs an EOS token");
  Json single = Json::array(), pair = Json::array(), specials = Json::object();
  const auto part = [&](Json& items, const char* name, int type) {
    if (roles.add_bos) items.push_back(special_item(*roles.bos, type));
    items.push_back(sequence_item(name, type));
    if (roles.add_eos) items.push_back(special_item(*roles.eos, type));
  };
  part(single, "A", 0);
  part(pair, "A", 0);
  part(pair, "B", 1);
  const auto declare = [&](const std::string& token) {
    const auto id = std::find(trained.tokens.begin(), trained.tokens.end(), token) - trained.tokens.begin();
    specials[token] = Json::object({{"id", token}, {"ids", Json::array({id})}, {"tokens", Json::array({token})}});
  };
  if (roles.add_bos) declare(*roles.bos);
  if (roles.add_eos) declare(*roles.eos);
  return Json::object({{"type", "TemplateProcessing"}, {"single", std::move(single)}, {"pair", std::move(pair)},
                       {"special_tokens", std::move(specials)}});
}

Result<void> check_roles(const BpeFileOptions& options) {
  for (const auto* role : {&options.roles.bos, &options.roles.eos, &options.roles.unk, &options.roles.pad})
    if (*role && std::find(options.specials.begin(), options.specials.end(), **role) == options.specials.end())
      return invalid_input("'{}' is not one of the special tokens", **role);
  return ok();
}

}  // namespace

Result<Json> bpe_tokenizer_json(const TrainedBpe& trained, const BpeFileOptions& options) {
  VB_CHECK(check_roles(options));
  VB_TRY(Json post, post_processor(trained, options.roles));
  Json added = Json::array();
  std::size_t id = 0;  // the trainer numbers the specials first
  for (const std::string& token : options.specials) added.push_back(added_token(id++, token, true));
  for (const std::string& token : options.user_defined) added.push_back(added_token(id++, token, false));
  return Json::object({{"version", "1.0"},
                       {"truncation", nullptr},
                       {"padding", nullptr},
                       {"added_tokens", std::move(added)},
                       {"normalizer", nullptr},
                       {"pre_tokenizer", pre_tokenizer(options.patterns)},
                       {"post_processor", std::move(post)},
                       {"decoder", byte_level(true)},
                       {"model", model_section(trained, options)}});
}

Json tokenizer_config_json(const TokenizerRoles& roles, const std::optional<std::string>& chat_template,
                           std::string_view tokenizer_class) {
  Json out = Json::object({{"clean_up_tokenization_spaces", false}});
  const auto put = [&](const char* key, const std::optional<std::string>& value) {
    if (value) out[key] = *value;
  };
  put("bos_token", roles.bos);
  put("eos_token", roles.eos);
  put("unk_token", roles.unk);
  put("pad_token", roles.pad);
  put("chat_template", chat_template);
  if (!tokenizer_class.empty()) out["tokenizer_class"] = tokenizer_class;
  return out;
}

}  // namespace vauban
