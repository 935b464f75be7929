// The recurrences: a sequence in two steps, whose state lies in the device's pages between them.
#include <memory>
#include <stdexcept>

#include "torch/alone/proof.h"

namespace vauban::proof {
namespace {

constexpr std::int32_t kRows = 11, kFirst = 7;  // of a sequence, and of them in the first step
constexpr std::int64_t kChannels = 13, kStates = 5;
constexpr int kKernel = 4, kKeyHeads = 2, kValueHeads = 4, kKeyDim = 6, kValueDim = 5;

/// Rows [begin, end) of a seeded (kRows, width) matrix.
Tensor rows_of(const Ops& ops, std::int64_t width, std::uint64_t stream, std::int32_t begin, std::int32_t end) {
  const Numbers all = normals(kRows * width, stream);
  return activation(ops, {end - begin, width}, {all.begin() + begin * width, all.begin() + end * width});
}
Weight vector_of(Ops& ops, std::int64_t count, std::uint64_t stream) {
  return load(ops, stored(DType::f32, {count}, normals(count, stream, 0.5)));
}

using Run = std::function<Tensor(Ops&, KvStore&, const Batch&, std::int32_t begin, std::int32_t end)>;

void prove(Proof& proof, std::string id, const Run& run) {
  proof.near("forward", std::move(id), kElement, [&](Ops& ops) {
    auto store = ops.make_kv_store({.layers = 1, .kv_heads = 0, .head_dim = 1, .page_tokens = 4, .pages = 4,
                                    .state = {.conv = kChannels * (kKernel - 1), .scan = kValueHeads * kKeyDim * kValueDim}});
    if (!store) throw std::runtime_error(describe(store.error()));
    Numbers y;
    for (const auto& [begin, end] : {std::pair(0, kFirst), std::pair(kFirst, kRows)}) {
      Batch batch;
      batch.sequences = {{.first_row = 0, .rows = end - begin, .past = begin, .pages = {2, 0, 3}}};
      const Numbers part = to_f64(run(ops, **store, batch, begin, end));
      y.insert(y.end(), part.begin(), part.end());
    }
    return y;
  });
}

}  // namespace

void prove_recurrences(Proof& proof) {
  for (const bool gated : {false, true})
    prove(proof, gated ? "short_conv.between_gates" : "short_conv.silu", [gated](Ops& ops, KvStore& store, const Batch& batch,
                                                                              std::int32_t begin, std::int32_t end) {
      const Weight weight = vector_of(ops, kChannels * kKernel, 1), bias = vector_of(ops, kChannels, 2);
      const Tensor in = rows_of(ops, kChannels, 3, begin, end), out = rows_of(ops, kChannels, 4, begin, end);
      ShortConvArgs args{.kernel = kKernel, .silu = !gated, .bias = gated ? nullptr : &bias};
      if (gated) args.in = &in, args.out = &out;
      return ops.short_conv(rows_of(ops, kChannels, 5, begin, end), weight, store, 0, batch, args);
    });
  prove(proof, "selective_scan", [](Ops& ops, KvStore& store, const Batch& batch, std::int32_t begin, std::int32_t end) {
    const Weight rates = vector_of(ops, kChannels * kStates, 6), skip = vector_of(ops, kChannels, 7);
    return ops.selective_scan(rows_of(ops, kChannels, 8, begin, end), store, 0, batch,
                              {.dt = rows_of(ops, kChannels, 9, begin, end),
                               .b = rows_of(ops, kStates, 10, begin, end),
                               .c = rows_of(ops, kStates, 11, begin, end),
                               .log_a = &rates,
                               .skip = &skip});
  });
  prove(proof, "gated_delta", [](Ops& ops, KvStore& store, const Batch& batch, std::int32_t begin, std::int32_t end) {
    const Weight rates = vector_of(ops, kValueHeads, 12), shifts = vector_of(ops, kValueHeads, 13);
    const std::int64_t width = 2 * kKeyHeads * kKeyDim + kValueHeads * kValueDim;
    return ops.gated_delta(rows_of(ops, width, 14, begin, end), store, 0, batch,
                           {.key_heads = kKeyHeads,
                            .value_heads = kValueHeads,
                            .key_dim = kKeyDim,
                            .value_dim = kValueDim,
                            .a = rows_of(ops, kValueHeads, 15, begin, end),
                            .b = rows_of(ops, kValueHeads, 16, begin, end),
                            .log_a = &rates,
                            .dt_bias = &shifts});
  });
}

}  // namespace vauban::proof
