// The recurrences: on the host, by ops/recurrence.h on f32, whatever the device. A device pays for the way there and back
// in every such layer.
#include "backends/torch/torch_ops.h"
#include "ops/checks.h"
#include "ops/recurrence.h"

namespace vauban::torch_backend {
namespace {

template <class Job>
void run_all(const Job& job, StatePages& states, StatePart part, int layer, const Batch& batch, std::int64_t count) {
  for (const SequenceRows& sequence : batch.sequences)
    if (sequence.rows > 0) run_rows(job, sequence, states.of(part, layer, sequence), 0, count);
}

at::Tensor host_zeros(const Shape& shape) { return at::zeros(sizes_of(shape), at::TensorOptions(at::kCPU).dtype(at::kFloat)); }
const float* floats_of(const at::Tensor& x) { return x.defined() ? x.data_ptr<float>() : nullptr; }

}  // namespace

Tensor TorchOps::short_conv(const Tensor& x, const Weight& weight, KvStore& store, int layer, const Batch& batch,
                            const ShortConvArgs& args) {
  Result<void> check = check_short_conv(x, weight, batch, args, store.geometry(), layer);
  if (check) check = store.states().begin(StatePart::conv, layer, batch);
  const auto on_host = [this](const at::Tensor& value) { return bridge_.copy_out(value, at::kFloat); };
  return run(x.shape(), std::move(check), {&x}, [&] {
    const at::Tensor input = on_host(in(x)), w = on_host(weight_of(weight));
    const at::Tensor bias = args.bias ? on_host(weight_of(*args.bias)) : at::Tensor();
    const at::Tensor gate = args.in ? on_host(in(*args.in)) : at::Tensor(), last = args.out ? on_host(in(*args.out)) : at::Tensor();
    at::Tensor y = host_zeros(x.shape());
    const ShortConvJob<float> job{.x = floats_of(input), .weight = floats_of(w), .bias = floats_of(bias), .in = floats_of(gate),
                                  .out = floats_of(last), .y = y.data_ptr<float>(), .channels = x.shape().width(),
                                  .kernel = args.kernel, .silu = args.silu};
    run_all(job, store.states(), StatePart::conv, layer, batch, job.channels);
    return bridge_.send(y);
  });
}

Tensor TorchOps::selective_scan(const Tensor& x, KvStore& store, int layer, const Batch& batch, const SelectiveScanArgs& args) {
  Result<void> check = check_selective_scan(x, batch, args, store.geometry(), layer);
  if (check) check = store.states().begin(StatePart::scan, layer, batch);
  const auto on_host = [this](const at::Tensor& value) { return bridge_.copy_out(value, at::kFloat); };
  return run(x.shape(), std::move(check), {&x, &args.dt, &args.b, &args.c}, [&] {
    const at::Tensor input = on_host(in(x)), dt = on_host(in(args.dt)), b = on_host(in(args.b)), c = on_host(in(args.c));
    const at::Tensor log_a = on_host(weight_of(*args.log_a)), skip = on_host(weight_of(*args.skip));
    at::Tensor y = host_zeros(x.shape());
    const SelectiveScanJob<float> job{.x = floats_of(input), .dt = floats_of(dt), .b = floats_of(b), .c = floats_of(c),
                                      .log_a = floats_of(log_a), .skip = floats_of(skip), .y = y.data_ptr<float>(),
                                      .channels = x.shape().width(), .states = args.b.shape().width()};
    run_all(job, store.states(), StatePart::scan, layer, batch, job.channels);
    return bridge_.send(y);
  });
}

Tensor TorchOps::gated_delta(const Tensor& qkv, KvStore& store, int layer, const Batch& batch, const GatedDeltaArgs& args) {
  Result<void> check = check_gated_delta(qkv, batch, args, store.geometry(), layer);
  if (check) check = store.states().begin(StatePart::scan, layer, batch);
  const Shape shape{qkv.shape().rows(), std::int64_t{args.value_heads} * args.value_dim};
  const auto on_host = [this](const at::Tensor& value) { return bridge_.copy_out(value, at::kFloat); };
  return run(shape, std::move(check), {&qkv, &args.a, &args.b}, [&] {
    const at::Tensor input = on_host(in(qkv)), a = on_host(in(args.a)), b = on_host(in(args.b));
    const at::Tensor log_a = on_host(weight_of(*args.log_a)), dt_bias = on_host(weight_of(*args.dt_bias));
    at::Tensor y = host_zeros(shape);
    const GatedDeltaJob<float> job{.qkv = floats_of(input), .a = floats_of(a), .b = floats_of(b), .log_a = floats_of(log_a),
                                   .dt_bias = floats_of(dt_bias), .y = y.data_ptr<float>(), .key_heads = args.key_heads,
                                   .value_heads = args.value_heads, .key_dim = args.key_dim, .value_dim = args.value_dim};
    run_all(job, store.states(), StatePart::scan, layer, batch, args.value_heads);
    return bridge_.send(y);
  });
}

}  // namespace vauban::torch_backend
