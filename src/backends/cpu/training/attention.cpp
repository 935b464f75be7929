/// Training attention: per document and key head, blocks of queries against all keys they may see. The backward pass
/// recomputes a block's weights from the saved log-sum-exp (Dao et al. 2022, arXiv 2205.14135), so no (T, T) tensor is
/// kept. One task owns a document's key head: its gradients are added in one order whatever the thread count.
#include <algorithm>
#include <cmath>
#include <vector>

#include "backends/cpu/training/training_backend.h"
#include "ops/checks.h"

namespace vauban::cpu {
namespace {

constexpr std::int64_t kBlock = 32;  // query rows

/// Dense copies of one document's key head: row-major (keys, d), and transposed (d, keys).
struct Side {
  std::vector<float> rows, columns;
};

/// Memory of one thread's tasks, kept from task to task.
struct Scratch {
  Side keys, values;
  std::vector<float> s, p, dp;  // (kBlock, keys)
  std::vector<float> q, dz;     // (kBlock, d)

  void make_room(std::int64_t keys_n, std::size_t d, bool backward) {
    const auto block = static_cast<std::size_t>(kBlock * keys_n), rows = static_cast<std::size_t>(kBlock) * d;
    if (s.size() < block) s.resize(block);
    if (q.size() < rows) q.resize(rows);
    if (!backward) return;
    if (p.size() < block) p.resize(block), dp.resize(block);
    if (dz.size() < rows) dz.resize(rows);
  }
};

/// A head's rows lie a whole row of all heads apart, too far for the processor to guess the next.
void prefetch(const float* row, std::size_t n) {
  for (std::size_t i = 0; i < n; i += 16) __builtin_prefetch(row + i);
}
constexpr std::size_t kRowsAhead = 8;

struct Task {
  std::int64_t first, rows;  // of the document in the step
  std::int64_t kv_head;
};

/// A block of queries of one head and the keys [key_begin, key_end) that at least one of them sees.
struct Block {
  std::int64_t begin, end, key_begin, key_end;
  std::int64_t keys() const { return key_end - key_begin; }
};

Block block_at(std::int64_t begin, std::int64_t rows, std::int64_t window) {
  const std::int64_t end = std::min(begin + kBlock, rows);
  return {begin, end, first_visible(begin, window), end};
}

std::vector<Task> tasks_of(const Batch& batch, int kv_heads) {
  std::vector<Task> tasks;
  for (const SequenceRows& sequence : batch.sequences)
    for (int head = 0; head < kv_heads; ++head) tasks.push_back({sequence.first_row, sequence.rows, head});
  return tasks;
}

Result<void> check_training_batch(const Tensor& q, const Tensor& k, const Tensor& v, const Batch& batch,
                                  const AttentionArgs& args) {
  const std::int64_t rows = q.shape().rank() == 3 ? q.shape()[0] : -1;
  const Shape keys{rows, args.kv_heads, args.head_dim};
  VB_CHECK(check_score_terms(args));
  if (rows < 0 || q.shape() != Shape{rows, args.heads, args.head_dim} || k.shape() != keys || v.shape() != keys ||
      args.kv_heads < 1 || args.heads % args.kv_heads != 0)
    return internal("training attention: q {}, k {}, v {} with {} heads, {} key heads of {}", q.shape().to_string(),
                    k.shape().to_string(), v.shape().to_string(), args.heads, args.kv_heads, args.head_dim);
  std::int64_t next = 0;
  for (const SequenceRows& sequence : batch.sequences) {
    if (sequence.past != 0 || sequence.first_row != next || sequence.rows < 0)
      return internal("training attention: documents must lie one after the other without a past");
    next += sequence.rows;
  }
  if (next != rows) return internal("training attention: documents of {} rows in a step of {}", next, rows);
  return ok();
}

/// What the tasks of one call share.
struct Shared {
  const AttentionArgs& args;
  const Kernels& kernels;
  const TrainingKernels& train;

  std::size_t d() const { return static_cast<std::size_t>(args.head_dim); }
  std::int64_t group() const { return args.heads / args.kv_heads; }
  std::ptrdiff_t q_stride() const { return static_cast<std::ptrdiff_t>(args.heads) * args.head_dim; }
  std::ptrdiff_t k_stride() const { return static_cast<std::ptrdiff_t>(args.kv_heads) * args.head_dim; }

  /// to (rows, d) = a head's rows times `factor`.
  void gather(const float* head, std::ptrdiff_t stride, std::size_t rows, double factor, float* to) const {
    std::fill_n(to, rows * d(), 0.0f);
    for (std::size_t i = 0; i < rows; ++i) {
      prefetch(head + static_cast<std::ptrdiff_t>(std::min(i + kRowsAhead, rows - 1)) * stride, d());
      train.accumulate_scaled(head + static_cast<std::ptrdiff_t>(i) * stride, static_cast<float>(factor), to + i * d(), d());
    }
  }

  /// The rows of the task's key head times `factor`, and, where asked, those of the tensor itself transposed.
  void copy_side(const float* from, const Task& task, double factor, bool want_columns, Side& to) const {
    const auto n = static_cast<std::size_t>(task.rows);
    if (to.rows.size() < n * d()) to.rows.resize(n * d()), to.columns.resize(n * d());
    const float* head = from + task.first * k_stride() + task.kv_head * args.head_dim;
    gather(head, k_stride(), n, factor, to.rows.data());
    if (want_columns) train.transpose(head, static_cast<std::size_t>(k_stride()), n, d(), to.columns.data(), n);
  }

  /// out (rows of the block, keys of the block) = x (rows, d) times the transposed side; beyond the keys that a group of
  /// rows sees, whatever was there.
  void products_with_keys(const float* x, const Side& side, const Task& task, const Block& block, float* out) const {
    const auto n = static_cast<std::size_t>(block.keys());
    for_groups(block, [&](std::size_t first, std::size_t rows, std::size_t keys) {
      train.small_matmul({x + first * d(), static_cast<std::ptrdiff_t>(d()), 1}, side.columns.data() + block.key_begin,
                         static_cast<std::size_t>(task.rows), out + first * n, n, rows, keys, d(), false);
    });
  }

  /// out (rows of the block, d), rows q_stride apart = p (rows, keys of the block) times the side's rows.
  void products_with_rows(const float* p, const Side& side, const Block& block, float* out) const {
    const auto n = static_cast<std::size_t>(block.keys()), stride = static_cast<std::size_t>(q_stride());
    for_groups(block, [&](std::size_t first, std::size_t rows, std::size_t keys) {
      train.small_matmul({p + first * n, block.keys(), 1}, side.rows.data() + static_cast<std::size_t>(block.key_begin) * d(),
                         d(), out + first * stride, stride, rows, d(), keys, false);
    });
  }

  /// s (rows of the block, keys of the block): capped scores of scaled queries; the invisible ones are left as they come.
  void scores(const float* scaled_q, const Side& keys, const Task& task, const Block& block, std::int64_t head,
              float* s) const {
    const auto n = static_cast<std::size_t>(block.keys()), rows = static_cast<std::size_t>(block.end - block.begin);
    products_with_keys(scaled_q, keys, task, block, s);
    if (!args.alibi_slopes.empty()) add_alibi(block, args.alibi_slopes[static_cast<std::size_t>(head)], s);
    if (args.softcap > 0.0) kernels.softcap(s, static_cast<float>(args.softcap), rows * n);
  }

  void add_alibi(const Block& block, double slope, float* s) const {
    for (std::int64_t i = block.begin; i < block.end; ++i) {
      const Range seen = visible(i, block);
      float* row = s + (i - block.begin) * block.keys();
      for (std::size_t j = seen.begin; j < seen.end; ++j)
        row[j] += static_cast<float>(slope) * static_cast<float>(block.key_begin + static_cast<std::int64_t>(j) - i);
    }
  }

  /// Softmax of a row's visible scores beside the head's sink, if there is one; returns the log of its sum.
  float softmax(std::int64_t head, float* s, std::size_t n) const {
    const float log_sum = train.softmax_with_log_sum(s, n);
    if (!args.sinks) return log_sum;
    const auto without = static_cast<double>(log_sum);
    const auto sink = static_cast<double>(args.sinks->tensor.as<float>()[head]);
    const double top = std::max(without, sink), whole = top + std::log1p(std::exp(std::min(without, sink) - top));
    const auto share = static_cast<float>(std::exp(without - whole));
    for (std::size_t j = 0; j < n; ++j) s[j] *= share;
    return static_cast<float>(whole);
  }

  /// body(first row, rows, keys) for groups of neighbouring queries, with the keys that the last of them sees, in whole
  /// vectors.
  template <class Body>
  void for_groups(const Block& block, const Body& body) const {
    constexpr std::int64_t kGroup = 4;  // rows that small_matmul takes together
    for (std::int64_t i = block.begin; i < block.end; i += kGroup) {
      const std::int64_t rows = std::min(kGroup, block.end - i);
      const std::size_t keys = (visible(i + rows - 1, block).end + 15) / 16 * 16;
      body(static_cast<std::size_t>(i - block.begin), static_cast<std::size_t>(rows),
           std::min(keys, static_cast<std::size_t>(block.keys())));
    }
  }

  /// Visible keys of the query at `position`, relative to the block's first key.
  struct Range {
    std::size_t begin, end;
  };
  Range visible(std::int64_t position, const Block& block) const {
    return {static_cast<std::size_t>(first_visible(position, args.window) - block.key_begin),
            static_cast<std::size_t>(position + 1 - block.key_begin)};
  }
};

/// Zeroes p outside [begin, end) of a row of n.
void mask(float* p, const Shared::Range& seen, std::size_t n) {
  std::fill(p, p + seen.begin, 0.0f);
  std::fill(p + seen.end, p + n, 0.0f);
}

}  // namespace

TrainingAttention CpuGradients::attention(const Tensor& q, const Tensor& k, const Tensor& v, const Batch& batch,
                                          const AttentionArgs& args) {
  TrainingAttention out{.z = ops_.make(q.shape()), .log_sum_exp = {}};
  if (!accept(check_training_batch(q, k, v, batch, args), {&q, &k, &v}, out.z)) return out;
  out.log_sum_exp = ops_.make({q.shape()[0], args.heads});
  if (out.log_sum_exp.empty()) return out;
  const Shared shared{args, ops_.kernels_, ops_.train_};
  const std::vector<Task> tasks = tasks_of(batch, args.kv_heads);
  const float *from_q = q.as<float>(), *from_k = k.as<float>(), *from_v = v.as<float>();
  float *z = out.z.as<float>(), *lse = out.log_sum_exp.as<float>();

  const auto run = [&](const Task& task, Scratch& mine) {
    mine.make_room(task.rows, shared.d(), false);
    shared.copy_side(from_k, task, 1.0, true, mine.keys);
    shared.copy_side(from_v, task, 1.0, false, mine.values);
    float *s = mine.s.data(), *block_q = mine.q.data();
    for (std::int64_t head = task.kv_head * shared.group(); head < (task.kv_head + 1) * shared.group(); ++head)
      for (std::int64_t begin = 0; begin < task.rows; begin += kBlock) {
        const Block block = block_at(begin, task.rows, args.window);
        const auto n = static_cast<std::size_t>(block.keys());
        const std::ptrdiff_t at = (task.first + begin) * shared.q_stride() + head * args.head_dim;
        shared.gather(from_q + at, shared.q_stride(), static_cast<std::size_t>(block.end - begin), args.scale, block_q);
        shared.scores(block_q, mine.keys, task, block, head, s);
        for (std::int64_t i = begin; i < block.end; ++i) {
          float* p = s + static_cast<std::size_t>(i - begin) * n;
          const Shared::Range seen = shared.visible(i, block);
          lse[(task.first + i) * args.heads + head] = shared.softmax(head, p + seen.begin, seen.end - seen.begin);
          mask(p, seen, n);
        }
        shared.products_with_rows(s, mine.values, block, z + at);
      }
  };
  const std::int64_t per_task = q.shape().elements() / std::max<std::int64_t>(1, std::ssize(tasks)) * 256;
  ops_.parallel(std::ssize(tasks), per_task, [&](std::size_t begin, std::size_t end) {
    Scratch mine;
    for (std::size_t t = begin; t < end; ++t) run(tasks[t], mine);
  });
  return out;
}

AttentionGradients CpuGradients::attention_backward(const Tensor& dz, const Tensor& q, const Tensor& k, const Tensor& v,
                                                    const TrainingAttention& forward, const Batch& batch,
                                                    const AttentionArgs& args, Tensor* dsinks) {
  AttentionGradients out{.q = ops_.make(q.shape()), .k = zeros(k.shape()), .v = zeros(v.shape())};
  Result<void> check = check_training_batch(q, k, v, batch, args);
  if (check) check = check_same_shape("attention backward", dz, q);
  if (check) check = check_same_shape("attention backward", forward.z, q);
  if (check && forward.log_sum_exp.shape() != Shape{q.shape()[0], args.heads})
    check = internal("attention backward: log-sum-exp of {}", forward.log_sum_exp.shape().to_string());
  if (!accept(std::move(check), {&dz, &q, &k, &v}, out.q) || out.k.empty() || out.v.empty()) return out;
  if (!accept_gradient("attention sinks", dsinks, {args.heads})) return out;
  const Shared shared{args, ops_.kernels_, ops_.train_};
  const std::vector<Task> tasks = tasks_of(batch, args.kv_heads);
  const float *from_q = q.as<float>(), *from_k = k.as<float>(), *from_v = v.as<float>(), *from_dz = dz.as<float>(),
              *z = forward.z.as<float>(), *lse = forward.log_sum_exp.as<float>();
  float *dq = out.q.as<float>(), *dk = out.k.as<float>(), *dv = out.v.as<float>();
  const auto q_stride = static_cast<std::size_t>(shared.q_stride()), k_stride = static_cast<std::size_t>(shared.k_stride());
  const std::size_t d = shared.d();

  const auto run = [&](const Task& task, Scratch& mine) {
    mine.make_room(task.rows, d, true);
    shared.copy_side(from_k, task, args.scale, true, mine.keys);
    shared.copy_side(from_v, task, 1.0, true, mine.values);
    float *s = mine.s.data(), *p = mine.p.data(), *dp = mine.dp.data();
    float *block_q = mine.q.data(), *block_dz = mine.dz.data();
    for (std::int64_t head = task.kv_head * shared.group(); head < (task.kv_head + 1) * shared.group(); ++head)
      for (std::int64_t begin = 0; begin < task.rows; begin += kBlock) {
        const Block block = block_at(begin, task.rows, args.window);
        const auto n = static_cast<std::size_t>(block.keys()), rows = static_cast<std::size_t>(block.end - begin);
        const std::ptrdiff_t at = (task.first + begin) * shared.q_stride() + head * args.head_dim;
        shared.gather(from_q + at, shared.q_stride(), rows, args.scale, block_q);
        shared.gather(from_dz + at, shared.q_stride(), rows, 1.0, block_dz);
        shared.scores(block_q, mine.keys, task, block, head, s);
        shared.products_with_keys(block_dz, mine.values, task, block, dp);
        for (std::size_t i = 0; i < rows; ++i) {
          const Shared::Range seen = shared.visible(begin + static_cast<std::int64_t>(i), block);
          float *s_row = s + i * n, *p_row = p + i * n, *dp_row = dp + i * n;
          const std::size_t count = seen.end - seen.begin;
          const float log_sum = lse[(task.first + begin + static_cast<std::int64_t>(i)) * args.heads + head];
          const float* z_row = z + at + static_cast<std::ptrdiff_t>(i * q_stride);
          prefetch(z_row + (std::min(i + kRowsAhead, rows - 1) - i) * q_stride, d);
          const float along = ops_.train_.dot(block_dz + i * d, z_row, d);
          ops_.train_.exp_minus(s_row + seen.begin, log_sum, p_row + seen.begin, count);
          ops_.train_.softmax_backward(p_row + seen.begin, s_row + seen.begin, along,
                                       static_cast<float>(args.softcap), dp_row + seen.begin, count);
          mask(p_row, seen, n);
          mask(dp_row, seen, n);
        }
        const std::size_t key_at = static_cast<std::size_t>(task.first + block.key_begin) * k_stride +
                                   static_cast<std::size_t>(task.kv_head) * d;
        const auto keys_n = static_cast<std::ptrdiff_t>(n);
        shared.products_with_rows(dp, mine.keys, block, dq + at);
        ops_.train_.small_matmul({dp, 1, keys_n}, block_q, d, dk + key_at, k_stride, n, d, rows, true);
        ops_.train_.small_matmul({p, 1, keys_n}, block_dz, d, dv + key_at, k_stride, n, d, rows, true);
      }
  };
  const std::int64_t per_task = q.shape().elements() / std::max<std::int64_t>(1, std::ssize(tasks)) * 512;
  ops_.parallel(std::ssize(tasks), per_task, [&](std::size_t begin, std::size_t end) {
    Scratch mine;
    for (std::size_t t = begin; t < end; ++t) run(tasks[t], mine);
  });
  if (!args.sinks || !dsinks) return out;
  // A sink has no value: its ds is -p (dz . z), with p = exp(sink - log sum exp).
  const float* sinks = args.sinks->tensor.as<float>();
  float* to = dsinks->as<float>();
  ops_.parallel(args.heads, q.shape()[0] * args.head_dim, [&](std::size_t begin, std::size_t end) {
    for (std::size_t head = begin; head < end; ++head) {
      double sum = 0.0;
      for (std::size_t row = 0; row < static_cast<std::size_t>(q.shape()[0]); ++row) {
        const std::size_t at = row * static_cast<std::size_t>(args.heads) + head;
        sum -= std::exp(static_cast<double>(sinks[head]) - static_cast<double>(lse[at])) *
               static_cast<double>(ops_.train_.dot(from_dz + at * d, z + at * d, d));
      }
      to[head] += static_cast<float>(sum);
    }
  });
  return out;
}

}  // namespace vauban::cpu
