#include "backends/cpu/training/training_backend.h"

#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "backends/cpu/cpu_target.h"
#include "ops/checks.h"
#include "tensor/quant/format.h"

namespace vauban {
namespace {

struct NumericsName {
  TrainingNumerics numerics;
  std::string_view name;
};
constexpr std::array kNumerics{NumericsName{TrainingNumerics::f32, "f32"}, NumericsName{TrainingNumerics::bf16, "bf16"},
                               NumericsName{TrainingNumerics::f16, "f16"}};

}  // namespace

std::string_view to_string(TrainingNumerics numerics) { return kNumerics[static_cast<std::size_t>(numerics)].name; }

Result<TrainingNumerics> training_numerics_from(std::string_view name) {
  for (const NumericsName& entry : kNumerics)
    if (entry.name == name) return entry.numerics;
  return invalid_input("unknown training numerics '{}'; known: f32, bf16, f16", name);
}

Result<std::unique_ptr<Ops>> make_cpu_training_ops(const Context& context, TrainingNumerics numerics) {
  VB_TRY(const cpu::Kernels* kernels, cpu::kernels_for(available_cpu_targets().back()));
  return std::make_unique<cpu::CpuTrainingOps>(context.pool, *kernels, numerics, false);
}

Result<std::unique_ptr<Ops>> make_cpu_training_rehearsal(const Context& context, TrainingNumerics numerics) {
  VB_TRY(const cpu::Kernels* kernels, cpu::kernels_for(available_cpu_targets().back()));
  return std::make_unique<cpu::CpuTrainingOps>(context.pool, *kernels, numerics, true);
}

namespace cpu {
namespace {

/// bf16 where the processor has it; otherwise f32 products of rounded operands: the same values, slower.
MatmulType matmul_type(TrainingNumerics numerics) {
  return numerics == TrainingNumerics::bf16 && Matmul::has_fast_bf16() ? MatmulType::bf16 : MatmulType::f32;
}

void round_in_place(float* values, std::int64_t n, TrainingNumerics numerics) {
  for (std::int64_t i = 0; i < n; ++i)
    values[i] = numerics == TrainingNumerics::bf16 ? bf16_to_f32(f32_to_bf16(values[i]))
                                                   : f16_to_f32(f32_to_f16(values[i]));
}

}  // namespace

const TrainingKernels& training_kernels_of(const Kernels& kernels) {
  if (&kernels == avx512_kernels()) return *avx512_training_kernels();
  if (&kernels == avx2_kernels()) return *avx2_training_kernels();
  return *portable_training_kernels();
}

CpuTrainingOps::CpuTrainingOps(ThreadPool& pool, const Kernels& kernels, TrainingNumerics numerics, bool rehearsal)
    : CpuOps(pool, kernels),
      numerics_(numerics),
      type_(matmul_type(numerics)),
      train_(training_kernels_of(kernels)),
      memory_(!rehearsal),
      matmul_(pool),
      gradients_(std::make_unique<CpuGradients>(*this)) {
  rehearsing_ = rehearsal;
}

CpuTrainingOps::~CpuTrainingOps() = default;

bool CpuTrainingOps::supports(Op op, Direction direction) const {
  return direction == Direction::forward || has_gradient(op);
}

Gradients* CpuTrainingOps::gradients() { return gradients_.get(); }

void CpuTrainingOps::begin_step() {
  CpuOps::begin_step();
  recent_[0] = recent_[1] = {};
}

Result<void> CpuTrainingOps::end_step() {
  recent_[0] = recent_[1] = {};
  gradients_->end_step();
  if (!memory_.guards_intact()) accept(internal("backend 'cpu': a training kernel wrote outside its output"));
  return CpuOps::end_step();
}

OpCounters CpuTrainingOps::take_counters() {
  OpCounters counters = CpuOps::take_counters();
  counters.memory_high_water_bytes = static_cast<std::int64_t>(memory_.held_bytes());
  counters.kernel_path += format(" training/{}", to_string(numerics_));
  return counters;
}

Tensor CpuTrainingOps::make_as(DType dtype, const Shape& shape) {
  Tensor tensor = memory_.make(dtype, shape);
  if (tensor.empty()) accept(resource("no memory for a tensor of {} in {}", shape.to_string(), to_string(dtype)));
  return tensor;
}

Tensor CpuTrainingOps::make(const Shape& shape) {
  counters_.bytes_written += shape.elements() * static_cast<std::int64_t>(sizeof(float));
  return make_as(DType::f32, shape);
}

Rounded CpuTrainingOps::round_rows(const float* x, std::int64_t rows, std::int64_t width) {
  Rounded out{.type = type_, .values = {}, .width = width};
  out.values = make_as(type_ == MatmulType::bf16 ? DType::bf16 : DType::f32, {rows, width});
  if (out.values.empty()) return out;
  parallel(rows, width, [&](std::size_t begin, std::size_t end) {
    const std::size_t at = begin * static_cast<std::size_t>(width), n = (end - begin) * static_cast<std::size_t>(width);
    if (type_ == MatmulType::bf16) return train_.to_bf16(x + at, out.values.as<std::uint16_t>() + at, n);
    std::copy_n(x + at, n, out.values.as<float>() + at);
    round_in_place(out.values.as<float>() + at, static_cast<std::int64_t>(n), numerics_);
  });
  return out;
}

Rounded CpuTrainingOps::rounded(const Tensor& x) {
  const std::int64_t width = x.shape().width();
  if (numerics_ == TrainingNumerics::f32) return {.type = type_, .values = x, .width = width};
  for (const Kept& kept : recent_)
    if (!kept.source.empty() && kept.source.storage() == x.storage() &&
        kept.source.offset_bytes() == x.offset_bytes() && kept.rounded.width == width &&
        kept.source.shape().elements() == x.shape().elements())
      return kept.rounded;
  Kept& slot = recent_[next_recent_];
  next_recent_ = 1 - next_recent_;
  slot = {};
  slot = {.source = x, .rounded = round_rows(x.as<float>(), x.shape().rows(), width)};
  return slot.rounded;
}

Rounded CpuTrainingOps::decode(const Weight& weight) {
  if (weight.tensor.dtype() == DType::f32)
    return round_rows(weight.tensor.as<float>(), weight.shape.rows(), weight.shape.width());
  const WeightMatrix rows = matrix(weight);
  const std::int64_t n = weight.shape.rows(), width = weight.shape.width();
  Rounded out{.type = type_, .values = {}, .width = width};
  out.values = make_as(type_ == MatmulType::bf16 ? DType::bf16 : DType::f32, {n, width});
  if (out.values.empty()) return out;
  constexpr std::int64_t kRows = 16;
  parallel((n + kRows - 1) / kRows, kRows * width * 2, [&](std::size_t begin, std::size_t end) {
    const std::int64_t last = std::min(n, static_cast<std::int64_t>(end) * kRows);
    const bool narrow = type_ == MatmulType::bf16;
    std::vector<float> wide(static_cast<std::size_t>(narrow ? width : 0));
    for (std::int64_t row = static_cast<std::int64_t>(begin) * kRows; row < last; ++row) {
      float* decoded = narrow ? wide.data() : out.values.as<float>() + row * width;
      kernels_.decode_row(rows, static_cast<std::size_t>(row), decoded);
      if (narrow)
        train_.to_bf16(decoded, out.values.as<std::uint16_t>() + row * width, static_cast<std::size_t>(width));
      else if (numerics_ != TrainingNumerics::f32)
        round_in_place(decoded, width, numerics_);
    }
  });
  return out;
}

Rounded CpuTrainingOps::rounded(const Weight& weight) {
  const DType dtype = weight.tensor.dtype();
  const std::int64_t width = weight.shape.width();
  const bool as_stored = (dtype == DType::f32 && numerics_ == TrainingNumerics::f32) ||
                         (dtype == DType::bf16 && type_ == MatmulType::bf16);
  if (as_stored) return {.type = type_, .values = weight.tensor, .width = width};
  if (info(dtype).block > 1) return decode(weight);  // stays packed; its dense form lives for the call
  const auto it = weights_.find(weight.tensor.storage());
  if (it != weights_.end()) return it->second.rounded;
  Rounded dense = decode(weight);
  if (!dense.values.empty()) weights_[weight.tensor.storage()] = {.source = weight.tensor, .rounded = dense};
  return dense;
}

Operand CpuTrainingOps::packed(const Operand& b, std::int64_t m, std::int64_t n, std::int64_t k, const Operand& a,
                               Tensor& memory) {
  if (!Matmul::wants_packed(type_, m, n, k, a)) return b;
  constexpr auto kColumns = static_cast<std::int64_t>(kPackColumns), kRows = static_cast<std::int64_t>(kPackRows);
  const std::int64_t blocks = (n + kColumns - 1) / kColumns, size = (k + kRows - 1) / kRows * kRows * kColumns;
  memory = make_as(DType::bf16, {blocks, size});
  if (memory.empty() || rehearsing_) return b;
  const auto* from = static_cast<const std::uint16_t*>(b.data);
  parallel(blocks, size, [&](std::size_t begin, std::size_t end) {
    for (auto block = static_cast<std::int64_t>(begin); block < static_cast<std::int64_t>(end); ++block)
      train_.pack_bf16(from + block * kColumns * b.column_stride, static_cast<std::size_t>(b.row_stride),
                       static_cast<std::size_t>(b.column_stride), static_cast<std::size_t>(k),
                       static_cast<std::size_t>(std::min(kColumns, n - block * kColumns)),
                       memory.as<std::uint16_t>() + block * size);
  });
  return {.data = memory.data(), .row_stride = 0, .column_stride = 0, .packed = true};
}

Operand CpuTrainingOps::upright(const Operand& a, std::int64_t m, std::int64_t n, std::int64_t k, Tensor& memory) {
  constexpr std::int64_t kMostElements = 8 << 20;  // beyond the caches a turned copy costs more than it saves
  const bool pays = a.column_stride != 1 && m * k <= kMostElements && Matmul::wants_packed(type_, m, n, k, {a.data, k, 1});
  if (!pays) return a;
  memory = make_as(DType::bf16, {m, k});
  if (memory.empty()) return a;
  const Operand copy{.data = memory.data(), .row_stride = k, .column_stride = 1};
  if (rehearsing_) return copy;
  constexpr std::int64_t kStrip = 32;  // rows of the copy
  const auto* from = static_cast<const std::uint16_t*>(a.data);
  parallel((m + kStrip - 1) / kStrip, kStrip * k, [&](std::size_t begin, std::size_t end) {
    const std::int64_t first = static_cast<std::int64_t>(begin) * kStrip, last = std::min(m, static_cast<std::int64_t>(end) * kStrip);
    train_.transpose_bf16(from + first, static_cast<std::size_t>(a.column_stride), static_cast<std::size_t>(k),
                          static_cast<std::size_t>(last - first), memory.as<std::uint16_t>() + first * k,
                          static_cast<std::size_t>(k));
  });
  return copy;
}

void CpuTrainingOps::dense_product(std::int64_t m, std::int64_t n, std::int64_t k, const Rounded& type_of, const Operand& given_a,
                              const Operand& given_b, float* c, std::int64_t c_stride, bool accumulate) {
  Tensor a_memory, b_memory;
  const Operand a = upright(given_a, m, n, k, a_memory), b = packed(given_b, m, n, k, a, b_memory);
  if (m == 0 || n == 0 || rehearsing_) return;
  if (k == 0) {
    for (std::int64_t i = 0; i < m && !accumulate; ++i) std::fill_n(c + i * c_stride, n, 0.0f);
    return;
  }
  accept(matmul_.multiply(type_of.type, m, n, k, a, b, c, c_stride, accumulate));
}

Tensor CpuTrainingOps::linear(const Tensor& x, const Weight& weight, const Weight* bias) {
  const std::int64_t rows = x.shape().rows(), n_out = weight.shape.rank() > 0 ? weight.shape[0] : 0;
  Tensor out = make({rows, n_out});
  if (!accept(check_linear(x, weight, bias), {&x}, out)) return out;
  const Rounded left = rounded(x), right = rounded(weight);
  if (left.values.empty() || right.values.empty()) return out;
  float* to = out.as<float>();
  dense_product(rows, n_out, weight.shape[1], left, left.plain(), right.transposed(), to, n_out, false);
  if (!bias) return out;
  const float* b = bias->tensor.as<float>();
  parallel(rows, n_out, [&](std::size_t begin, std::size_t end) {
    for (std::size_t t = begin; t < end; ++t)
      kernels_.add(to + t * static_cast<std::size_t>(n_out), b, to + t * static_cast<std::size_t>(n_out),
                   static_cast<std::size_t>(n_out));
  });
  return out;
}

}  // namespace cpu
}  // namespace vauban
