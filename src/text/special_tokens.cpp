#include "text/special_tokens.h"

#include "text/fields.h"

namespace vauban {
namespace {

/// A token in a config: its text, or {"content": text, ...}.
Result<std::optional<std::string>> token_text(const Json& config, std::string_view key) {
  const Json* const member = fields::present(config, key);
  if (!member) return std::nullopt;
  if (member->is_object()) {
    VB_TRY(std::string text, fields::string(*member, "content"), "in '{}'", key);
    return text;
  }
  VB_TRY(std::string text, fields::string(config, key));
  return text;
}

Result<std::optional<std::int32_t>> declared_token(const TokenizerHints& hints, std::string_view key,
                                                   const TokenLookup& lookup) {
  for (const Json* config : {&hints.tokenizer_config, &hints.special_tokens_map}) {
    VB_TRY(const auto text, token_text(*config, key));
    if (!text || text->empty()) continue;
    const auto id = lookup.id_of(*text);
    if (!id) return corrupt("{} '{}' is not in the vocabulary", key, *text);
    return *id;
  }
  return std::nullopt;
}

/// generation_config.json: one id, or a list of which the first counts.
Result<std::optional<std::int32_t>> generation_id(const Json& config, std::string_view key, const TokenLookup& lookup) {
  const Json* member = fields::present(config, key);
  if (member && member->is_array()) member = member->size() > 0 ? &member->items().front() : nullptr;
  if (!member) return std::nullopt;
  if (!member->is_integer()) return corrupt("key '{}': expected an id or a list of ids", key);
  const std::int64_t id = member->as_int();
  if (id < 0 || id > INT32_MAX || !lookup.text_of(static_cast<std::int32_t>(id)))
    return corrupt("key '{}': the vocabulary has no id {}", key, id);
  return static_cast<std::int32_t>(id);
}

Result<std::optional<bool>> flag(const TokenizerHints& hints, std::string_view key) {
  if (!fields::present(hints.tokenizer_config, key)) return std::nullopt;
  VB_TRY(const bool value, fields::boolean(hints.tokenizer_config, key), "in tokenizer_config.json");
  return value;
}

AddedAround around(std::int32_t id, const TokenLookup& lookup) { return {id, lookup.text_of(id).value_or("")}; }

Result<void> apply_flags(SpecialTokens& specials, const TokenizerHints& hints, const TokenLookup& lookup) {
  VB_TRY(const auto add_bos, flag(hints, "add_bos_token"));
  VB_TRY(const auto add_eos, flag(hints, "add_eos_token"));
  auto& before = specials.before;
  auto& after = specials.after;
  const bool has_bos = specials.bos && !before.empty() && before.front().id == *specials.bos;
  const bool has_eos = specials.eos && !after.empty() && after.back().id == *specials.eos;
  if (add_bos && *add_bos && !specials.bos) return corrupt("add_bos_token is true, but no bos_token is declared");
  if (add_eos && *add_eos && !specials.eos) return corrupt("add_eos_token is true, but no eos_token is declared");
  if (add_bos && *add_bos && !has_bos) before.insert(before.begin(), around(*specials.bos, lookup));
  if (add_bos && !*add_bos && has_bos) before.erase(before.begin());
  if (add_eos && *add_eos && !has_eos) after.push_back(around(*specials.eos, lookup));
  if (add_eos && !*add_eos && has_eos) after.pop_back();
  return ok();
}

}  // namespace

Result<SpecialTokens> resolve_special_tokens(SpecialTokens own, const TokenizerHints& hints,
                                             const TokenLookup& lookup) {
  if (!own.bos && !own.before.empty()) own.bos = own.before.front().id;
  if (!own.eos && !own.after.empty()) own.eos = own.after.back().id;
  VB_TRY(const auto bos, declared_token(hints, "bos_token", lookup));
  VB_TRY(const auto eos, declared_token(hints, "eos_token", lookup));
  if (bos) own.bos = bos;
  if (eos) own.eos = eos;
  if (!own.bos) {
    VB_TRY(own.bos, generation_id(hints.generation_config, "bos_token_id", lookup), "in generation_config.json");
  }
  if (!own.eos) {
    VB_TRY(own.eos, generation_id(hints.generation_config, "eos_token_id", lookup), "in generation_config.json");
  }
  VB_CHECK(apply_flags(own, hints, lookup));
  return own;
}

void add_around(Encoding& encoding, const SpecialTokens& specials) {
  const bool begins_with_bos = specials.bos && !encoding.ids.empty() && encoding.ids.front() == *specials.bos;
  Encoding out;
  const auto put = [&](const AddedAround& token) {
    out.ids.push_back(token.id);
    out.pieces.push_back(token.text);
    out.offsets.push_back({0, 0});
  };
  for (const AddedAround& token : specials.before)
    if (!begins_with_bos || token.id != *specials.bos) put(token);
  out.ids.insert(out.ids.end(), encoding.ids.begin(), encoding.ids.end());
  out.pieces.insert(out.pieces.end(), std::make_move_iterator(encoding.pieces.begin()),
                    std::make_move_iterator(encoding.pieces.end()));
  out.offsets.insert(out.offsets.end(), encoding.offsets.begin(), encoding.offsets.end());
  for (const AddedAround& token : specials.after) put(token);
  encoding = std::move(out);
}

}  // namespace vauban
