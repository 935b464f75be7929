/// Paged attention of the reference backend, and what it hides: scores and patterns.
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <vector>

#include "backends/reference/reference_ops.h"
#include "backends/reference/reference_score.h"
#include "ops/checks.h"

namespace vauban {
namespace {

/// keys and values: (layers, pages, page_tokens, kv_heads, head_dim) f64 each.
class ReferenceKvStore final : public KvStore {
 public:
  explicit ReferenceKvStore(const KvGeometry& geometry)
      : KvStore(geometry), keys_(total(geometry)), values_(total(geometry)) {}

  Result<void> copy_keys_and_values(std::int32_t from, std::int32_t to) override {
    for (std::vector<double>* side : {&keys_, &values_})
      for (int layer = 0; layer < geometry_.layers; ++layer)
        std::copy_n(side->data() + page_at(layer, from), page_size(), side->data() + page_at(layer, to));
    return ok();
  }
  std::int64_t size_bytes() const override {
    return static_cast<std::int64_t>((keys_.size() + values_.size()) * sizeof(double));
  }
  double* key(int layer, const SequenceRows& sequence, std::int64_t position, std::int64_t head) {
    return keys_.data() + at(layer, sequence, position, head);
  }
  double* value(int layer, const SequenceRows& sequence, std::int64_t position, std::int64_t head) {
    return values_.data() + at(layer, sequence, position, head);
  }

 private:
  static std::size_t total(const KvGeometry& g) {
    return static_cast<std::size_t>(std::int64_t{g.layers} * g.pages * g.page_tokens * g.kv_heads * g.head_dim);
  }
  std::int64_t page_size() const {
    return std::int64_t{geometry_.page_tokens} * geometry_.kv_heads * geometry_.head_dim;
  }
  std::int64_t page_at(int layer, std::int64_t page) const {
    return (std::int64_t{layer} * geometry_.pages + page) * page_size();
  }
  std::int64_t at(int layer, const SequenceRows& sequence, std::int64_t position, std::int64_t head) const {
    const std::int64_t page = sequence.pages[static_cast<std::size_t>(position / geometry_.page_tokens)];
    const std::int64_t slot = position % geometry_.page_tokens;
    return page_at(layer, page) + (slot * geometry_.kv_heads + head) * geometry_.head_dim;
  }
  std::vector<double> keys_, values_;
};

/// What one query sees of one key head.
struct Query {
  const double* q;
  std::int64_t head, kv_head;
  std::int64_t position;
};

/// Scores of positions 0 .. query.position; masked ones are -infinity.
std::vector<double> scores_of(ReferenceKvStore& store, int layer, const SequenceRows& sequence, const Query& query,
                              const AttentionArgs& args) {
  std::vector<double> scores(static_cast<std::size_t>(query.position + 1), -std::numeric_limits<double>::infinity());
  for (std::int64_t p = first_visible(query.position, args.window); p <= query.position; ++p) {
    const double* key = store.key(layer, sequence, p, query.kv_head);
    double sum = 0.0;
    for (int i = 0; i < args.head_dim; ++i) sum += query.q[i] * key[i];
    sum = sum * args.scale + alibi(args, query.head, p - query.position);
    scores[static_cast<std::size_t>(p)] = args.softcap > 0.0 ? args.softcap * std::tanh(sum / args.softcap) : sum;
  }
  return scores;
}

/// With a sink its exponential counts in the sum.
void softmax(std::vector<double>& scores, const double* sink) {
  double top = *std::max_element(scores.begin(), scores.end());
  if (sink) top = std::max(top, *sink);
  double sum = sink ? std::exp(*sink - top) : 0.0;
  for (double& score : scores) sum += score = std::exp(score - top);
  for (double& score : scores) score /= sum;
}

Query query_at(const Tensor& q, const SequenceRows& sequence, std::int64_t row, std::int64_t head,
               const AttentionArgs& args) {
  const std::int64_t offset = ((sequence.first_row + row) * args.heads + head) * args.head_dim;
  return {
      .q = q.as<double>() + offset,
      .head = head,
      .kv_head = head / (args.heads / args.kv_heads),
      .position = sequence.past + row};
}

Result<ReferenceKvStore*> own_store(KvStore& store) {
  if (auto* own = dynamic_cast<ReferenceKvStore*>(&store)) return own;
  return internal("backend 'reference' was given the key/value store of another backend");
}

}  // namespace

Result<std::unique_ptr<KvStore>> ReferenceOps::make_kv_store(const KvGeometry& geometry) {
  VB_CHECK(check_kv_geometry(geometry));
  try {
    return std::make_unique<ReferenceKvStore>(geometry);
  } catch (const std::exception&) {
    return resource("no memory for {} pages of keys and values", geometry.pages);
  }
}

void ReferenceOps::kv_write(KvStore& store, int layer, const Tensor& k, const Tensor& v, const Batch& batch) {
  const auto own = own_store(store);
  if (!own) return void(accept(own.error()));
  const KvGeometry& geometry = store.geometry();
  if (!accept(check_kv_write(k, v, batch, geometry, layer), {&k, &v})) return;
  for (const SequenceRows& sequence : batch.sequences)
    for (std::int64_t row = 0; row < sequence.rows; ++row)
      for (std::int64_t head = 0; head < geometry.kv_heads; ++head) {
        const std::int64_t from = ((sequence.first_row + row) * geometry.kv_heads + head) * geometry.head_dim;
        const std::int64_t position = sequence.past + row;
        std::copy_n(k.as<double>() + from, geometry.head_dim, (*own)->key(layer, sequence, position, head));
        std::copy_n(v.as<double>() + from, geometry.head_dim, (*own)->value(layer, sequence, position, head));
      }
}

Tensor ReferenceOps::attention(const Tensor& q, KvStore& store, int layer, const Batch& batch,
                               const AttentionArgs& args) {
  Tensor out = make(q.shape());
  const auto own = own_store(store);
  if (!own) return accept(own.error()), out;
  if (!accept(check_attention(q, batch, args, store.geometry(), layer), {&q})) return out;
  for (const SequenceRows& sequence : batch.sequences)
    for (std::int64_t row = 0; row < sequence.rows; ++row)
      for (std::int64_t head = 0; head < args.heads; ++head) {
        const Query query = query_at(q, sequence, row, head, args);
        std::vector<double> weights = scores_of(**own, layer, sequence, query, args);
        softmax(weights, sink_of(args, head));
        double* z = out.as<double>() + (query.q - q.as<double>());
        for (std::int64_t p = first_visible(query.position, args.window); p <= query.position; ++p) {
          const double* value = (*own)->value(layer, sequence, p, query.kv_head);
          for (int i = 0; i < args.head_dim; ++i) z[i] += weights[static_cast<std::size_t>(p)] * value[i];
        }
      }
  return out;
}

Tensor ReferenceOps::sequence_scores(const Tensor& q, KvStore& store, int layer, const Batch& batch,
                                     std::size_t sequence_index, const AttentionArgs& args, bool with_softmax) {
  if (sequence_index >= batch.sequences.size())
    return accept(internal("attention: sequence {} of a batch of {}", sequence_index, batch.sequences.size())),
           make({0, 0, 0});
  const SequenceRows& sequence = batch.sequences[sequence_index];
  const std::int64_t keys = std::int64_t{sequence.past} + sequence.rows;
  Tensor out = make({args.heads, sequence.rows, keys});
  const auto own = own_store(store);
  if (!own) return accept(own.error()), out;
  if (!accept(check_attention(q, batch, args, store.geometry(), layer), {&q})) return out;
  for (std::int64_t head = 0; head < args.heads; ++head)
    for (std::int64_t row = 0; row < sequence.rows; ++row) {
      std::vector<double> values = scores_of(**own, layer, sequence, query_at(q, sequence, row, head, args), args);
      if (with_softmax) softmax(values, sink_of(args, head));
      values.resize(static_cast<std::size_t>(keys), with_softmax ? 0.0 : -std::numeric_limits<double>::infinity());
      std::copy(values.begin(), values.end(), out.as<double>() + (head * sequence.rows + row) * keys);
    }
  return out;
}

Tensor ReferenceOps::attention_scores(const Tensor& q, KvStore& store, int layer, const Batch& batch,
                                      std::size_t sequence, const AttentionArgs& args) {
  return sequence_scores(q, store, layer, batch, sequence, args, false);
}

Tensor ReferenceOps::attention_pattern(const Tensor& q, KvStore& store, int layer, const Batch& batch,
                                       std::size_t sequence, const AttentionArgs& args) {
  return sequence_scores(q, store, layer, batch, sequence, args, true);
}

}  // namespace vauban
