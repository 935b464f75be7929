/// The cpu backend for training: the forward passes of inference, with dense products on oneDNN, and the gradients.
///
/// Activations and gradients are f32. `bf16` rounds both operands of every dense product to bf16 and accumulates in f32;
/// `f16` rounds them to f16 and multiplies in f32 (an emulation: it shows what the type does to a run, not its speed).
/// Master weights, norms, softmax, attention and the optimiser stay in f32. Results do not depend on the thread count.
#pragma once

#include <memory>
#include <string_view>

#include "base/context.h"
#include "ops/gradients.h"
#include "ops/ops.h"

namespace vauban {

enum class TrainingNumerics { f32, bf16, f16 };
std::string_view to_string(TrainingNumerics numerics);
/// Errors: invalid_input with the known names.
Result<TrainingNumerics> training_numerics_from(std::string_view name);

/// The pool of `context` must outlive the result. Errors: unsupported where no kernels run.
Result<std::unique_ptr<Ops>> make_cpu_training_ops(const Context& context, TrainingNumerics numerics);
/// The same operations with the same tensors, of which none is computed or touched: take_counters() then tells how much
/// memory a step would take.
Result<std::unique_ptr<Ops>> make_cpu_training_rehearsal(const Context& context, TrainingNumerics numerics);

}  // namespace vauban
