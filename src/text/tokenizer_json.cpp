// load_tokenizer_json: reads the sections of a Hugging Face tokenizer.json into a Pipeline.
#include <algorithm>

#include "base/sha256.h"
#include "text/fields.h"
#include "text/pipeline_tokenizer.h"

namespace vauban {
namespace {

/// Entries of tokenizer_config.json's added_tokens_decoder that the tokenizer.json lacks, by id.
Result<std::vector<AddedToken>> tokens_of_config(const Json& config, const std::vector<AddedToken>& known,
                                                 const Vocabulary& vocabulary) {
  std::vector<AddedToken> out;
  const Json* const list = fields::present(config, "added_tokens_decoder");
  if (!list) return out;
  if (!list->is_object()) return corrupt("key 'added_tokens_decoder': expected an object, found {}", list->type_name());
  for (const auto& [key, entry] : list->entries()) {
    std::int64_t id = 0;
    const bool digits = !key.empty() && key.size() < 10 && key.find_first_not_of("0123456789") == std::string::npos;
    if (!digits) return corrupt("key 'added_tokens_decoder': '{}' is not an id", key);
    for (const char c : key) id = id * 10 + (c - '0');
    VB_TRY(AddedToken token, read_added_token(entry, id), "in 'added_tokens_decoder'");
    const bool is_known =
        vocabulary.find(token.content).has_value() ||
        std::any_of(known.begin(), known.end(), [&](const AddedToken& t) { return t.content == token.content; });
    if (!is_known) out.push_back(std::move(token));
  }
  std::sort(out.begin(), out.end(), [](const AddedToken& a, const AddedToken& b) { return a.id < b.id; });
  return out;
}

Result<std::vector<AddedToken>> read_added_tokens(const Json& document, const Json& config,
                                                  const Vocabulary& vocabulary) {
  std::vector<AddedToken> tokens;
  if (fields::present(document, "added_tokens")) {
    VB_TRY(const Json::Array* const list, fields::array(document, "added_tokens"));
    for (const Json& entry : *list) {
      VB_TRY(AddedToken token, read_added_token(entry), "in 'added_tokens'");
      tokens.push_back(std::move(token));
    }
  }
  VB_TRY(auto more, tokens_of_config(config, tokens, vocabulary), "in tokenizer_config.json");
  std::move(more.begin(), more.end(), std::back_inserter(tokens));
  return tokens;
}

/// The maker's result for a section, or null when the section is absent or null.
template <class Component>
Result<std::unique_ptr<Component>> optional_section(const Json& document, std::string_view key,
                                                    Result<std::unique_ptr<Component>> (*make)(const Json&)) {
  const Json* const section = fields::present(document, key);
  if (!section) return std::unique_ptr<Component>();
  return make(*section);
}

/// Over the sections that encoding and decoding depend on. (added_tokens by what became of them: the config adds some.)
Result<std::string> digest_of(const Json& document, const Pipeline& pipeline) {
  Sha256 hash;
  for (const std::string_view key : {"model", "normalizer", "pre_tokenizer", "post_processor", "decoder"}) {
    const Json* const section = document.find(key);
    VB_TRY(const std::string text, section ? section->dump() : Result<std::string>("null"));
    hash.update(text + "\n");
  }
  for (const AddedToken& token : pipeline.added.tokens())
    hash.update(format("{} {} {} {} {} {} {}\n", token.id, token.content, token.single_word, token.lstrip, token.rstrip,
                       token.normalized, token.special));
  for (const auto* side : {&pipeline.specials.before, &pipeline.specials.after}) {
    hash.update("around");
    for (const AddedAround& token : *side) hash.update(format(" {}", token.id));
  }
  return hash.finish_hex();
}

Result<void> check_ids(const InputRules& rules, const TokenLookup& lookup) {
  for (const Frame* frame : {&rules.single, &rules.pair})
    for (const FramePart& part : *frame)
      if (part.kind == FramePart::Kind::token && !lookup.text_of(part.token.id))
        return corrupt("post_processor: '{}' has id {}, which the vocabulary does not have", part.token.text, part.token.id);
  return ok();
}

InputRules rules_of(const PostProcessor* processor) {
  InputRules out = rules_around({}, {});
  if (processor && processor->single()) out.single = *processor->single();
  if (processor && processor->pair()) out.pair = *processor->pair();
  return out;
}

/// The tokens on either side of the text.
SpecialTokens specials_of(const Frame& single) {
  SpecialTokens out;
  bool behind = false;
  for (const FramePart& part : single) {
    if (part.kind == FramePart::Kind::token) (behind ? out.after : out.before).push_back(part.token);
    behind = behind || part.kind == FramePart::Kind::first;
  }
  return out;
}

/// Frames hold until a configuration puts other tokens around a text.
Result<InputRules> resolve_inputs(const Json& document, InputRules own, const SpecialTokens& before, const SpecialTokens& now) {
  if (now.before != before.before || now.after != before.after) own = rules_around(now.before, now.after);
  VB_TRY(own.truncation, read_truncation(document));
  VB_TRY(own.padding, read_padding(document));
  return own;
}

Result<Pipeline> read_pipeline(const Json& document, const TokenizerHints& hints) {
  Pipeline out;
  if (!document.is_object()) return corrupt("expected an object, found {}", document.type_name());
  const Json* const model = document.find("model");
  if (!model) return corrupt("expected a section 'model'");
  VB_TRY(out.model, make_model(*model), "in section 'model'");
  VB_TRY(out.normalizer, optional_section(document, "normalizer", make_normalizer), "in section 'normalizer'");
  VB_TRY(out.pre_tokenizer, optional_section(document, "pre_tokenizer", make_pre_tokenizer),
         "in section 'pre_tokenizer'");
  VB_TRY(out.post_processor, optional_section(document, "post_processor", make_post_processor),
         "in section 'post_processor'");
  VB_TRY(out.decoder, optional_section(document, "decoder", make_decoder), "in section 'decoder'");
  VB_TRY(auto added, read_added_tokens(document, hints.tokenizer_config, out.model->vocabulary()));
  VB_TRY(out.added, AddedTokens::make(std::move(added), out.model->vocabulary(), out.normalizer.get()));
  InputRules rules = rules_of(out.post_processor.get());
  const TokenLookup lookup = lookup_in(out.added, *out.model);
  VB_CHECK(check_ids(rules, lookup));
  const SpecialTokens own = specials_of(rules.single);
  VB_TRY(out.specials, resolve_special_tokens(own, hints, lookup));
  VB_TRY(out.inputs, resolve_inputs(document, std::move(rules), own, out.specials));
  VB_TRY(out.digest, digest_of(document, out));
  return out;
}

}  // namespace

Result<std::shared_ptr<const Tokenizer>> load_tokenizer_json(std::string_view json_text, const TokenizerHints& hints) {
  VB_TRY(const Json document, Json::parse(json_text), "in tokenizer.json");
  VB_TRY(Pipeline pipeline, read_pipeline(document, hints), "in tokenizer.json");
  return std::make_shared<const PipelineTokenizer>(std::move(pipeline));
}

}  // namespace vauban
