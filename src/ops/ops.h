/// Ops: what a backend computes. About twenty coarse operations; an architecture's forward pass is written once over
/// them, and the reference backend is their specification.
///
/// Activations are row-major (tokens, width) or (tokens, heads, head_dim), in the backend's activation type: f64 on
/// `reference`, f32 on `cpu` in exact numerics. Shapes were validated when the model was loaded, so methods return
/// values; a fault that can only show at run time (non-finite input where it is refused, memory) sets a sticky status
/// that end_step() returns. A returned Tensor may live in a per-step arena: it is valid until the next begin_step().
///
/// Determinism (exact and native numerics): each output element is reduced in one fixed order, whatever the number of
/// rows, the batch composition, the thread count, or whether a row came by prefill or by decode.
/// One Ops object serves one thread at a time; it parallelises inside, on the pool it was made with.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "ops/batch.h"
#include "ops/weight.h"
#include "tensor/tensor.h"
#include "vauban/primitive.h"

namespace vauban {

enum class Op {
  embed, rms_norm, layer_norm, linear, rope, attention, attention_scores, attention_pattern, activation,
  gated_activation, add, columns, select_rows, lm_head, primitive, scale, clamp, multiply, join_columns, join_rows,
  blend_rows, short_conv, selective_scan, gated_delta,
};
enum class Direction { forward, backward };
std::span<const Op> all_ops();
std::string_view to_string(Op op);

/// Receives the projections of one row after the other (ops/projection_summary.h).
class ProjectionSink {
 public:
  virtual ~ProjectionSink() = default;
  virtual void add(std::span<const double> projections) = 0;  ///< (n), of the next row
};

enum class Activation {
  silu, gelu_tanh, gelu_erf, relu,
  relu_squared,  ///< max(x, 0)^2
  sigmoid,
  /// GPT-OSS, gated only: with g = min(gate, 7) and u = clamp(up, -7, 7): g * sigmoid(1.702 g) * (u + 1).
  clamped_swiglu,
};

enum class RopeLayout {
  half,         ///< pairs (i, i + rotary/2): Hugging Face
  interleaved,  ///< pairs (2i, 2i + 1): llama2.c, GGUF llama
};
struct RopeTable {
  RopeLayout layout = RopeLayout::half;
  std::vector<double> inverse_frequency;  ///< one per pair; rotary width = 2 * size; the rest of a head passes through
  double attention_factor = 1.0;          ///< multiplies cos and sin (YaRN)
};

struct AttentionArgs {
  int heads = 0, kv_heads = 0, head_dim = 0;
  double scale = 1.0;
  std::int64_t window = 0;  ///< keys at distance >= window are masked; 0: none
  double softcap = 0.0;     ///< scores = cap * tanh(scores / cap); 0: none
  /// Adds slope * (key position - query position) to the scaled scores, before a softcap; one slope per head, empty: none.
  /// Press et al. 2021 (arXiv 2108.12409).
  std::vector<double> alibi_slopes;
  /// (heads): one more column of scores that takes weight in the softmax and gives no value (GPT-OSS); null: none. It must
  /// outlive the call, and on a tape the step. Neither scores nor patterns have a column for it, so the rows of a pattern
  /// sum to less than 1.
  const Weight* sinks = nullptr;
};

/// A recurrence keeps its state in the store (KvStore::states), which each of these three moves on by the step's rows.

/// Causal depthwise convolution: y[t, c] = out[t, c] * f(bias[c] + sum over j < kernel of weight[c * kernel + j] *
/// in[t - kernel + 1 + j, c] * x[t - kernel + 1 + j, c]), inputs before the sequence 0.
struct ShortConvArgs {
  int kernel = 0;
  bool silu = false;               ///< f; else the identity
  const Weight* bias = nullptr;    ///< (C); null: none
  const Tensor* in = nullptr;      ///< (T, C) each; null: all ones
  const Tensor* out = nullptr;
};
/// Mamba's scan; N states per channel. Gu and Dao 2023 (arXiv 2312.00752). With d = softplus(dt[t, c]):
///   h[c, n] = exp(-d exp(log_a[c * N + n])) h[c, n] + d b[t, n] x[t, c];  y[t, c] = skip[c] x[t, c] + sum_n c[t, n] h[c, n]
struct SelectiveScanArgs {
  Tensor dt;                    ///< (T, C)
  Tensor b, c;                  ///< (T, N) each
  const Weight* log_a = nullptr;  ///< (C * N)
  const Weight* skip = nullptr;   ///< (C)
};
/// Gated delta rule. Yang et al. 2024 (arXiv 2412.06464); transformers Qwen3NextGatedDeltaNet. Per value head h, which
/// shares key head h / (value_heads / key_heads), with unit queries and keys q / sqrt(|q|^2 + 1e-6), k likewise:
///   S = exp(-exp(log_a[h]) softplus(a[t, h] + dt_bias[h])) S;  S += k (sigmoid(b[t, h]) (v - S^T k))^T;
///   y = S^T q / sqrt(key_dim),   S (key_dim, value_dim)
struct GatedDeltaArgs {
  int key_heads = 0, value_heads = 0, key_dim = 0, value_dim = 0;
  Tensor a, b;                     ///< (T, value_heads) each
  const Weight* log_a = nullptr;   ///< (value_heads)
  const Weight* dt_bias = nullptr;  ///< (value_heads)
};

struct PrimitiveResult {
  Tensor output;                  ///< same shape and type as the input; the input itself when nothing changes
  std::vector<double> before;     ///< (rows touched, k) projections on the direction or basis, of the input
  std::vector<double> after;      ///< the same, of the output
  std::vector<double> delta_norm;  ///< (rows touched) L2 of output - input
  std::vector<double> input_norm;  ///< (rows touched) L2 of input
  std::int64_t gates_open = 0;    ///< conditional
};

/// Counted since the last take_counters().
struct OpCounters {
  std::int64_t bytes_read = 0, bytes_written = 0, host_device_copies = 0, sync_points = 0, memory_high_water_bytes = 0;
  double device_s = 0;      ///< time on the device, ends synchronised; 0 unless profile_device(true)
  std::string kernel_path;  ///< distinct kernels that ran, "cpu/avx512"
};

/// What OpCounters does not cover on a kind of device: why, for a reader; empty where nothing is left out.
struct CounterGaps {
  std::string memory;  ///< memory_high_water_bytes
  std::string waits;   ///< host_device_copies and sync_points
};
/// Of a backend in host memory: it has no copies or waits to miss.
CounterGaps host_counter_gaps();

class Gradients;

class Ops {
 public:
  virtual ~Ops() = default;
  virtual std::string_view backend() const = 0;      ///< id in `list backends`
  virtual std::string_view device_kind() const = 0;  ///< "cpu"
  virtual std::string device_label() const = 0;      ///< "cpu:0"
  virtual DType activation_dtype() const = 0;
  virtual bool supports(Op op, Direction direction) const = 0;

  /// Takes over a weight. Host backends keep the mapped bytes (quantised blocks stay packed) and hold `keep_alive`.
  /// Errors: unsupported for a type this backend cannot compute with; corrupt for non-finite values where checked.
  virtual Result<Weight> load_weight(std::string name, const TensorView& view, std::shared_ptr<const void> keep_alive) = 0;
  virtual Result<std::unique_ptr<KvStore>> make_kv_store(const KvGeometry& geometry) = 0;

  virtual void begin_step() = 0;
  virtual Result<void> end_step() = 0;  ///< the sticky status of this step

  virtual Tensor embed(const Weight& table, std::span<const std::int32_t> ids) = 0;                  ///< (T, D)
  virtual Tensor rms_norm(const Tensor& x, const Weight& weight, double epsilon) = 0;                ///< (T, D), over the last axis
  /// (x - mean) / sqrt(variance + epsilon) * weight + bias, over the last axis; the variance divides by D; bias may be null.
  virtual Tensor layer_norm(const Tensor& x, const Weight& weight, const Weight* bias, double epsilon) = 0;  ///< (T, D)
  /// y = x W^T + b; W (out, in), bias (out) or null.
  virtual Tensor linear(const Tensor& x, const Weight& weight, const Weight* bias = nullptr) = 0;    ///< (T, out)
  /// x (T, H, d), one position per row.
  virtual Tensor rope(const Tensor& x, std::span<const std::int32_t> positions, const RopeTable& table) = 0;
  /// Stores this step's k and v (T, kv_heads, head_dim) of `layer` into the pages of the batch's sequences.
  virtual void kv_write(KvStore& store, int layer, const Tensor& k, const Tensor& v, const Batch& batch) = 0;
  /// Causal attention of q (T, heads, head_dim) over what the sequences hold, this step included. -> (T, heads, head_dim)
  virtual Tensor attention(const Tensor& q, KvStore& store, int layer, const Batch& batch, const AttentionArgs& args) = 0;
  /// For observation only, beside attention(): one sequence's scaled scores before softmax, and their softmax.
  /// -> (heads, rows of that sequence in this step, past + rows); masked scores are -infinity, masked weights 0.
  virtual Tensor attention_scores(const Tensor& q, KvStore& store, int layer, const Batch& batch, std::size_t sequence,
                                  const AttentionArgs& args) = 0;
  virtual Tensor attention_pattern(const Tensor& q, KvStore& store, int layer, const Batch& batch, std::size_t sequence,
                                   const AttentionArgs& args) = 0;
  virtual Tensor activation(const Tensor& x, Activation activation) = 0;
  virtual Tensor gated_activation(const Tensor& gate, const Tensor& up, Activation activation) = 0;  ///< act(gate) * up
  virtual Tensor add(const Tensor& a, const Tensor& b, double b_scale = 1.0) = 0;  ///< a + b_scale * b
  /// Columns [begin, begin + count) of the last axis, copied: the parts of a fused projection. -> (T, count)
  virtual Tensor columns(const Tensor& x, std::int64_t begin, std::int64_t count) = 0;
  virtual Tensor select_rows(const Tensor& x, std::span<const std::int32_t> rows) = 0;
  virtual Tensor scale(const Tensor& x, double factor) = 0;
  virtual Tensor clamp(const Tensor& x, double limit) = 0;  ///< to [-limit, limit]
  /// Each row of x (T, D) times a vector (D), element by element.
  virtual Tensor multiply(const Tensor& x, const Weight& weight) = 0;
  /// Matrices of T rows side by side, then zeros up to `width` columns. -> (T, width)
  virtual Tensor join_columns(std::span<const Tensor> parts, std::int64_t width) = 0;
  /// Matrices of one width on top of each other.
  virtual Tensor join_rows(std::span<const Tensor> parts) = 0;
  /// Row t is the sum over j < `each` of weights[t * each + j] * x row rows[t * each + j], in the order of j: what mixes the
  /// outputs of experts. -> (rows / each, D)
  virtual Tensor blend_rows(const Tensor& x, std::span<const std::int32_t> rows, std::span<const double> weights,
                            int each) = 0;

  /// x (T, C), weight (C * kernel). -> (T, C). The state: kernel - 1 inputs of every channel.
  virtual Tensor short_conv(const Tensor& x, const Weight& weight, KvStore& store, int layer, const Batch& batch,
                            const ShortConvArgs& args) = 0;
  /// x (T, C) -> (T, C). The state: h (C, N).
  virtual Tensor selective_scan(const Tensor& x, KvStore& store, int layer, const Batch& batch,
                                const SelectiveScanArgs& args) = 0;
  /// qkv (T, 2 key_heads key_dim + value_heads value_dim): all queries, keys, values. -> (T, value_heads value_dim). The
  /// state: S of every value head.
  virtual Tensor gated_delta(const Tensor& qkv, KvStore& store, int layer, const Batch& batch,
                             const GatedDeltaArgs& args) = 0;

  /// Logits (T, V) = softcap(x W^T); softcap 0: none.
  virtual Tensor lm_head(const Tensor& x, const Weight& weight, double softcap = 0.0) = 0;

  /// The activation primitive on `rows` of x (T, D). `primitive` has passed validate_primitive for D.
  virtual PrimitiveResult primitive(const Tensor& x, const Primitive& primitive, std::span<const std::int32_t> rows) = 0;

  /// Projections of `rows` of x (T, D) on `directions` (n, D) as they are, handed to `sink` in the order of `rows`.
  /// The default reads x to the host and computes in f64. Errors (before the first row is handed on): invalid_input for
  /// directions that are not finite or not n rows of D; internal for rows outside x. NaN or Inf in x: invalid_input
  /// naming the row, after the rows before it.
  virtual Result<void> project(const Tensor& x, std::span<const double> directions, std::span<const std::int32_t> rows,
                               ProjectionSink& sink);

  virtual OpCounters take_counters() = 0;
  /// On that kind of device, whichever this object has.
  virtual CounterGaps counter_gaps(std::string_view device_kind) const {
    (void)device_kind;
    return host_counter_gaps();
  }
  /// Turns on what costs: the device is synchronised around every step, and OpCounters::device_s is filled in. On a host
  /// backend there is nothing to wait for, and device_s stays 0.
  virtual void profile_device(bool on) { (void)on; }
  /// The numerics (vauban/trace.h) that it was made for.
  virtual std::string_view numerics() const { return "exact"; }
  /// Whether it keeps the promise above: bits that do not depend on threads, batch, or prefill against decode. Traces
  /// record where it does not, and an audit then measures its noise floor.
  virtual bool invariant_bits() const { return true; }

  /// Training only: zeroes elements with probability `rate` and divides the others by 1 - rate. The identity elsewhere.
  virtual Tensor dropout(const Tensor& x, double rate) {
    (void)rate;
    return x;
  }
  /// What this backend adds for training (ops/gradients.h), owned by it; null when it cannot be trained on.
  virtual Gradients* gradients() { return nullptr; }
};

}  // namespace vauban
