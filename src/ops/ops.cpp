#include "ops/ops.h"

#include <array>
#include <cstddef>

namespace vauban {
namespace {

struct OpName {
  Op op;
  std::string_view name;
};

constexpr std::array kNames{
    OpName{Op::embed, "embed"},
    OpName{Op::rms_norm, "rms_norm"},
    OpName{Op::layer_norm, "layer_norm"},
    OpName{Op::linear, "linear"},
    OpName{Op::rope, "rope"},
    OpName{Op::attention, "attention"},
    OpName{Op::attention_scores, "attention_scores"},
    OpName{Op::attention_pattern, "attention_pattern"},
    OpName{Op::activation, "activation"},
    OpName{Op::gated_activation, "gated_activation"},
    OpName{Op::add, "add"},
    OpName{Op::columns, "columns"},
    OpName{Op::select_rows, "select_rows"},
    OpName{Op::lm_head, "lm_head"},
    OpName{Op::primitive, "primitive"},
    OpName{Op::scale, "scale"},
    OpName{Op::clamp, "clamp"},
    OpName{Op::multiply, "multiply"},
    OpName{Op::join_columns, "join_columns"},
    OpName{Op::join_rows, "join_rows"},
    OpName{Op::blend_rows, "blend_rows"},
    OpName{Op::short_conv, "short_conv"},
    OpName{Op::selective_scan, "selective_scan"},
    OpName{Op::gated_delta, "gated_delta"},
};

constexpr std::array<Op, kNames.size()> list_ops() {
  std::array<Op, kNames.size()> ops{};
  for (std::size_t i = 0; i < kNames.size(); ++i) ops[i] = kNames[i].op;
  return ops;
}
constexpr auto kOps = list_ops();

}  // namespace

std::span<const Op> all_ops() { return kOps; }

CounterGaps host_counter_gaps() {
  return {.memory = "host memory: what the backend allocated is counted; mapped weights and the allocator's overhead are not",
          .waits = ""};
}

std::string_view to_string(Op op) { return kNames[static_cast<std::size_t>(op)].name; }

}  // namespace vauban
