#include "backends/torch/torch_gradients.h"

#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <cmath>

#include "backends/torch/torch_math.h"
#include "base/rng.h"
#include "ops/checks.h"

namespace vauban::torch_backend {
namespace {

using Values = std::vector<at::Tensor>;

/// Elements of the head's logits that exist at a time: 4 MiB of f32, and as much again for each step of its derivative.
constexpr std::int64_t kLogitElements = std::int64_t{1} << 20;

/// Gradients of sum(dy * f(inputs)) by each input, by LibTorch's autograd. Zeros where f does not depend on one.
Values pulled_back(const Values& inputs, const at::Tensor& dy, const std::function<at::Tensor(const Values&)>& f) {
  const c10::AutoGradMode graph(true);
  Values leaves;
  for (const at::Tensor& input : inputs) leaves.push_back(input.detach().requires_grad_(true));
  Values gradients = torch::autograd::grad({f(leaves)}, leaves, {dy.detach()}, {}, false, true);
  for (std::size_t i = 0; i < gradients.size(); ++i)
    if (!gradients[i].defined()) gradients[i] = at::zeros_like(leaves[i]);
  return gradients;
}

at::Tensor pulled_back(const at::Tensor& input, const at::Tensor& dy,
                       const std::function<at::Tensor(const at::Tensor&)>& f) {
  return pulled_back(Values{input}, dy, [&](const Values& in) { return f(in.front()); }).front();
}

Shape flat(const Tensor& x) { return {x.shape().rows(), x.shape().width()}; }

}  // namespace

Result<void> TorchGradients::fit(std::string_view op, std::initializer_list<Operand> operands) const {
  for (const auto& [tensor, shape] : operands)
    if (tensor && (tensor->empty() || tensor->shape() != shape))
      return internal("{}: expected an operand of {}, found {}", op, shape.to_string(), tensor->shape().to_string());
  return ok();
}

void TorchGradients::add_to(Tensor* gradient, const at::Tensor& value) {
  if (gradient) in(*gradient).add_(value.detach().reshape(sizes_of(gradient->shape())));
}

Result<Weight> TorchGradients::make_parameter(std::string name, const TensorView& initial) {
  VB_CHECK(check_weight(name, initial));
  VB_TRY(const std::vector<float> values, decode_f32(initial), "in weight '{}'", name);
  const auto bad = std::find_if(values.begin(), values.end(), [](float value) { return !std::isfinite(value); });
  if (bad != values.end()) return corrupt("weight '{}': element {} is {}", name, bad - values.begin(), *bad);
  Weight weight{.name = std::move(name), .dtype = DType::f32, .shape = initial.shape, .tensor = {}, .keep_alive = {}};
  try {
    weight.tensor = ops_.bridge_.wrap(ops_.bridge_.copy_in(values.data(), sizes_of(initial.shape), at::kFloat), initial.shape);
    return weight;
  } catch (const std::exception& thrown) {
    return with_context(error_from(thrown), format("while making parameter '{}' of {}", weight.name, initial.shape.to_string()));
  }
}

void TorchGradients::clear(Tensor& gradient) {
  if (!gradient.empty()) ops_.guarded([&] { in(gradient).zero_(); });
}

Tensor TorchGradients::zeros(const Shape& shape) {
  return ops_.run(shape, ok(), {}, [&] {
    return at::zeros(sizes_of(shape), at::TensorOptions(ops_.bridge_.device()).dtype(at::kFloat));
  });
}

Tensor TorchGradients::scaled(const Tensor& x, double factor) {
  return ops_.run(x.shape(), ok(), {&x}, [&] { return in(x) * factor; });
}

Tensor TorchGradients::masked(const Tensor& x, double rate, const DropoutKey& key) {
  Result<void> check = ok();
  if (!(rate >= 0.0 && rate < 1.0)) check = internal("dropout: expected a rate in [0, 1), found {}", rate);
  return ops_.run(x.shape(), std::move(check), {&x}, [&] {
    Rng rng(key.seed, key.stream);
    std::vector<float> factors(static_cast<std::size_t>(x.shape().elements()));
    for (float& factor : factors) factor = rng.uniform() >= rate ? static_cast<float>(1.0 / (1.0 - rate)) : 0.0F;
    return in(x) * ops_.bridge_.copy_in(factors.data(), sizes_of(x.shape()), at::kFloat);
  });
}

void TorchGradients::embed_backward(const Tensor& dy, std::span<const std::int32_t> ids, Tensor& dtable) {
  const std::int64_t width = dtable.shape().width();
  if (!ops_.accept(fit("embed_backward", {{&dy, {std::ssize(ids), width}}}))) return;
  if (!ops_.accept(check_indices(ErrorCode::internal, "token id", ids, dtable.shape().rows()))) return;
  ops_.guarded([&] { in(dtable).index_add_(0, ops_.indices(ids), in(dy)); });
}

Tensor TorchGradients::linear_input_backward(const Tensor& dy, const Weight& weight) {
  Result<void> check = weight.shape.rank() == 2 ? ok() : Result<void>(internal("linear_input_backward: '{}' is {}", weight.name, weight.shape.to_string()));
  if (check) check = fit("linear_input_backward", {{&dy, {dy.shape().rows(), weight.shape[0]}}});
  return ops_.run({dy.shape().rows(), weight.shape.width()}, std::move(check), {&dy},
                  [&] { return at::matmul(ops_.operand(in(dy)), ops_.operand(ops_.weight_of(weight))); });
}

void TorchGradients::linear_weight_backward(const Tensor& dy, const Tensor& x, Tensor& dw) {
  const std::int64_t rows = x.shape().rows();
  if (!ops_.accept(fit("linear_weight_backward", {{&dw, {dy.shape().width(), x.shape().width()}}}))) return;
  if (dy.shape().rows() != rows)
    return void(ops_.accept(internal("linear_weight_backward: {} rows of dy, {} of x", dy.shape().rows(), rows)));
  ops_.guarded([&] {
    add_to(&dw, at::matmul(ops_.operand(in(dy)).reshape(sizes_of(flat(dy))).t(),
                           ops_.operand(in(x)).reshape(sizes_of(flat(x)))));
  });
}

void TorchGradients::bias_backward(const Tensor& dy, Tensor& db) {
  if (!ops_.accept(fit("bias_backward", {{&db, {dy.shape().width()}}}))) return;
  ops_.guarded([&] { add_to(&db, in(dy).reshape(sizes_of(flat(dy))).sum(0)); });
}

Tensor TorchGradients::rms_norm_backward(const Tensor& dy, const Tensor& x, const Weight& weight, double epsilon,
                                         Tensor* dw) {
  Result<void> check = check_norm(x, weight);
  if (check) check = fit("rms_norm_backward", {{&dy, x.shape()}, {dw, weight.shape}});
  return ops_.run(x.shape(), std::move(check), {&dy, &x}, [&] {
    const Values d = pulled_back({in(x), ops_.weight_of(weight)}, in(dy), [&](const Values& v) {
      return torch_backend::rms_norm(v[0], v[1], epsilon);
    });
    add_to(dw, d[1]);
    return d[0];
  });
}

Tensor TorchGradients::layer_norm_backward(const Tensor& dy, const Tensor& x, const Weight& weight, double epsilon,
                                           Tensor* dw, Tensor* db) {
  Result<void> check = check_norm(x, weight);
  if (check) check = fit("layer_norm_backward", {{&dy, x.shape()}, {dw, weight.shape}, {db, weight.shape}});
  return ops_.run(x.shape(), std::move(check), {&dy, &x}, [&] {
    const Values d = pulled_back({in(x), ops_.weight_of(weight)}, in(dy), [&](const Values& v) {
      return torch_backend::layer_norm(v[0], v[1], none(), epsilon);
    });
    add_to(dw, d[1]);
    if (db) add_to(db, in(dy).reshape({dy.shape().rows(), dy.shape().width()}).sum(0));
    return d[0];
  });
}

Tensor TorchGradients::rope_backward(const Tensor& dy, std::span<const std::int32_t> positions, const RopeTable& table) {
  return ops_.run(dy.shape(), check_rope(dy, positions, table), {&dy}, [&] {
    const RopeTurns& angles = ops_.turns(positions, table);
    return pulled_back(in(dy), in(dy), [&](const at::Tensor& x) {
      return torch_backend::rope(x, angles.cosine, angles.sine, table.layout);
    });
  });
}

TrainingAttention TorchGradients::attention(const Tensor& q, const Tensor& k, const Tensor& v, const Batch& batch,
                                            const AttentionArgs& args) {
  TrainingAttention out{.z = zeros(q.shape()), .log_sum_exp = zeros({q.shape()[0], args.heads})};
  const Shape kv{q.shape()[0], args.kv_heads, args.head_dim};
  if (!ops_.accept(check_training_attention(q, batch, args)) || !ops_.accept(fit("attention", {{&q, {q.shape()[0], args.heads, args.head_dim}}, {&k, kv}, {&v, kv}}))) return out;
  ops_.guarded([&] {
    const ScoreTerms terms = ops_.score_terms(args);
    for (const SequenceRows& document : batch.sequences) {
      if (document.rows == 0) continue;
      const auto rows = [&](const Tensor& x) { return in(x).narrow(0, document.first_row, document.rows); };
      const at::Tensor scores = attention_scores(rows(q), rows(k), document, args, terms);
      in(out.z).narrow(0, document.first_row, document.rows).copy_(attention_mix(attention_weights(scores, terms), rows(v), args));
      in(out.log_sum_exp).narrow(0, document.first_row, document.rows).copy_(attention_log_sums(scores, terms).t());
    }
  });
  return out;
}

AttentionGradients TorchGradients::attention_backward(const Tensor& dz, const Tensor& q, const Tensor& k,
                                                      const Tensor& v, const TrainingAttention&, const Batch& batch,
                                                      const AttentionArgs& args, Tensor* dsinks) {
  AttentionGradients out{.q = zeros(q.shape()), .k = zeros(k.shape()), .v = zeros(v.shape())};
  const Shape kv{q.shape()[0], args.kv_heads, args.head_dim};
  if (!ops_.accept(check_training_attention(q, batch, args)) || !ops_.accept(fit("attention_backward", {{&dz, q.shape()}, {&k, kv}, {&v, kv}, {dsinks, {args.heads}}}))) return out;
  ops_.guarded([&] {
    const ScoreTerms terms = ops_.score_terms(args);
    for (const SequenceRows& document : batch.sequences) {
      if (document.rows == 0) continue;
      const auto rows = [&](const Tensor& x) { return in(x).narrow(0, document.first_row, document.rows); };
      Values inputs{rows(q), rows(k), rows(v)};
      if (terms.sinks.defined()) inputs.push_back(terms.sinks);
      const Values d = pulled_back(inputs, rows(dz), [&](const Values& x) {
        const ScoreTerms own{.alibi_slopes = terms.alibi_slopes, .sinks = x.size() > 3 ? x[3] : none()};
        return attention_mix(attention_weights(attention_scores(x[0], x[1], document, args, own), own), x[2], args);
      });
      if (terms.sinks.defined()) add_to(dsinks, d[3]);
      rows(out.q).copy_(d[0]);
      rows(out.k).copy_(d[1]);
      rows(out.v).copy_(d[2]);
    }
  });
  return out;
}

Tensor TorchGradients::activation_backward(const Tensor& dy, const Tensor& x, Activation activation) {
  Result<void> check = check_activation(activation);
  if (check) check = fit("activation_backward", {{&dy, x.shape()}});
  return ops_.run(x.shape(), std::move(check), {&dy, &x}, [&] {
    return pulled_back(in(x), in(dy), [&](const at::Tensor& v) { return activate(v, activation); });
  });
}

Tensor TorchGradients::clamp_backward(const Tensor& dy, const Tensor& x, double limit) {
  Result<void> check = check_clamp(x, limit);
  if (check) check = fit("clamp_backward", {{&dy, x.shape()}});
  return ops_.run(x.shape(), std::move(check), {&dy, &x}, [&] {
    return pulled_back(in(x), in(dy), [&](const at::Tensor& v) { return at::clamp(v, -limit, limit); });
  });
}

Tensor TorchGradients::multiply_backward(const Tensor& dy, const Tensor& x, const Weight& weight, Tensor* dw) {
  Result<void> check = check_multiply(x, weight);
  if (check) check = fit("multiply_backward", {{&dy, x.shape()}, {dw, weight.shape}});
  return ops_.run(x.shape(), std::move(check), {&dy, &x}, [&] {
    const Values d = pulled_back({in(x), ops_.weight_of(weight)}, in(dy), [](const Values& v) { return v[0] * v[1]; });
    add_to(dw, d[1]);
    return d[0];
  });
}

GateGradients TorchGradients::gated_activation_backward(const Tensor& dy, const Tensor& gate, const Tensor& up,
                                                        Activation activation) {
  GateGradients out;
  const Result<void> check = fit("gated_activation_backward", {{&dy, gate.shape()}, {&up, gate.shape()}});
  at::Tensor dup;
  out.gate = ops_.run(gate.shape(), check, {&dy, &gate, &up}, [&] {
    const Values d = pulled_back({in(gate), in(up)}, in(dy), [&](const Values& v) { return activate_gated(v[0], v[1], activation); });
    dup = d[1];
    return d[0];
  });
  out.up = ops_.run(up.shape(), ok(), {&out.gate}, [&] { return dup; });
  return out;
}

Tensor TorchGradients::columns_backward(const Tensor& dy, std::int64_t begin, std::int64_t width) {
  const Shape shape = with_width(dy.shape(), width);
  Result<void> check = ok();
  if (begin < 0 || dy.shape().width() > width - begin)
    check = internal("columns_backward: {} from {} of a width of {}", dy.shape().width(), begin, width);
  return ops_.run(shape, std::move(check), {&dy}, [&] {
    return at::constant_pad_nd(in(dy), {begin, width - begin - dy.shape().width()});
  });
}

Tensor TorchGradients::select_rows_backward(const Tensor& dy, std::span<const std::int32_t> rows,
                                            std::int64_t total_rows) {
  const Shape shape = with_rows(dy.shape(), total_rows);
  Result<void> check = check_indices(ErrorCode::internal, "row", rows, total_rows);
  if (check && dy.shape()[0] != std::ssize(rows))
    check = internal("select_rows_backward: {} rows of dy, {} were selected", dy.shape()[0], rows.size());
  return ops_.run(shape, std::move(check), {&dy}, [&] {
    const at::Tensor d = in(dy);
    return at::zeros(sizes_of(shape), d.options()).index_add_(0, ops_.indices(rows), d);
  });
}

HeadResult TorchGradients::head(const Tensor& x, const Weight& weight, double softcap,
                                std::span<const std::int32_t> targets, std::span<const double> coefficients,
                                Tensor* dw) {
  HeadResult result;
  const std::int64_t rows = x.shape().rows(), vocabulary = weight.shape.rank() == 2 ? weight.shape[0] : 0;
  Result<void> check = check_linear(x, weight, nullptr);
  if (check) check = check_indices(ErrorCode::invalid_input, "target", targets, vocabulary);
  if (check && (std::ssize(targets) != rows || (!coefficients.empty() && std::ssize(coefficients) != rows)))
    check = internal("head: {} targets and {} coefficients for {} rows", targets.size(), coefficients.size(), rows);
  if (check) check = fit("head", {{dw, weight.shape}});
  if (!ops_.accept(std::move(check))) return result;
  const bool backward = !coefficients.empty();
  if (backward) result.dx = zeros(x.shape());
  ops_.guarded([&] {
    const at::Tensor w = ops_.operand(ops_.weight_of(weight));
    const std::int64_t step = std::max<std::int64_t>(1, kLogitElements / std::max<std::int64_t>(1, vocabulary));
    for (std::int64_t begin = 0; begin < rows; begin += step) {
      const std::int64_t count = std::min(step, rows - begin);
      const auto part = [&](auto span) { return span.subspan(static_cast<std::size_t>(begin), static_cast<std::size_t>(count)); };
      const at::Tensor picks = ops_.indices(part(targets)).unsqueeze(1);
      const auto logprobs = [&](const at::Tensor& products) {
        return at::log_softmax(capped(products, softcap), -1).gather(1, picks).squeeze(1);
      };
      const at::Tensor chunk = ops_.operand(in(x).reshape({rows, weight.shape[1]}).narrow(0, begin, count).detach());
      const at::Tensor products = at::linear(chunk, w.detach());
      const at::Tensor found = ops_.bridge_.copy_out(logprobs(products));
      result.logprobs.insert(result.logprobs.end(), found.data_ptr<double>(), found.data_ptr<double>() + count);
      if (!backward) continue;
      const at::Tensor dy = ops_.floats(part(coefficients), {count});
      const at::Tensor d = ops_.operand(pulled_back(products, dy, logprobs));
      in(result.dx).view({rows, weight.shape[1]}).narrow(0, begin, count).copy_(at::matmul(d, w.detach()));
      if (dw) add_to(dw, at::matmul(d.t(), chunk));
    }
  });
  return result;
}

Tensor TorchGradients::lm_head_backward(const Tensor& dlogits, const Tensor& logits, const Tensor& x,
                                        const Weight& weight, double softcap, Tensor* dw) {
  Result<void> check = check_linear(x, weight, nullptr);
  if (check) check = fit("lm_head_backward", {{&dlogits, logits.shape()}, {dw, weight.shape}});
  return ops_.run(x.shape(), std::move(check), {&dlogits, &x}, [&] {
    const at::Tensor rows = ops_.operand(in(x).detach()).reshape(sizes_of(flat(x)));
    const at::Tensor w = ops_.operand(ops_.weight_of(weight).detach());
    at::Tensor d = in(dlogits).reshape(sizes_of(flat(dlogits)));
    if (softcap != 0.0)
      d = pulled_back(at::linear(rows, w), d, [&](const at::Tensor& products) { return capped(products, softcap); });
    d = ops_.operand(d);
    if (dw) add_to(dw, at::matmul(d.t(), rows));
    return at::matmul(d, w);
  });
}

Tensor TorchGradients::primitive_backward(const Tensor& dy, const Tensor& x, const Primitive& primitive,
                                          std::span<const std::int32_t> rows) {
  Result<void> check = fit("primitive_backward", {{&dy, x.shape()}});
  if (check) check = check_indices(ErrorCode::internal, "row", rows, x.shape().rows());
  return ops_.run(x.shape(), std::move(check), {&dy, &x}, [&] {
    const std::array size{x.shape().rows(), x.shape().width()};
    const at::Tensor picks = ops_.indices(rows), slopes = in(dy).reshape(size);
    const at::Tensor basis = ops_.basis_of(primitive), gate = ops_.gate_of(primitive);
    const at::Tensor d = pulled_back(in(x).reshape(size).index_select(0, picks), slopes.index_select(0, picks),
                                     [&](const at::Tensor& h) {
                                       return h + at::matmul(primitive_edit(h, primitive, basis, gate).moves, basis);
                                     });
    return slopes.index_copy(0, picks, d);
  });
}

}  // namespace vauban::torch_backend
