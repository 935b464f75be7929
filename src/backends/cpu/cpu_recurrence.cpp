/// The recurrences: ops/recurrence.h on f32 activations, channels or heads shared out over the threads.
#include "backends/cpu/cpu_backend.h"
#include "ops/checks.h"
#include "ops/recurrence.h"

namespace vauban::cpu {

/// `cost`: multiply-adds of a row of one channel or head; an exponential counts for some of them.
template <class Job>
void CpuOps::run_recurrence(const Job& job, StatePages& states, StatePart part, int layer, const Batch& batch,
                            std::int64_t count, std::int64_t cost) {
  for (const SequenceRows& sequence : batch.sequences) {
    if (sequence.rows == 0) continue;
    double* state = states.of(part, layer, sequence);
    parallel(count, cost * sequence.rows, [&](std::size_t begin, std::size_t end) {
      run_rows(job, sequence, state, static_cast<std::int64_t>(begin), static_cast<std::int64_t>(end));
    });
  }
}

Tensor CpuOps::short_conv(const Tensor& x, const Weight& weight, KvStore& store, int layer, const Batch& batch,
                          const ShortConvArgs& args) {
  Tensor out = make(x.shape());
  if (!accept(check_short_conv(x, weight, batch, args, store.geometry(), layer), {&x}, out)) return out;
  for (const Tensor* gate : {args.in, args.out})
    if (gate && !accept(ok(), {gate}, out)) return out;
  if (!accept(store.states().begin(StatePart::conv, layer, batch), {}, out)) return out;
  run_recurrence(short_conv_job<float>(x, weight, args, out), store.states(), StatePart::conv, layer, batch,
                 x.shape().width(), 2 * args.kernel + (args.silu ? 20 : 0));
  return out;
}

Tensor CpuOps::selective_scan(const Tensor& x, KvStore& store, int layer, const Batch& batch, const SelectiveScanArgs& args) {
  Tensor out = make(x.shape());
  Result<void> check = check_selective_scan(x, batch, args, store.geometry(), layer);
  if (!accept(std::move(check), {&x, &args.dt, &args.b, &args.c}, out)) return out;
  if (!accept(store.states().begin(StatePart::scan, layer, batch), {}, out)) return out;
  run_recurrence(selective_scan_job<float>(x, args, out), store.states(), StatePart::scan, layer, batch, x.shape().width(),
                 20 * args.b.shape().width());
  return out;
}

Tensor CpuOps::gated_delta(const Tensor& qkv, KvStore& store, int layer, const Batch& batch, const GatedDeltaArgs& args) {
  Tensor out = make({qkv.shape().rows(), std::int64_t{args.value_heads} * args.value_dim});
  Result<void> check = check_gated_delta(qkv, batch, args, store.geometry(), layer);
  if (!accept(std::move(check), {&qkv, &args.a, &args.b}, out)) return out;
  if (!accept(store.states().begin(StatePart::scan, layer, batch), {}, out)) return out;
  run_recurrence(gated_delta_job<float>(qkv, args, out), store.states(), StatePart::scan, layer, batch, args.value_heads,
                 std::int64_t{4} * args.key_dim * args.value_dim);
  return out;
}

}  // namespace vauban::cpu
