/// Network: the layers of one model.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "model/config.h"
#include "model/decoder/names.h"
#include "model/tap.h"
#include "model/weight_source.h"

namespace vauban {

/// Its weights change only through visit_weights; the state of sequences is in the KvStore.
class Network {
 public:
  virtual ~Network() = default;
  /// One step over `batch`. -> logits (output_rows, vocab).
  virtual Tensor forward(Ops& ops, KvStore& store, const Batch& batch, const Tap& tap) const = 0;
  virtual KvGeometry kv_geometry() const = 0;  ///< pages left 0
  /// Every weight that the forward pass reads, LoRA pairs included; a table that both ends share comes once for each. The
  /// visitor may replace one by another of the same shape between two steps, all of one name alike.
  virtual void visit_weights(const WeightVisitor& visit) = 0;
};

/// The network of a decoder, over what `weights` gives. Errors: those of the weights.
Result<std::unique_ptr<Network>> load_decoder(const ModelConfig& config, const DecoderNames& names, WeightSource& weights);

/// Sites that the forward pass of such a model has, in order, and operations that it cannot do without.
std::vector<Site> sites_of(const DecoderSpec& decoder);
std::vector<Op> ops_of(const DecoderSpec& decoder);

}  // namespace vauban
