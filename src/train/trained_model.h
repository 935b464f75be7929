/// TrainedModel: a model on a tape, with what is trained of it as slots for an optimiser, and its release as files.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "base/context.h"
#include "format/model_source.h"
#include "format/safetensors_writer.h"
#include "model/model.h"
#include "ops/ops.h"
#include "train/optim/optimizer.h"
#include "train/tape/tape.h"
#include "train/training_config.h"

namespace vauban {

class TrainedModel {
 public:
  /// With method "lora" a fresh adapter is attached (B = 0), and only it is trained.
  /// `ops` and `context` must outlive the result. Errors: those of loading; unsupported for an operation without
  /// gradients, named; invalid_input when no module matches.
  static Result<std::unique_ptr<TrainedModel>> open(const TrainingConfig& config, ModelSource source, Ops& ops,
                                                    const Context& context);

  Tape& tape() { return *tape_; }
  const Model& model() const { return *model_; }
  const ModelSource& source() const { return source_; }
  /// One per parameter, sorted by name. Memory of the tape's parameters.
  const std::vector<ParameterSlot>& slots() const { return slots_; }
  std::int64_t trainable() const;  ///< elements

  /// Runs the forward pass of a batch on the tape, which is in a step.
  void forward(const Batch& batch) { model_->network->forward(*tape_, tape_->no_store(), batch, tape_->boundaries(model_->config.layers)); }

  /// A Hugging Face folder with weights in `dtype`, or a PEFT folder in f32. The folder must not exist.
  Result<void> write(const std::filesystem::path& folder, DType dtype, const SafetensorsMetadata& lineage) const;

 private:
  TrainedModel() = default;
  Result<void> write_model(const std::filesystem::path& folder, DType dtype, const SafetensorsMetadata& lineage) const;
  Result<void> write_adapter(const std::filesystem::path& folder, const SafetensorsMetadata& lineage) const;
  void make_slots(bool decay_embeddings);
  const Parameter* find(std::string_view name) const;

  ModelSource source_;
  std::shared_ptr<const Adapter> adapter_;  ///< as it began; null with method "full"
  std::unique_ptr<Tape> tape_;
  std::unique_ptr<Model> model_;
  std::vector<ParameterSlot> slots_;
};

}  // namespace vauban
