/// Tap: where a forward pass lets itself be observed and edited.
///
/// Every architecture calls `tap.at(site, layer, x)` at each site it has, and goes on with what comes back. When nobody
/// asked for that site the call costs one predictable branch.
#pragma once

#include <bitset>
#include <cstdint>
#include <vector>

#include "ops/batch.h"
#include "ops/ops.h"
#include "tensor/tensor.h"
#include "vauban/site.h"

namespace vauban {

class Tap {
 public:
  virtual ~Tap() = default;

  /// Interventions first (in list order), then observation; both recorded by the implementation.
  Tensor at(Site site, int layer, Tensor x) const {
    return wants(site, layer) ? reach(site, layer, std::move(x)) : x;
  }
  /// Sites without a layer use layer 0.
  bool wants(Site site, int layer) const {
    const std::size_t index = static_cast<std::size_t>(layer) * kSiteCount + static_cast<std::size_t>(site);
    return index < wanted_.size() && wanted_[index];
  }
  /// For values of a single sequence that attention hides: scores and patterns, (heads, rows, past + rows).
  void observe_sequence(Site site, int layer, std::size_t sequence, const Tensor& x) const {
    if (wants(site, layer)) reach_sequence(site, layer, sequence, x);
  }

 protected:
  void want(Site site, int layer);  ///< grows the mask
  void clear_wants() { wanted_.clear(); }

 private:
  virtual Tensor reach(Site site, int layer, Tensor x) const = 0;
  virtual void reach_sequence(Site site, int layer, std::size_t sequence, const Tensor& x) const = 0;
  std::vector<bool> wanted_;
};

/// Nobody listens.
class NoTap final : public Tap {
 private:
  Tensor reach(Site, int, Tensor x) const override { return x; }
  void reach_sequence(Site, int, std::size_t, const Tensor&) const override {}
};

}  // namespace vauban
