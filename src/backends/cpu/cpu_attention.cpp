/// Paged attention of the cpu backend: per query head a two-pass softmax over its keys in order of position. The length
/// of a page and the place of a page do not enter the arithmetic.
#include <algorithm>
#include <limits>

#include "backends/cpu/cpu_backend.h"
#include "ops/checks.h"

namespace vauban::cpu {
namespace {

/// Claims one of the scratch rows of a call for the running range; at most as many ranges run as there are threads.
class ScratchRow {
 public:
  ScratchRow(std::atomic_flag* taken, int slots, float* memory, std::int64_t row_size) {
    for (int i = 0;; i = (i + 1) % slots) {
      if (taken[i].test_and_set(std::memory_order_acquire)) continue;
      mine_ = taken + i;
      row_ = memory + i * row_size;
      return;
    }
  }
  ~ScratchRow() { mine_->clear(std::memory_order_release); }
  ScratchRow(const ScratchRow&) = delete;
  ScratchRow& operator=(const ScratchRow&) = delete;
  float* row() const { return row_; }

 private:
  std::atomic_flag* mine_ = nullptr;
  float* row_ = nullptr;
};

std::int64_t longest(const Batch& batch) {
  std::int64_t keys = 0;
  for (const SequenceRows& sequence : batch.sequences)
    keys = std::max(keys, std::int64_t{sequence.past} + sequence.rows);
  return keys;
}

/// The sequence that owns a row of the step, or null.
const SequenceRows* owner_of(const Batch& batch, std::int64_t row) {
  for (const SequenceRows& sequence : batch.sequences)
    if (row >= sequence.first_row && row < std::int64_t{sequence.first_row} + sequence.rows) return &sequence;
  return nullptr;
}

}  // namespace

struct CpuOps::Query {
  const float* q;
  CpuKvStore& store;
  const SequenceRows& sequence;
  int layer;
  std::int64_t head, kv_head;
  std::int64_t first, last;  ///< positions that it sees

  std::int64_t keys() const { return last - first + 1; }

  /// run(page, slot, count, done) for each run of visible positions inside one page, in order.
  template <class Run>
  void each_run(const Run& run) const {
    const std::int64_t page_tokens = store.geometry().page_tokens;
    for (std::int64_t position = first; position <= last;) {
      const std::int64_t slot = position % page_tokens;
      const std::int64_t count = std::min(page_tokens - slot, last - position + 1);
      run(sequence.pages[static_cast<std::size_t>(position / page_tokens)], slot, static_cast<std::size_t>(count),
          position - first);
      position += count;
    }
  }
};

CpuOps::Query CpuOps::query_at(const Tensor& q, CpuKvStore& store, int layer, const SequenceRows& sequence,
                               std::int64_t row, std::int64_t head, const AttentionArgs& args) const {
  const std::int64_t position = sequence.past + row;
  return {.q = q.as<float>() + ((sequence.first_row + row) * args.heads + head) * args.head_dim,
          .store = store,
          .sequence = sequence,
          .layer = layer,
          .head = head,
          .kv_head = head / (args.heads / args.kv_heads),
          .first = first_visible(position, args.window),
          .last = position};
}

void CpuOps::score_keys(const Query& query, const AttentionArgs& args, float* scores) const {
  const auto width = static_cast<std::size_t>(args.head_dim);
  query.each_run([&](std::int32_t page, std::int64_t slot, std::size_t count, std::int64_t done) {
    const float* keys = query.store.keys(query.layer, page, query.kv_head) + slot * args.head_dim;
    kernels_.scores(query.q, keys, count, width, static_cast<float>(args.scale), scores + done);
  });
  if (!args.alibi_slopes.empty()) {
    const auto slope = static_cast<float>(args.alibi_slopes[static_cast<std::size_t>(query.head)]);
    for (std::int64_t j = 0; j < query.keys(); ++j) scores[j] += slope * static_cast<float>(j + 1 - query.keys());
  }
  if (args.softcap > 0.0)
    kernels_.softcap(scores, static_cast<float>(args.softcap), static_cast<std::size_t>(query.keys()));
}

void CpuOps::softmax(const Query& query, const AttentionArgs& args, float* scores) const {
  const auto keys = static_cast<std::size_t>(query.keys());
  if (!args.sinks) return kernels_.softmax(scores, keys);
  kernels_.softmax_with_sink(scores, args.sinks->tensor.as<float>()[query.head], keys);
}

void CpuOps::attend(const Query& query, const AttentionArgs& args, float* scores, float* z) const {
  const auto width = static_cast<std::size_t>(args.head_dim);
  score_keys(query, args, scores);
  softmax(query, args, scores);
  std::fill_n(z, args.head_dim, 0.0f);
  query.each_run([&](std::int32_t page, std::int64_t slot, std::size_t count, std::int64_t done) {
    const float* values = query.store.values(query.layer, page, query.kv_head) + slot * args.head_dim;
    kernels_.accumulate(scores + done, values, count, width, z);
  });
}

CpuKvStore* CpuOps::own_store(KvStore& store) {
  auto* own = dynamic_cast<CpuKvStore*>(&store);
  if (!own) accept(internal("backend 'cpu' was given the key/value store of another backend"));
  return own;
}

void CpuOps::kv_write(KvStore& store, int layer, const Tensor& k, const Tensor& v, const Batch& batch) {
  CpuKvStore* own = own_store(store);
  if (!own || !accept(check_kv_write(k, v, batch, store.geometry(), layer))) return;
  if (k.dtype() != DType::f32 || v.dtype() != DType::f32)
    return void(accept(internal("kv_write: expected f32 keys and values")));
  const KvGeometry& geometry = store.geometry();
  for (const SequenceRows& sequence : batch.sequences)
    for (std::int64_t row = 0; row < sequence.rows; ++row) {
      const std::int64_t position = sequence.past + row;
      const std::int32_t page = sequence.pages[static_cast<std::size_t>(position / geometry.page_tokens)];
      const std::int64_t to = position % geometry.page_tokens * geometry.head_dim;
      for (std::int64_t head = 0; head < geometry.kv_heads; ++head) {
        const std::int64_t from = ((sequence.first_row + row) * geometry.kv_heads + head) * geometry.head_dim;
        std::copy_n(k.as<float>() + from, geometry.head_dim, own->keys(layer, page, head) + to);
        std::copy_n(v.as<float>() + from, geometry.head_dim, own->values(layer, page, head) + to);
      }
    }
  counters_.bytes_written += 2 * k.shape().elements() * static_cast<std::int64_t>(sizeof(float));
}

Tensor CpuOps::attention(const Tensor& q, KvStore& store, int layer, const Batch& batch, const AttentionArgs& args) {
  Tensor out = make(q.shape());
  CpuKvStore* own = own_store(store);
  const Result<void> same_store = own ? ok() : status_;
  if (!accept(own ? check_attention(q, batch, args, store.geometry(), layer) : same_store, {&q}, out)) return out;
  const std::int64_t keys = longest(batch), group = args.heads / args.kv_heads;
  const Tensor scratch = make({pool_.size(), keys});
  if (scratch.empty()) return out;
  float *z = out.as<float>(), *memory = scratch.as<float>();
  // One task: the query heads of one row that share a key head, while its keys are in the cache.
  parallel(q.shape()[0] * args.kv_heads, group * keys * args.head_dim * 2, [&](std::size_t begin, std::size_t end) {
    const ScratchRow scores(scratch_taken_.get(), pool_.size(), memory, keys);
    for (auto task = static_cast<std::int64_t>(begin); task < static_cast<std::int64_t>(end); ++task) {
      const std::int64_t row = task / args.kv_heads, first_head = task % args.kv_heads * group;
      float* to = z + (row * args.heads + first_head) * args.head_dim;
      const SequenceRows* sequence = owner_of(batch, row);
      if (!sequence) std::fill_n(to, group * args.head_dim, 0.0f);
      for (std::int64_t g = 0; sequence && g < group; ++g)
        attend(query_at(q, *own, layer, *sequence, row - sequence->first_row, first_head + g, args), args, scores.row(),
               to + g * args.head_dim);
    }
  });
  counters_.bytes_read += 2 * keys * args.kv_heads * args.head_dim * static_cast<std::int64_t>(sizeof(float));
  return out;
}

Tensor CpuOps::sequence_scores(const Tensor& q, KvStore& store, int layer, const Batch& batch,
                               std::size_t sequence_index, const AttentionArgs& args, bool with_softmax) {
  if (sequence_index >= batch.sequences.size())
    return accept(internal("attention: sequence {} of a batch of {}", sequence_index, batch.sequences.size())),
           make({0, 0, 0});
  const SequenceRows& sequence = batch.sequences[sequence_index];
  const std::int64_t keys = std::int64_t{sequence.past} + sequence.rows;
  Tensor out = make({args.heads, sequence.rows, keys});
  CpuKvStore* own = own_store(store);
  const Result<void> same_store = own ? ok() : status_;
  if (!accept(own ? check_attention(q, batch, args, store.geometry(), layer) : same_store, {&q}, out)) return out;
  std::fill_n(out.as<float>(), out.shape().elements(), with_softmax ? 0.0f : -std::numeric_limits<float>::infinity());
  float* to = out.as<float>();
  parallel(args.heads * sequence.rows, keys * args.head_dim, [&](std::size_t begin, std::size_t end) {
    for (auto task = static_cast<std::int64_t>(begin); task < static_cast<std::int64_t>(end); ++task) {
      const Query query = query_at(q, *own, layer, sequence, task % sequence.rows, task / sequence.rows, args);
      float* row = to + task * keys + query.first;
      score_keys(query, args, row);
      if (with_softmax) softmax(query, args, row);
    }
  });
  return out;
}

Tensor CpuOps::attention_scores(const Tensor& q, KvStore& store, int layer, const Batch& batch, std::size_t sequence,
                                const AttentionArgs& args) {
  return sequence_scores(q, store, layer, batch, sequence, args, false);
}

Tensor CpuOps::attention_pattern(const Tensor& q, KvStore& store, int layer, const Batch& batch, std::size_t sequence,
                                 const AttentionArgs& args) {
  return sequence_scores(q, store, layer, batch, sequence, args, true);
}

}  // namespace vauban::cpu
