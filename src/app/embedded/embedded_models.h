/// The demo model by name: what is embedded, written out into a cache folder where it can be opened as files.
///
/// The cache is $XDG_CACHE_HOME/vauban, else ~/.cache/vauban, else vauban-<uid> among the temporary files: the first
/// that can be written. Every call compares the files with the embedded bytes and writes those that differ again, each
/// by a rename, so that several processes can do it at once and none ever opens a torn or changed file.
#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <string_view>

#include "base/json.h"
#include "base/result.h"

namespace vauban {

struct EmbeddedModel {
  std::string_view name;     ///< the MODEL argument
  std::string_view folder;   ///< of its weights among the embedded files
  std::string_view adapter;  ///< folder of a PEFT adapter; empty: none
  std::string_view summary;
};
std::span<const EmbeddedModel> all_embedded_models();
/// id, summary, parameters, bytes (of its files), digest (SHA-256 of the file with its weights; of the adapter's where
/// there is one).
Json embedded_facts(const EmbeddedModel& model);

/// Writes out the embedded files below `folder` ("base"). The value is that folder on disk.
/// Errors: not_found for a folder that is not embedded; io where no place could be written, naming each.
Result<std::filesystem::path> unpack_embedded(std::string_view folder);

/// `model` with embedded names replaced by folders: `garrison`, `garrison-finetuned`, `garrison+terse`,
/// `garrison+MINE`. A path of that name that exists is taken as it stands, as is every other argument.
Result<std::string> locate_model(const std::string& model);

/// The same for a suite (`garrison`, `garrison-contrast`) and for a file with interventions (`garrison-steered`).
bool names_embedded_suite(std::string_view suite);
bool names_embedded_interventions(std::string_view file);
Result<std::string> locate_suite(const std::string& suite);
Result<std::string> locate_interventions(const std::string& file);

}  // namespace vauban
