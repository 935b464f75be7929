/// What protects a checkpoint: SHA-256 over content, not over bytes of the file.
///
/// The digests stand in the file's own `__metadata__`, so they cover what the header means (names, types, shapes,
/// metadata) and every byte of data, in sorted order. A changed header therefore either means something else, and the
/// digest tells, or is no valid header. The file stays plain safetensors, and another tool may write it anew.
/// Names and values without control characters have one spelling in JSON as we write it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "format/safetensors_writer.h"

namespace vauban {

inline constexpr std::string_view kTrainingPrefix = "__training__.";
inline constexpr std::string_view kWeightsDigest = "vauban.weights_sha256";
inline constexpr std::string_view kTrainingDigest = "vauban.training_sha256";
inline constexpr std::string_view kMetadataDigest = "vauban.metadata_sha256";

/// F-CKPT-017: over the tensors sorted by name: name, 0x00, type ("f32"), rank and dims (u64 LE), data. Of the weights
/// of a file this is its provenance hash: equal for a checkpoint and the release made of it.
std::string content_digest(std::vector<NamedTensorView> tensors);

/// Over every key but kMetadataDigest, sorted: key, 0x00, value, 0x00.
std::string metadata_digest(const SafetensorsMetadata& metadata);

}  // namespace vauban
