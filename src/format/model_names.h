/// Names that stand for models which the program carries in itself (src/app/embedded/), where a MODEL is asked for.
#pragma once

#include <string_view>

namespace vauban {

inline constexpr std::string_view kEmbeddedModels[] = {"garrison", "garrison-finetuned"};

/// Whether a MODEL argument (`garrison`, `garrison+ADAPTER`) begins with such a name. A path of that name wins: ask the
/// file system first.
bool names_embedded_model(std::string_view model);

}  // namespace vauban
