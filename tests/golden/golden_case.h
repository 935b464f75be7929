/// Reading the golden files and naming their activations.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/json.h"
#include "model/tap.h"

namespace vauban::test {

/// A JSON file of the shared data. Errors: those of reading.
Result<Json> read_golden(const std::string& relative);

std::vector<double> numbers(const Json& list);
std::vector<std::int32_t> ids(const Json& list);
/// The rows of a list of lists, joined.
std::vector<double> joined_rows(const Json& lists);
double max_difference(const std::vector<double>& a, const std::vector<double>& b);

/// Keeps a copy of every value of every site of every layer, or of those given.
class CollectTap final : public Tap {
 public:
  explicit CollectTap(int layers, std::vector<Site> sites = {});
  struct Value {
    Shape shape;
    std::vector<double> values;
  };
  /// Null where nothing came. Attention sites: of sequence 0.
  const Value* find(Site site, int layer) const;
  std::size_t size() const { return seen_.size(); }

 private:
  Tensor reach(Site site, int layer, Tensor x) const override;
  void reach_sequence(Site site, int layer, std::size_t sequence, const Tensor& x) const override;
  mutable std::map<std::pair<Site, int>, Value> seen_;
};

/// Where an activation of run.c lies in ours. "L3.q" -> {q_rot, 3}; "L0.attn_prob_h2" -> {attn_pattern, 0, head 2}.
struct RuncSite {
  Site site;
  int layer = 0;
  std::optional<int> head;
  bool interleaved = false;  ///< q and k: run.c stores RoPE pairs side by side
};
std::optional<RuncSite> runc_site(const std::string& name);
/// hf[j] = c[2j], hf[j + d/2] = c[2j + 1] in each head of width d.
std::vector<double> halves_from_pairs(const std::vector<double>& c, std::int64_t head_dim);
/// The last position of a collected value: its last row, or the last row of one head of a pattern.
std::vector<double> last_position(const CollectTap::Value& value, std::optional<int> head);

}  // namespace vauban::test
