#include "backends/torch/torch_ops.h"

#include <ATen/Parallel.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "backends/torch/torch_gradients.h"
#include "backends/torch/torch_kv_store.h"
#include "ops/checks.h"

namespace vauban::torch_backend {
namespace {

/// About what a product of `rows` rows with a matrix of so many f32 takes one core, in seconds: it is bound by reading
/// the matrix, or by the multiplications. Round numbers of a present core; only the order of magnitude matters.
double product_seconds(double rows, double elements) {
  constexpr double kBytesPerSecond = 1e10, kFlopPerSecond = 6e10;
  return std::max(4 * elements / kBytesPerSecond, 2 * rows * elements / kFlopPerSecond);
}
/// Below this, sharing a product among threads is not worth the waiting.
constexpr double kSharedProductSeconds = 100e-6;

bool aligned(std::span<const std::byte> bytes, std::size_t size) {
  return reinterpret_cast<std::uintptr_t>(bytes.data()) % size == 0;
}

}  // namespace

TorchOps::TorchOps(const TorchSetting& setting)
    : setting_(setting),
      bridge_(setting.device, setting.host_is_remote),
      kind_(kind_of(setting.device)),
      threads_(setting.threads),
      gradients_(setting.training ? std::make_unique<TorchGradients>(*this) : nullptr) {}

TorchOps::~TorchOps() = default;

Gradients* TorchOps::gradients() { return gradients_.get(); }

bool TorchOps::supports(Op op, Direction direction) const {
  return direction == Direction::forward || (setting_.training && has_gradient(op));
}

bool TorchOps::widens(const TensorView& view) const {
  const bool narrow = view.dtype == DType::bf16 || view.dtype == DType::f16;
  return narrow && view.shape.rank() != 1 && !setting_.native && !setting_.training &&
         widened_bytes_ + 4 * view.shape.elements() <= kWidenedBytes;
}

Result<at::Tensor> TorchOps::stored_tensor(const std::string& name, const TensorView& view,
                                           const std::shared_ptr<const void>& keep_alive) const {
  const std::optional<at::ScalarType> type = scalar_type_of(view.dtype);
  const bool dense = type == at::kFloat || type == at::kBFloat16 || type == at::kHalf;
  const bool vector = view.shape.rank() == 1;
  if (widens(view)) return bridge_.borrow(view.bytes.data(), sizes_of(view.shape), *type).to(at::kFloat);
  if (dense && !vector && !bridge_.is_remote() && aligned(view.bytes, c10::elementSize(*type)))
    return at::from_blob(const_cast<std::byte*>(view.bytes.data()), sizes_of(view.shape), [keep_alive](void*) {},
                         at::TensorOptions(*type));
  if (dense && !vector) return bridge_.copy_in(view.bytes.data(), sizes_of(view.shape), *type);
  VB_TRY(const std::vector<float> values, decode_f32(view), "in weight '{}'", name);
  const auto bad = std::find_if(values.begin(), values.end(), [](float value) { return !std::isfinite(value); });
  if (bad != values.end()) return corrupt("weight '{}': element {} is {}", name, bad - values.begin(), *bad);
  return bridge_.copy_in(values.data(), sizes_of(view.shape), at::kFloat);
}

Result<Weight> TorchOps::load_weight(std::string name, const TensorView& view, std::shared_ptr<const void> keep_alive) {
  VB_CHECK(check_weight(name, view));
  try {
    VB_TRY(at::Tensor tensor, stored_tensor(name, view, keep_alive));
    if (widens(view)) widened_bytes_ += 4 * view.shape.elements();
    if (setting_.native && !type_settled_ && view.shape.rank() == 2) {
      activation_type_ = tensor.scalar_type();
      type_settled_ = true;
    }
    if (view.shape.rank() == 2) {
      ++matrices_;
      matrix_elements_ += view.shape.elements();
    }
    return Weight{.name = std::move(name),
                  .dtype = view.dtype,
                  .shape = view.shape,
                  .tensor = bridge_.wrap(std::move(tensor), view.shape),
                  .keep_alive = std::move(keep_alive)};
  } catch (const std::exception& thrown) {
    return with_context(error_from(thrown), format("while loading weight '{}'", name));
  }
}

void TorchOps::begin_step() {
  status_ = ok();
  bridge_.transfers().fault = ok();
  noted_.clear();
  at::set_num_threads(threads_);
  pin_f32_products();
  watch_.emplace(bridge_.device());
  if (!profiled_ || !bridge_.is_remote()) return;
  wait();
  step_start_ = std::chrono::steady_clock::now();
}

void TorchOps::wait() {
  guarded([&] { synchronise(bridge_.device()); });
  ++counters_.sync_points;
}

void TorchOps::settle_threads(std::int64_t rows) {
  const double mean = static_cast<double>(matrix_elements_) / static_cast<double>(std::max<std::int64_t>(1, matrices_));
  const bool shared = matrices_ == 0 || product_seconds(static_cast<double>(rows), mean) >= kSharedProductSeconds;
  const int wanted = shared ? setting_.threads : 1;
  if (wanted == threads_) return;
  threads_ = wanted;
  at::set_num_threads(threads_);
}

Result<void> TorchOps::end_step() {
  if (profiled_ && bridge_.is_remote()) {
    wait();
    counters_.device_s += std::chrono::duration<double>(std::chrono::steady_clock::now() - step_start_).count();
  }
  note_memory();
  watch_.reset();
  accept(std::exchange(bridge_.transfers().fault, ok()));
  return status_;
}

void TorchOps::note_memory() {
  if (!watch_) return;
  std::int64_t& highest = counters_.memory_high_water_bytes;
  highest = std::max(highest, watch_->high_water_bytes());
  if (bridge_.device().is_mps()) highest = std::max(highest, bridge_.transfers().highest_held_bytes);
}

OpCounters TorchOps::take_counters() {
  note_memory();
  counters_.host_device_copies += std::exchange(bridge_.transfers().host_device_copies, 0);
  counters_.sync_points += std::exchange(bridge_.transfers().sync_points, 0);
  bridge_.transfers().highest_held_bytes = bridge_.transfers().held_bytes;
  counters_.kernel_path = format("torch/{} {}{}", kind_, to_string(activation_dtype()),
                                 bridge_.device().is_cuda() && products_in_tf32() ? " tf32" : "");
  return std::exchange(counters_, {});
}

CounterGaps TorchOps::counter_gaps(std::string_view device_kind) const {
  if (device_kind == "cpu") return host_counter_gaps();
  if (device_kind == "mps") return {.memory = metal_memory_gap(), .waits = ""};
  return {};
}

bool TorchOps::guarded(const std::function<void()>& work) {
  const c10::AutoGradMode graph(setting_.training);
  try {
    work();
    if (watch_) watch_->sample();
    return true;
  } catch (const std::exception& thrown) {
    accept(error_from(thrown));
    return false;
  }
}

bool TorchOps::accept(Result<void> check) {
  if (check) return true;
  if (status_) status_ = std::move(check);
  return false;
}

Tensor TorchOps::run(const Shape& shape, Result<void> check, std::initializer_list<const Tensor*> inputs,
                     const Work& work) {
  for (const Tensor* input : inputs) {
    if (input->empty()) check = internal("backend 'torch': an operand has no value");
    counters_.bytes_read += bytes_of(*input);
  }
  Tensor out;
  // Later operations of the step see a shape, and throw in their turn: the first error stays.
  if (!accept(std::move(check)) || !guarded([&] { out = bridge_.wrap(work().to(activation_type_), shape); }))
    return bridge_.absent(shape, activation_type_);
  counters_.bytes_written += bytes_of(out);
  return out;
}

at::Tensor TorchOps::indices(std::span<const std::int32_t> values) const {
  const std::vector<std::int64_t> wide(values.begin(), values.end());
  return bridge_.copy_in(wide.data(), {static_cast<std::int64_t>(wide.size())}, at::kLong);
}

at::Tensor TorchOps::floats(std::span<const double> values, at::IntArrayRef sizes) const {
  const std::vector<float> narrow(values.begin(), values.end());
  return bridge_.copy_in(narrow.data(), sizes, at::kFloat);
}

}  // namespace vauban::torch_backend
