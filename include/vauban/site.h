/// Sites: the named points of a forward pass where a value can be observed or edited.
///
/// One canonical table (trace-contract section 9), in the order of execution; `list sites`, the documents and the
/// contract tests walk it.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "vauban/result.h"

namespace vauban {

enum class Site : std::uint8_t {
  tokens, embed_out, resid_pre, attn_norm_out, q, k, v, q_rot, k_rot, attn_scores, attn_pattern, z, attn_out, resid_mid,
  mlp_norm_out, router_logits, router_topk, router_weights, gate, up, act, mlp_out, resid_post, final_norm_out, logits,
  logprobs, sampled_id, kv_pages,
};
inline constexpr int kSiteCount = static_cast<int>(Site::kv_pages) + 1;

struct SiteInfo {
  Site id;
  std::string_view name;   ///< canonical
  bool per_layer;
  std::string_view shape;  ///< in letters of the contract: "(T,D)", "(H,T,T)"
  std::string_view alias;  ///< TransformerLens style, "{L}" stands for the layer; "" where none
  std::string_view llama_cpp_node;
};

std::span<const SiteInfo> all_sites();
const SiteInfo& info(Site site);
inline std::string_view to_string(Site site) { return info(site).name; }
/// Canonical name. Errors: invalid_input with a did-you-mean.
Result<Site> site_from(std::string_view name);

}  // namespace vauban
