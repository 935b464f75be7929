#include "model/decoder/attention.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "base/strings.h"
#include "model/decoder/description.h"

namespace vauban {
namespace {

Tensor clipped(Ops& ops, Tensor x, double limit) { return limit > 0.0 ? ops.clamp(x, limit) : x; }

/// Queries or keys of QkNorm::each_head have no weight in the norm itself.
NormSpec norm_spec_of(const AttentionSpec& spec) {
  NormSpec norm = spec.qk_norm_spec;
  if (spec.qk_norm == QkNorm::each_head) norm.weight = false;
  return norm;
}

class Attention final : public Block {
 public:
  explicit Attention(const AttentionSpec& spec) : spec_(spec) {}
  Result<void> load(const BlockLoader& loader);
  Tensor operator()(const Step& step, const Tensor& x) const override;
  void visit_weights(const WeightVisitor& visit) override;

 private:
  Result<void> load_projections(const BlockLoader& loader);
  Result<void> load_norms(const BlockLoader& loader);

  struct Parts {
    Tensor q, k, v;  ///< (T, H*d) (T, K*d) (T, K*d)
    Tensor gate;     ///< (T, H*d), or empty
  };
  Parts project(Ops& ops, const Tensor& x) const;
  /// x (T, n, d), normed where the model does so before it rotates.
  Tensor normed(Ops& ops, const Tensor& x, const Norm& norm, const Weight& each) const;

  AttentionSpec spec_;
  RopeSpec rope_;
  Linear q_, k_, v_, qkv_, o_;  // (H*d, D) (K*d, D) (K*d, D) ((H + 2K)*d, D) (D, H*d)
  Norm q_norm_, k_norm_;
  Weight q_each_, k_each_;      // (H*d) (K*d), of QkNorm::each_head
  Weight sinks_;                // (H)
};

}  // namespace

Tensor split_heads(const Tensor& x, std::int64_t heads, std::int64_t head_dim) {
  return x.reshaped({x.shape().rows(), heads, head_dim});
}

Tensor join_heads(const Tensor& x) { return x.reshaped({x.shape()[0], x.shape()[1] * x.shape()[2]}); }

void show_attention(const Step& step, const Tensor& q, const AttentionArgs& args) {
  const auto& [ops, store, batch, tap, layer] = step;
  const bool scores = tap.wants(Site::attn_scores, layer) && ops.supports(Op::attention_scores, Direction::forward);
  const bool pattern = tap.wants(Site::attn_pattern, layer) && ops.supports(Op::attention_pattern, Direction::forward);
  for (std::size_t s = 0; s < batch.sequences.size() && (scores || pattern); ++s) {
    if (scores)
      tap.observe_sequence(Site::attn_scores, layer, s, ops.attention_scores(q, store, layer, batch, s, args));
    if (pattern)
      tap.observe_sequence(Site::attn_pattern, layer, s, ops.attention_pattern(q, store, layer, batch, s, args));
  }
}

Tensor rotate(const Step& step, const Tensor& x, const RopeSpec& rope) {
  const Batch& batch = step.batch;
  if (!rope.by_length()) return step.ops.rope(x, batch.positions, rope.table);
  const auto positions_of = [&](const SequenceRows& rows) {
    return std::span(batch.positions).subspan(static_cast<std::size_t>(rows.first_row), static_cast<std::size_t>(rows.rows));
  };
  const auto table_of = [&](const SequenceRows& rows) {
    return rope.at(std::max(rows.length, rows.past + rows.rows));
  };
  if (batch.sequences.size() == 1)
    return step.ops.rope(x, positions_of(batch.sequences.front()), table_of(batch.sequences.front()));
  const std::int64_t width = x.shape()[1] * x.shape()[2];
  const Tensor flat = x.reshaped({x.shape()[0], width});
  std::vector<Tensor> parts;
  for (const SequenceRows& rows : batch.sequences) {
    std::vector<std::int32_t> own(static_cast<std::size_t>(rows.rows));
    std::iota(own.begin(), own.end(), rows.first_row);
    const Tensor part = step.ops.select_rows(flat, own).reshaped({rows.rows, x.shape()[1], x.shape()[2]});
    parts.push_back(step.ops.rope(part, positions_of(rows), table_of(rows)).reshaped({rows.rows, width}));
  }
  return step.ops.join_rows(parts).reshaped(x.shape());
}

namespace {

// ---- forward

Attention::Parts Attention::project(Ops& ops, const Tensor& x) const {
  const std::int64_t q_width = spec_.heads * spec_.head_dim, kv_width = spec_.kv_heads * spec_.head_dim;
  if (spec_.gated) {
    const std::int64_t rows = x.shape().rows(), d = spec_.head_dim;
    const Tensor both = q_(ops, x).reshaped({rows * spec_.heads, 2 * d});
    return {ops.columns(both, 0, d).reshaped({rows, q_width}), k_(ops, x), v_(ops, x), ops.columns(both, d, d).reshaped({rows, q_width})};
  }
  if (!spec_.fused)
    return {clipped(ops, q_(ops, x), spec_.clip), clipped(ops, k_(ops, x), spec_.clip), clipped(ops, v_(ops, x), spec_.clip), {}};
  const Tensor qkv = clipped(ops, qkv_(ops, x), spec_.clip);
  return {ops.columns(qkv, 0, q_width), ops.columns(qkv, q_width, kv_width), ops.columns(qkv, q_width + kv_width, kv_width), {}};
}

Tensor Attention::normed(Ops& ops, const Tensor& x, const Norm& norm, const Weight& each) const {
  const std::int64_t rows = x.shape()[0], heads = x.shape()[1], d = spec_.head_dim;
  switch (spec_.qk_norm) {
    case QkNorm::none:
      return x;
    case QkNorm::whole:
      return split_heads(norm(ops, join_heads(x)), heads, d);
    case QkNorm::per_head:
      return norm(ops, x.reshaped({rows * heads, d})).reshaped({rows, heads, d});
    case QkNorm::each_head: {
      const Tensor unit = norm(ops, x.reshaped({rows * heads, d})).reshaped({rows, heads * d});
      return split_heads(ops.multiply(unit, each), heads, d);
    }
  }
  return x;
}

Tensor Attention::operator()(const Step& step, const Tensor& x) const {
  const auto& [ops, store, batch, tap, layer] = step;
  const std::int64_t d = spec_.head_dim, heads = spec_.heads, kv_heads = spec_.kv_heads;
  const Parts parts = project(ops, x);
  Tensor q = tap.at(Site::q, layer, split_heads(parts.q, heads, d));            // (T, H, d)
  Tensor k = tap.at(Site::k, layer, split_heads(parts.k, kv_heads, d));         // (T, K, d)
  const Tensor v = tap.at(Site::v, layer, split_heads(parts.v, kv_heads, d));   // (T, K, d)
  q = normed(ops, q, q_norm_, q_each_);
  k = normed(ops, k, k_norm_, k_each_);
  if (spec_.rope >= 0) {
    q = tap.at(Site::q_rot, layer, rotate(step, q, rope_));
    k = tap.at(Site::k_rot, layer, rotate(step, k, rope_));
  }
  ops.kv_write(store, layer, k, v, batch);
  show_attention(step, q, spec_.args);
  const Tensor z = tap.at(Site::z, layer, ops.attention(q, store, layer, batch, spec_.args));  // (T, H, d)
  return o_(ops, spec_.gated ? ops.gated_activation(parts.gate, join_heads(z), Activation::sigmoid) : join_heads(z));
}

// ---- weights

Result<void> Attention::load_projections(const BlockLoader& loader) {
  const std::int64_t q_rows = spec_.heads * spec_.head_dim, kv_rows = spec_.kv_heads * spec_.head_dim;
  const auto& [weights, names, decoder, width, layer] = loader;
  if (spec_.fused) {
    TensorSpec qkv = loader.matrix(names.qkv, q_rows + 2 * kv_rows, width);
    qkv.heads = static_cast<int>(spec_.heads);
    qkv.kv_heads = static_cast<int>(spec_.kv_heads);
    if (spec_.grouped_in_hf) qkv.hf_rows = RowOrder::grouped_qkv;
    VB_TRY(qkv_, weights.linear(qkv, spec_.qkv_bias));
  } else {
    TensorSpec q = loader.matrix(names.q, spec_.gated ? 2 * q_rows : q_rows, width), k = loader.matrix(names.k, kv_rows, width);
    TensorSpec v = loader.matrix(names.v, kv_rows, width);
    if (spec_.split_in_gguf) {
      TensorSpec whole = loader.matrix(names.qkv, q_rows + 2 * kv_rows, width);
      whole.heads = static_cast<int>(spec_.heads);
      whole.kv_heads = static_cast<int>(spec_.kv_heads);
      whole.hf_rows = RowOrder::grouped_qkv;
      q.hf_whole = k.hf_whole = v.hf_whole = std::make_shared<const TensorSpec>(std::move(whole));
      k.hf_first = q_rows;
      v.hf_first = q_rows + kv_rows;
    }
    if (spec_.gguf_pairs) {
      q.gguf_rows = k.gguf_rows = RowOrder::interleaved_heads;
      q.heads = static_cast<int>(spec_.heads);
      k.heads = static_cast<int>(spec_.kv_heads);
    }
    VB_TRY(q_, weights.linear(q, spec_.qkv_bias));
    VB_TRY(k_, weights.linear(k, spec_.qkv_bias));
    VB_TRY(v_, weights.linear(v, spec_.qkv_bias));
  }
  VB_TRY(o_, weights.linear(loader.matrix(names.o, width, q_rows), spec_.out_bias));
  return ok();
}

Result<void> Attention::load_norms(const BlockLoader& loader) {
  const std::int64_t d = spec_.head_dim, q_rows = spec_.heads * d, kv_rows = spec_.kv_heads * d;
  const NormSpec norm = norm_spec_of(spec_);
  const bool whole = spec_.qk_norm == QkNorm::whole;
  VB_TRY(q_norm_, Norm::load(norm, loader.module(loader.names.q_norm, {whole ? q_rows : d}), loader.weights));
  VB_TRY(k_norm_, Norm::load(norm, loader.module(loader.names.k_norm, {whole ? kv_rows : d}), loader.weights));
  if (spec_.qk_norm != QkNorm::each_head) return ok();
  const auto each = [&](const ModuleName& name, std::int64_t heads) {
    TensorSpec weight = norm_weight_of(loader.module(name, {heads, d}));
    weight.flattened = true;
    if (!spec_.hf_norm_per_head.empty()) {
      weight.hf_rows_apart = true;
      weight.hf.insert(weight.hf.rfind('.'), spec_.hf_norm_per_head);
    }
    return weight;
  };
  VB_TRY(q_each_, loader.weights.get(each(loader.names.q_norm, spec_.heads)));
  VB_TRY(k_each_, loader.weights.get(each(loader.names.k_norm, spec_.kv_heads)));
  return ok();
}

Result<void> Attention::load(const BlockLoader& loader) {
  if (spec_.rope >= 0) rope_ = loader.decoder.ropes[static_cast<std::size_t>(spec_.rope)];
  VB_CHECK(load_projections(loader));
  if (spec_.qk_norm != QkNorm::none) VB_CHECK(load_norms(loader));
  if (spec_.sinks) {
    VB_TRY(sinks_, loader.weights.get(loader.module(loader.names.sinks, {spec_.heads})));
    spec_.args.sinks = &sinks_;
  }
  return ok();
}

void Attention::visit_weights(const WeightVisitor& visit) {
  if (spec_.fused) {
    qkv_.visit_weights(visit);
  } else {
    for (Linear* linear : {&q_, &k_, &v_}) linear->visit_weights(visit);
  }
  if (spec_.qk_norm != QkNorm::none) {
    q_norm_.visit_weights(visit);
    k_norm_.visit_weights(visit);
  }
  if (spec_.qk_norm == QkNorm::each_head) {
    visit(q_each_);
    visit(k_each_);
  }
  if (spec_.sinks) visit(sinks_);
  o_.visit_weights(visit);
}

}  // namespace

// ---- the spec

Result<std::unique_ptr<Block>> AttentionSpec::load(const BlockLoader& loader) const {
  auto block = std::make_unique<Attention>(*this);
  VB_CHECK(block->load(loader));
  return std::unique_ptr<Block>(std::move(block));
}

namespace {

std::vector<std::string> biased(bool in, bool out) {
  std::vector<std::string> names;
  if (in) names.insert(names.end(), {"q", "k", "v"});
  if (out) names.emplace_back("o");
  return names;
}

}  // namespace

void AttentionSpec::add_sites(std::vector<Site>& sites) const {
  sites.insert(sites.end(), {Site::q, Site::k, Site::v});
  if (rope >= 0) sites.insert(sites.end(), {Site::q_rot, Site::k_rot});
  sites.insert(sites.end(), {Site::attn_scores, Site::attn_pattern, Site::z});
}

void AttentionSpec::add_ops(std::vector<Op>& ops) const {
  ops.insert(ops.end(), {Op::linear, Op::attention});
  if (rope >= 0) ops.push_back(Op::rope);
  if (fused || gated) ops.push_back(Op::columns);
  if (gated) ops.push_back(Op::gated_activation);
  if (clip > 0.0) ops.push_back(Op::clamp);
  if (qk_norm != QkNorm::none) ops.push_back(op_of(qk_norm_spec.kind));
  if (qk_norm == QkNorm::each_head) ops.push_back(Op::multiply);
}

BlockDescription AttentionSpec::describe(const DecoderSpec& decoder, std::int64_t) const {
  BlockDescription out{.kind = "attention", .title = args.window > 0 ? "sliding attention" : "attention",
                       .kept_per_token = 2 * kv_heads * head_dim, .window = args.window};
  const std::string shared = kv_heads == heads ? "each its own keys" : kv_heads == 1 ? "one key head" : format("{} key heads", kv_heads);
  out.add("heads", heads, format("{} heads of {}, {}", heads, head_dim, shared));
  out.add("kv_heads", kv_heads);
  out.add("head_dim", head_dim);
  out.add("window", args.window > 0 ? Json(args.window) : Json(), args.window > 0 ? format("sees the last {} tokens", args.window) : "");
  out.add("rope", rope >= 0 ? rope_json(decoder.ropes[static_cast<std::size_t>(rope)]) : Json(),
          rope >= 0 ? "RoPE " + rope_text(decoder.ropes[static_cast<std::size_t>(rope)]) : args.alibi_slopes.empty() ? "no rotation" : "ALiBi");
  out.add("alibi", !args.alibi_slopes.empty());
  static constexpr std::string_view kNames[] = {"none", "per_head", "each_head", "whole"};
  out.add("qk_norm", kNames[static_cast<std::size_t>(qk_norm)],
          qk_norm == QkNorm::none ? "" : format("{} on queries and keys", title_of(qk_norm_spec.kind)));
  out.add("scale", args.scale);
  out.add("softcap", args.softcap > 0.0 ? Json(args.softcap) : Json(), args.softcap > 0.0 ? format("scores capped at {:g}", args.softcap) : "");
  out.add("clip", clip > 0.0 ? Json(clip) : Json(), clip > 0.0 ? format("q, k, v clamped to {:g}", clip) : "");
  out.add("gated", gated, gated ? "output gated by the query" : "");
  out.add("sinks", sinks, sinks ? "a sink per head" : "");
  out.add("fused", fused);
  out.add("biases", Json(biased(qkv_bias, out_bias)), biased(qkv_bias, out_bias).empty() ? "" : "biases on " + join(biased(qkv_bias, out_bias), ", "));
  return out;
}

}  // namespace vauban
