#include "model/tap.h"

namespace vauban {

void Tap::want(Site site, int layer) {
  const std::size_t index = static_cast<std::size_t>(layer) * kSiteCount + static_cast<std::size_t>(site);
  if (index >= wanted_.size()) wanted_.resize(index + 1, false);
  wanted_[index] = true;
}

}  // namespace vauban
