#include "format/model_names.h"

#include <algorithm>

namespace vauban {

bool names_embedded_model(std::string_view model) {
  return std::ranges::find(kEmbeddedModels, model.substr(0, model.find('+'))) != std::ranges::end(kEmbeddedModels);
}

}  // namespace vauban
