/// Block: the part of a layer between two points of the residual stream: attention, an MLP, experts, a recurrence.
#pragma once

#include <memory>

#include "model/decoder/names.h"
#include "model/decoder/spec.h"
#include "model/tap.h"
#include "model/weight_source.h"

namespace vauban {

/// Where a block runs.
struct Step {
  Ops& ops;
  KvStore& store;
  const Batch& batch;
  const Tap& tap;
  int layer = 0;
};

class Block {
 public:
  virtual ~Block() = default;
  /// x (T, D), normed. -> (T, D), what is to be added to the residual stream.
  virtual Tensor operator()(const Step& step, const Tensor& x) const = 0;
  virtual void visit_weights(const WeightVisitor& visit) = 0;
};

/// What loading a block reads: names and sizes around it.
struct BlockLoader {
  WeightSource& weights;
  const DecoderNames& names;
  const DecoderSpec& decoder;
  std::int64_t width = 0;  ///< D
  std::int64_t layer = 0;

  TensorSpec module(const ModuleName& name, Shape shape) const { return names.module(name, layer, shape); }
  /// A matrix (out, in); transposed in folders where the names say so.
  TensorSpec matrix(const ModuleName& name, std::int64_t out, std::int64_t in) const;
};

}  // namespace vauban
