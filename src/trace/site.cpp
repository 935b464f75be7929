#include "vauban/site.h"

#include <array>

#include "base/result.h"
#include "base/strings.h"

namespace vauban {
namespace {

// Aliases are TransformerLens hook names; nodes are the names that llama.cpp gives its graph (trace-contract 9). Both
// rotated and unrotated q and k carry the same node name there. Empty: no such name, or none that has been verified.
constexpr std::array<SiteInfo, kSiteCount> kSites{{
    {Site::tokens, "tokens", false, "(T)", "", ""},
    {Site::embed_out, "embed_out", false, "(T,D)", "hook_embed", "inp_embd"},
    {Site::resid_pre, "resid_pre", true, "(T,D)", "blocks.{L}.hook_resid_pre", "l_out-{L-1}"},
    {Site::attn_norm_out, "attn_norm_out", true, "(T,D)", "blocks.{L}.ln1.hook_normalized", "attn_norm-{L}"},
    {Site::q, "q", true, "(T,H,d)", "blocks.{L}.attn.hook_q", "Qcur-{L}"},
    {Site::k, "k", true, "(T,K,d)", "blocks.{L}.attn.hook_k", "Kcur-{L}"},
    {Site::v, "v", true, "(T,K,d)", "blocks.{L}.attn.hook_v", "Vcur-{L}"},
    {Site::q_rot, "q_rot", true, "(T,H,d)", "blocks.{L}.attn.hook_rot_q", "Qcur-{L}"},
    {Site::k_rot, "k_rot", true, "(T,K,d)", "blocks.{L}.attn.hook_rot_k", "Kcur-{L}"},
    {Site::attn_scores, "attn_scores", true, "(H,T,T)", "blocks.{L}.attn.hook_attn_scores", "kq-{L}"},
    {Site::attn_pattern, "attn_pattern", true, "(H,T,T)", "blocks.{L}.attn.hook_pattern", "kq_soft_max_ext-{L}"},
    {Site::z, "z", true, "(T,H,d)", "blocks.{L}.attn.hook_z", "kqv_out-{L}"},
    {Site::attn_out, "attn_out", true, "(T,D)", "blocks.{L}.hook_attn_out", ""},
    {Site::resid_mid, "resid_mid", true, "(T,D)", "blocks.{L}.hook_resid_mid", "ffn_inp-{L}"},
    {Site::mlp_norm_out, "mlp_norm_out", true, "(T,D)", "blocks.{L}.ln2.hook_normalized", "ffn_norm-{L}"},
    {Site::router_logits, "router_logits", true, "(T,E)", "", "ffn_moe_logits-{L}"},
    {Site::router_topk, "router_topk", true, "(T,k)", "blocks.{L}.mlp.hook_expert_indices", "ffn_moe_topk-{L}"},
    {Site::router_weights, "router_weights", true, "(T,k)", "blocks.{L}.mlp.hook_expert_weights",
     "ffn_moe_weights-{L}"},
    {Site::gate, "gate", true, "(T,F)", "blocks.{L}.mlp.hook_pre", "ffn_gate-{L}"},
    {Site::up, "up", true, "(T,F)", "blocks.{L}.mlp.hook_pre_linear", "ffn_up-{L}"},
    {Site::act, "act", true, "(T,F)", "blocks.{L}.mlp.hook_post", "ffn_silu-{L}"},
    {Site::mlp_out, "mlp_out", true, "(T,D)", "blocks.{L}.hook_mlp_out", "ffn_out-{L}"},
    {Site::resid_post, "resid_post", true, "(T,D)", "blocks.{L}.hook_resid_post", "l_out-{L}"},
    {Site::final_norm_out, "final_norm_out", false, "(T,D)", "ln_final.hook_normalized", "result_norm"},
    {Site::logits, "logits", false, "(T,V)", "unembed", "result_output"},
    {Site::logprobs, "logprobs", false, "(T,V)", "", ""},
    {Site::sampled_id, "sampled_id", false, "(T)", "", ""},
    {Site::kv_pages, "kv_pages", false, "(P)", "", ""},
}};

constexpr bool in_enum_order() {
  for (std::size_t i = 0; i < kSites.size(); ++i)
    if (static_cast<std::size_t>(kSites[i].id) != i) return false;
  return true;
}
static_assert(in_enum_order(), "info() indexes the table by the enum's value");

}  // namespace

std::span<const SiteInfo> all_sites() { return kSites; }

const SiteInfo& info(Site site) { return kSites[static_cast<std::size_t>(site)]; }

Result<Site> site_from(std::string_view name) {
  std::vector<std::string> names;
  for (const SiteInfo& entry : kSites) {
    if (entry.name == name) return entry.id;
    names.emplace_back(entry.name);
  }
  const std::string nearest = did_you_mean(name, names);
  return with_hint(invalid_input("expected the name of a site, found '{}'", printable(name, 60)),
                   nearest.empty() ? "`vauban list sites` prints them all" : format("did you mean '{}'?", nearest));
}

}  // namespace vauban
