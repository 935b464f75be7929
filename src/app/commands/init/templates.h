/// The files that `vauban init` writes.
#pragma once

#include <span>
#include <string_view>

namespace vauban {

struct InitTemplate {
  std::string_view name, text;
};
std::span<const InitTemplate> init_templates();

}  // namespace vauban
