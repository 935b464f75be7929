/// The checks that a checkpoint passes before it is written and after it was read.
#pragma once

#include <cstddef>
#include <map>
#include <span>
#include <string>

#include "base/result.h"
#include "tensor/tensor.h"
#include "train/checkpoint/training_state.h"

namespace vauban {

std::span<const std::byte> host_bytes(const Tensor& tensor);

/// Exactly the expected names, each with its type and shape (F-CKPT-001, 008, 010, 014).
/// Errors: invalid_input, with what was expected and what was found.
Result<void> check_specs(const NamedTensors& tensors, const std::map<std::string, StoredSpec>& expected);

/// No NaN and no infinity (F-CKPT-007, 013). f16, bf16, f32 and f64 are scanned; other types hold none.
/// Errors: invalid_input, with the index of the first one.
Result<void> check_finite(const TensorView& tensor);
Result<void> check_finite(const NamedTensors& tensors);

/// Each lora_A has its lora_B of the same rank and the reverse (F-CKPT-001).
Result<void> check_lora_pairs(const NamedTensors& tensors);

/// Names are not empty, do not begin with __training__ and hold no control characters.
Result<void> check_names(const NamedTensors& tensors);

}  // namespace vauban
