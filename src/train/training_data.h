/// TrainingData: the examples of a run, held-out ones apart, and the batches of the tape made of them.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/context.h"
#include "data/batches.h"
#include "data/dataset.h"
#include "ops/batch.h"
#include "train/training_config.h"

namespace vauban {

/// Rows of several documents as a forward pass takes them.
struct TrainingBatch {
  Batch batch;
  std::vector<std::int32_t> targets;  ///< one per output row
};
TrainingBatch training_batch(const Dataset& dataset, std::span<const std::size_t> examples);

struct TrainingData {
  Dataset train;
  std::optional<Dataset> eval;

  /// SHA-256 over both digests.
  std::string digest() const;
  static Result<TrainingData> load(const TrainingConfig& config, const Tokenizer& tokenizer, const ChatTemplate* chat,
                                   const Context& context);
};

/// Errors: invalid_input for an example with more positions than the model has, with its index and length.
Result<void> check_lengths(const TrainingData& data, std::int64_t positions);

BatchOptions batch_options(const TrainingConfig& config);
/// Optimiser steps of the whole run. Errors: invalid_input when there is no example.
Result<std::int64_t> total_steps(const TrainingConfig& config, const Dataset& dataset);

}  // namespace vauban
