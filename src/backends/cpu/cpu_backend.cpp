#include "backends/cpu/cpu_backend.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <utility>
#include <vector>

#include "backends/cpu/cpu_target.h"
#include "backends/cpu/primitive_gate.h"
#include "ops/checks.h"
#include "tensor/quant/format.h"

namespace vauban {
namespace cpu {
namespace {

struct TypeEntry {
  DType dtype;
  WeightType type;
};
constexpr std::array kTypes{
    TypeEntry{DType::f32, WeightType::f32},   TypeEntry{DType::f16, WeightType::f16},
    TypeEntry{DType::bf16, WeightType::bf16}, TypeEntry{DType::q8_0, WeightType::q8_0},
    TypeEntry{DType::q5_1, WeightType::q5_1}, TypeEntry{DType::q5_0, WeightType::q5_0},
    TypeEntry{DType::q4_1, WeightType::q4_1}, TypeEntry{DType::q4_0, WeightType::q4_0},
};

const TypeEntry* find_type(DType dtype) {
  const auto* entry = std::find_if(kTypes.begin(), kTypes.end(), [&](const TypeEntry& e) { return e.dtype == dtype; });
  return entry == kTypes.end() ? nullptr : entry;
}

Error unsupported_type(std::string_view name, DType dtype) {
  std::string known;
  for (const TypeEntry& entry : kTypes) {
    known += known.empty() ? "" : ", ";
    known += to_string(entry.dtype);
  }
  return with_hint(unsupported("weight '{}' is {}; backend 'cpu' computes with {}", name, to_string(dtype), known),
                   "convert the model, or use '--backend reference'");
}

/// Bytes of a mapped file. Nobody writes through data(): weights are immutable.
class MappedStorage final : public Storage {
 public:
  MappedStorage(std::span<const std::byte> bytes, std::shared_ptr<const void> keep_alive)
      : bytes_(bytes), keep_alive_(std::move(keep_alive)) {}
  std::byte* data() override { return const_cast<std::byte*>(bytes_.data()); }

 private:
  std::span<const std::byte> bytes_;
  std::shared_ptr<const void> keep_alive_;
};

/// As plain f32: norms and biases, which are small, and matrices of types without a kernel.
Result<Tensor> widen(std::string_view name, const TensorView& view) {
  VB_TRY(const std::vector<float> values, decode_f32(view), "in weight '{}'", name);
  const auto bad = std::find_if(values.begin(), values.end(), [](float value) { return !std::isfinite(value); });
  if (bad != values.end()) return corrupt("weight '{}': element {} is {}", name, bad - values.begin(), *bad);
  return host_tensor(view.shape, values);
}

}  // namespace

CpuOps::CpuOps(ThreadPool& pool, const Kernels& kernels, std::optional<PrimitivePath> primitive)
    : pool_(pool),
      kernels_(kernels),
      target_(target_of(kernels)),
      primitive_path_(primitive ? *primitive : default_primitive_path(target_)),
      scratch_taken_(new std::atomic_flag[static_cast<std::size_t>(pool.size())]) {}

bool CpuOps::supports(Op, Direction direction) const { return direction == Direction::forward; }

Result<Weight> CpuOps::load_weight(std::string name, const TensorView& view, std::shared_ptr<const void> keep_alive) {
  VB_CHECK(check_weight(name, view));
  Weight weight{
      .name = std::move(name), .dtype = view.dtype, .shape = view.shape, .tensor = {}, .keep_alive = keep_alive};
  if (view.shape.rank() == 1) {
    VB_TRY(weight.tensor, widen(weight.name, view));
    return weight;
  }
  if (!find_type(view.dtype)) {
    // A block type without a kernel of its own is computed with as f32: four bytes per weight while it is loaded.
    if (!find_block_format(view.dtype)) return unsupported_type(weight.name, view.dtype);
    VB_TRY(weight.tensor, widen(weight.name, view));
    return weight;
  }
  weight.tensor = Tensor(view.dtype, view.shape, StorageRef(new MappedStorage(view.bytes, std::move(keep_alive))));
  return weight;
}

Result<std::unique_ptr<KvStore>> CpuOps::make_kv_store(const KvGeometry& geometry) {
  return CpuKvStore::create(geometry);
}

void CpuOps::begin_step() {
  arena_.begin_step();
  status_ = ok();
}

Result<void> CpuOps::end_step() {
  if (!arena_.guards_intact()) accept(internal("backend 'cpu': a kernel wrote outside its output"));
  return status_;
}

OpCounters CpuOps::take_counters() {
  counters_.memory_high_water_bytes = static_cast<std::int64_t>(arena_.take_high_water());
  counters_.kernel_path = format("cpu/{}", kernels_.name);
  for (const TypeEntry& entry : kTypes)
    if (weight_types_used_ >> static_cast<unsigned>(entry.type) & 1u) {
      counters_.kernel_path += ' ';
      counters_.kernel_path += to_string(entry.dtype);
    }
  if (primitive_ran_) counters_.kernel_path += format(" primitive/{}", primitive_label(primitive_path_, target_));
  weight_types_used_ = 0;
  primitive_ran_ = false;
  return std::exchange(counters_, {});
}

Tensor CpuOps::make(const Shape& shape) {
  Tensor tensor = arena_.make(DType::f32, shape);
  const std::int64_t bytes = shape.elements() * static_cast<std::int64_t>(sizeof(float));
  if (tensor.empty()) accept(resource("no memory for an activation of {} ({} bytes)", shape.to_string(), bytes));
  counters_.bytes_written += bytes;
  return tensor;
}

bool CpuOps::accept(Result<void> check) {
  if (check) return true;
  if (status_) status_ = std::move(check);
  return false;
}

bool CpuOps::accept(Result<void> check, std::initializer_list<const Tensor*> inputs, const Tensor& out) {
  bool good = accept(std::move(check)) && !out.empty();
  for (const Tensor* input : inputs) {
    if (good && input->dtype() != DType::f32)
      good = accept(internal("backend 'cpu' computes in f32, found an activation in {}", to_string(input->dtype())));
    counters_.bytes_read += input->shape().elements() * static_cast<std::int64_t>(sizeof(float));
  }
  if (!good && !out.empty()) std::fill_n(out.as<float>(), out.shape().elements(), 0.0f);
  return good;
}

WeightMatrix CpuOps::matrix(const Weight& weight) {
  const DType dtype = weight.tensor.dtype();
  const WeightType type = find_type(dtype)->type;
  const std::int64_t row_bytes = weight.shape.width() / info(dtype).block * info(dtype).bits / 8;
  weight_types_used_ |= 1u << static_cast<unsigned>(type);
  return {.type = type,
          .data = weight.tensor.data(),
          .row_bytes = static_cast<std::size_t>(row_bytes),
          .width = static_cast<std::size_t>(weight.shape.width())};
}

}  // namespace cpu

Result<std::unique_ptr<Ops>> make_cpu_ops(const Context& context, std::optional<CpuTarget> target,
                                          std::optional<PrimitivePath> primitive) {
  VB_TRY(const cpu::Kernels* kernels, cpu::kernels_for(target.value_or(available_cpu_targets().back())));
  return std::make_unique<cpu::CpuOps>(context.pool, *kernels, primitive);
}

Result<void> check_cpu_device(std::string_view device) {
  if (device.empty() || device == "cpu" || device == "cpu:0") return ok();
  return unsupported("backend 'cpu' runs on 'cpu:0' only, found device '{}'", device);
}

Result<std::unique_ptr<Ops>> make_cpu_backend(const Context& context, std::string_view device,
                                              std::optional<PrimitivePath> primitive) {
  VB_CHECK(check_cpu_device(device));
  return make_cpu_ops(context, {}, primitive);
}

}  // namespace vauban
