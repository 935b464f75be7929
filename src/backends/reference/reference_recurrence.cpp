/// The recurrences: ops/recurrence.h in f64, over all channels at once.
#include "backends/reference/reference_ops.h"
#include "ops/checks.h"
#include "ops/recurrence.h"

namespace vauban {
namespace {

template <class Job>
void run(const Job& job, StatePages& states, StatePart part, int layer, const Batch& batch, std::int64_t count) {
  for (const SequenceRows& sequence : batch.sequences)
    if (sequence.rows > 0) run_rows(job, sequence, states.of(part, layer, sequence), 0, count);
}

}  // namespace

Tensor ReferenceOps::short_conv(const Tensor& x, const Weight& weight, KvStore& store, int layer, const Batch& batch,
                                const ShortConvArgs& args) {
  Tensor out = make(x.shape());
  if (!accept(check_short_conv(x, weight, batch, args, store.geometry(), layer), {&x})) return out;
  for (const Tensor* gate : {args.in, args.out})
    if (gate && !accept(ok(), {gate})) return out;
  if (!accept(store.states().begin(StatePart::conv, layer, batch))) return out;
  run(short_conv_job<double>(x, weight, args, out), store.states(), StatePart::conv, layer, batch, x.shape().width());
  return out;
}

Tensor ReferenceOps::selective_scan(const Tensor& x, KvStore& store, int layer, const Batch& batch,
                                    const SelectiveScanArgs& args) {
  Tensor out = make(x.shape());
  if (!accept(check_selective_scan(x, batch, args, store.geometry(), layer), {&x, &args.dt, &args.b, &args.c})) return out;
  if (!accept(store.states().begin(StatePart::scan, layer, batch))) return out;
  run(selective_scan_job<double>(x, args, out), store.states(), StatePart::scan, layer, batch, x.shape().width());
  return out;
}

Tensor ReferenceOps::gated_delta(const Tensor& qkv, KvStore& store, int layer, const Batch& batch, const GatedDeltaArgs& args) {
  Tensor out = make({qkv.shape().rows(), std::int64_t{args.value_heads} * args.value_dim});
  if (!accept(check_gated_delta(qkv, batch, args, store.geometry(), layer), {&qkv, &args.a, &args.b})) return out;
  if (!accept(store.states().begin(StatePart::scan, layer, batch))) return out;
  run(gated_delta_job<double>(qkv, args, out), store.states(), StatePart::scan, layer, batch, args.value_heads);
  return out;
}

}  // namespace vauban
