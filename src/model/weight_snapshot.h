/// WeightSnapshot: what a loaded weight holds, measured: read back from the backend, not from the file.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "model/model.h"

namespace vauban {

struct WeightSnapshot {
  std::string name;  ///< canonical
  DType stored = DType::f32;
  Shape shape;         ///< (out, in), (V, D) or (n)
  std::string digest;  ///< SHA-256 of the values as f32, row-major, little-endian
  Json summary;        ///< RowStats over the rows, and `l2_norm` over the finite values
};

/// The values in f32. Errors: unsupported for a type without a decoder.
Result<std::vector<float>> read_weight(const Weight& weight);
WeightSnapshot snapshot_of(const Weight& weight, std::span<const float> values);

/// Where the network holds each weight, by name: a tied table at both ends.
std::map<std::string, std::vector<Weight*>> weights_by_name(Network& network);
/// '*' stands for any characters, none too; '?' for one; everything else for itself.
bool matches_glob(std::string_view glob, std::string_view name);
/// not_found for a glob that matches none of `names`, with what is near it.
Error no_such_tensor(std::string_view glob, const std::vector<std::string>& names);

}  // namespace vauban
