/// TrainingBench: a model on a tape, for tests of gradients and of training steps.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "backends/cpu/training/training_ops.h"
#include "base/context.h"
#include "model/model.h"
#include "model/unstored.h"
#include "support/test_context.h"
#include "train/tape/tape.h"

namespace vauban::test {

/// The backends that train in this build.
std::vector<std::string_view> trainers_here();

/// "cpu" in one of the training numerics, or another backend in f32 (the reference: f64).
struct TrainingBackend {
  std::string_view id = "reference";
  TrainingNumerics numerics = TrainingNumerics::f32;
};

class TrainingBench : TestContext {
 public:
  struct Options {
    TrainingBackend backend;
    std::function<bool(std::string_view)> trainable = [](std::string_view name) { return name != kOnes; };
    bool checkpointing = false;
    int threads = 1;
  };
  static Result<std::unique_ptr<TrainingBench>> open(const std::filesystem::path& path, const Options& options);

  const Context& context() const { return context_; }
  const Model& model() const { return *model_; }
  Tape& tape() { return *tape_; }
  Parameter* find(std::string_view name);

  struct Document {
    std::vector<std::int32_t> inputs, targets;  ///< equally long
  };
  /// Mean cross entropy over all targets; gradients are added to the parameters. `scale` multiplies the loss.
  Result<double> backward(std::span<const Document> documents, double scale = 1.0);
  /// The same without gradients.
  Result<double> loss(std::span<const Document> documents);

 private:
  explicit TrainingBench(int threads) : TestContext(threads) {}
  std::unique_ptr<Ops> ops_;
  std::unique_ptr<Tape> tape_;
  std::unique_ptr<Model> model_;
};

}  // namespace vauban::test
