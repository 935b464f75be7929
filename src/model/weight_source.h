/// WeightSource: where a network asks for its tensors. WeightLoader (model.h) reads them from a file; TensorLister only
/// notes what was asked for, so that the list of an architecture's tensors is what its network loads, and nothing else.
#pragma once

#include "model/linear.h"
#include "model/tensor_map.h"

namespace vauban {

class WeightSource {
 public:
  virtual ~WeightSource() = default;
  /// Errors: not_found (names the tensor and the file), corrupt for another shape (expected and found), those of Ops.
  virtual Result<Weight> get(const TensorSpec& tensor) = 0;
  /// `module` names the layer without ".weight". Errors: the same.
  virtual Result<Linear> linear(const TensorSpec& module, bool with_bias) = 0;
  virtual Result<Embedding> embedding(const TensorSpec& table) = 0;
  struct Ends {
    Embedding embedding;
    Head head;
  };
  /// The token table and the head. With `tied` the head reads the table; a file may then hold it under either name, or
  /// under both when they are equal. Errors: the same; corrupt when they differ.
  virtual Result<Ends> ends(const TensorSpec& table, const TensorSpec& head, bool tied) = 0;
  /// A vector of ones that no file holds, for norms that learn nothing.
  virtual Result<Weight> ones(std::int64_t width) = 0;
};

/// Every call succeeds with empty weights.
class TensorLister final : public WeightSource {
 public:
  Result<Weight> get(const TensorSpec& tensor) override;
  Result<Linear> linear(const TensorSpec& module, bool with_bias) override;
  Result<Embedding> embedding(const TensorSpec& table) override;
  Result<Ends> ends(const TensorSpec& table, const TensorSpec& head, bool tied) override;
  Result<Weight> ones(std::int64_t) override { return Weight{}; }
  /// In the order of the forward pass: an untied head comes last.
  TensorMap take();

 private:
  TensorMap map_, last_;
};

}  // namespace vauban
