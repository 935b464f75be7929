/// Weight edits: changes of the weights that a runtime has loaded, recorded by digest and undone on demand.
///
/// A weight is seen as an f32 matrix W (rows, width) in the layout of the forward pass, y = x W^T: a linear layer is
/// (out, in), a table (V, D), a vector (n, 1). Names and row order are Hugging Face's, whatever the container; GPT-2's
/// Conv1D matrices, which its files hold as (in, out), are (out, in) here.
/// What each op computes: src/model/edits/, one file each; `vauban man weights`.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "vauban/json.h"
#include "vauban/result.h"

namespace vauban {

enum class WeightSide { output, input };  ///< the rows of W, or its columns
std::string_view to_string(WeightSide side);
Result<WeightSide> weight_side_from(std::string_view name);

struct WeightEdit {
  std::string tensor;  ///< a canonical name; '*' and '?' stand for any characters, and each match is edited
  std::string op;      ///< "scale", "zero", "add_noise", "project_out", "add", "set"
  double alpha = 1.0;
  double sigma = 0.0;      ///< add_noise: standard deviation
  std::uint64_t seed = 0;  ///< add_noise; every tensor draws its own stream
  WeightSide side = WeightSide::output;   ///< project_out
  std::vector<double> direction;          ///< project_out: as long as that side; normalised
  std::vector<float> operand;             ///< add, set: row-major
  std::vector<std::int64_t> operand_shape;
  std::string source_digest;  ///< SHA-256 of the file that direction or operand came from; may be empty
};

/// What one edit did to one tensor. Digests are SHA-256 of the values as f32, row-major, little-endian, read back from
/// the backend; changes are measured on those values too.
struct WeightEditRecord {
  std::int64_t edit = 0;  ///< which of the active edits, counted from 0
  std::string tensor, op;
  Json parameters;
  std::string digest_before, digest_after;
  std::string dtype_before, dtype_after;  ///< as stored; an edited tensor is held in f32
  std::int64_t values = 0, changed_values = 0;
  double max_abs_change = 0.0, mean_abs_change = 0.0;  ///< over all values
  bool changed() const { return digest_before != digest_after; }
};

}  // namespace vauban
