#include "golden/golden_case.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/json_file.h"
#include "support/test_data.h"

namespace vauban::test {

Result<Json> read_golden(const std::string& relative) { return read_json_file(shared_data() / relative); }

std::vector<double> numbers(const Json& list) {
  std::vector<double> out;
  for (const Json& item : list.items()) out.push_back(item.as_double());
  return out;
}

std::vector<std::int32_t> ids(const Json& list) {
  std::vector<std::int32_t> out;
  for (const Json& item : list.items()) out.push_back(static_cast<std::int32_t>(item.as_int()));
  return out;
}

std::vector<double> joined_rows(const Json& lists) {
  std::vector<double> out;
  for (const Json& row : lists.items())
    for (const Json& item : row.items()) out.push_back(item.as_double());
  return out;
}

double max_difference(const std::vector<double>& a, const std::vector<double>& b) {
  if (a.size() != b.size() || a.empty()) return std::numeric_limits<double>::infinity();
  double worst = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double difference = std::fabs(a[i] - b[i]);
    if (!(difference <= worst)) worst = difference;  // NaN stays
    if (std::isnan(worst)) return std::numeric_limits<double>::infinity();
  }
  return worst;
}

CollectTap::CollectTap(int layers, std::vector<Site> sites) {
  if (sites.empty())
    for (const SiteInfo& site : all_sites()) sites.push_back(site.id);
  for (const Site site : sites)
    for (int layer = 0; layer < (info(site).per_layer ? layers : 1); ++layer) want(site, layer);
}

const CollectTap::Value* CollectTap::find(Site site, int layer) const {
  const auto found = seen_.find({site, layer});
  return found == seen_.end() ? nullptr : &found->second;
}

Tensor CollectTap::reach(Site site, int layer, Tensor x) const {
  seen_[{site, layer}] = {x.shape(), to_f64(x)};
  return x;
}

void CollectTap::reach_sequence(Site site, int layer, std::size_t sequence, const Tensor& x) const {
  if (sequence == 0) seen_[{site, layer}] = {x.shape(), to_f64(x)};
}

std::optional<RuncSite> runc_site(const std::string& name) {
  if (name == "embed") return RuncSite{.site = Site::embed_out};
  if (name == "final_norm") return RuncSite{.site = Site::final_norm_out};
  const std::size_t dot = name.find('.');
  if (name.empty() || name[0] != 'L' || dot == std::string::npos) return std::nullopt;
  const int layer = std::stoi(name.substr(1, dot - 1));
  const std::string rest = name.substr(dot + 1);
  if (rest.starts_with("attn_prob_h"))
    return RuncSite{.site = Site::attn_pattern, .layer = layer, .head = std::stoi(rest.substr(11))};
  static const std::map<std::string, RuncSite> known = {
      {"attn_norm", {.site = Site::attn_norm_out}},
      {"q_pre_rope", {.site = Site::q, .interleaved = true}},
      {"k_pre_rope", {.site = Site::k, .interleaved = true}},
      {"v", {.site = Site::v}},
      {"q", {.site = Site::q_rot, .interleaved = true}},
      {"k", {.site = Site::k_rot, .interleaved = true}},
      {"attn_ctx", {.site = Site::z}},
      {"attn_out", {.site = Site::attn_out}},
      {"resid_mid", {.site = Site::resid_mid}},
      {"ffn_norm", {.site = Site::mlp_norm_out}},
      {"ffn_hidden", {.site = Site::act}},
      {"ffn_out", {.site = Site::mlp_out}},
      {"resid_post", {.site = Site::resid_post}},
  };
  const auto found = known.find(rest);
  if (found == known.end()) return std::nullopt;
  RuncSite site = found->second;
  site.layer = layer;
  return site;
}

std::vector<double> halves_from_pairs(const std::vector<double>& c, std::int64_t head_dim) {
  std::vector<double> hf(c.size());
  const auto width = static_cast<std::size_t>(head_dim);
  for (std::size_t head = 0; head + width <= c.size(); head += width)
    for (std::size_t j = 0; j < width / 2; ++j) {
      hf[head + j] = c[head + 2 * j];
      hf[head + width / 2 + j] = c[head + 2 * j + 1];
    }
  return hf;
}

std::vector<double> last_position(const CollectTap::Value& value, std::optional<int> head) {
  const std::int64_t leading = head ? 1 : value.shape[0];
  const std::int64_t head_size = value.shape.elements() / (head ? value.shape[0] : 1);
  const std::int64_t rows = head ? value.shape[1] : leading;
  const std::int64_t width = head_size / rows;
  const auto begin = value.values.begin() + head.value_or(0) * head_size + (rows - 1) * width;
  return {begin, begin + width};
}

}  // namespace vauban::test
