/// What a reader should know about a direction file that is used: on another model, at another site, with another length
/// than it was measured.
#pragma once

#include <string>
#include <vector>

#include "format/direction.h"
#include "vauban/runtime.h"

namespace vauban {

/// `layers`: those of the file that are used. `keeps_length`: the mode adds norm * direction instead of projecting on it.
std::vector<std::string> direction_notes(const DirectionFile& file, const std::vector<int>& layers, Site site,
                                         bool keeps_length, const Runtime& runtime);

/// An error of a run with the directions of the file at `path`: where their width does not fit, the hint names the file and
/// what it holds. That happens most often because the file belongs to another model.
Error explain_width(Error error, const std::string& path, const DirectionFile& file);

}  // namespace vauban
