#include "model/decoder/gated_delta.h"

#include <utility>

#include "model/decoder/description.h"
#include "model/decoder/short_conv.h"

namespace vauban {
namespace {

class GatedDelta final : public Block {
 public:
  explicit GatedDelta(const GatedDeltaSpec& spec) : spec_(spec) {}
  Result<void> load(const BlockLoader& loader);
  Tensor operator()(const Step& step, const Tensor& x) const override;
  void visit_weights(const WeightVisitor& visit) override;

 private:
  Result<void> load_projections(const BlockLoader& loader);

  struct Parts {
    Tensor qkv, z;  ///< (T, channels) (T, values)
  };
  Parts project(Ops& ops, const Tensor& x) const;
  /// Of each key head's group, `count` columns: (T * key heads, ...) -> (T, key heads * count).
  Tensor of_groups(Ops& ops, const Tensor& from, std::int64_t begin, std::int64_t count) const {
    return ops.columns(from, begin, count).reshaped({from.shape().rows() / spec_.key_heads, spec_.key_heads * count});
  }

  GatedDeltaSpec spec_;
  Linear qkvz_, qkv_, z_;           // (2 keys + 2 values, D), rows by key head; or (channels, D) (values, D)
  Linear ba_, out_;                 // (2 value heads, D), rows by key head; (D, values)
  Weight conv_, log_a_, dt_bias_;   // (channels * kernel) (value heads) (value heads)
  Norm norm_;                       // (value_dim)
};

GatedDelta::Parts GatedDelta::project(Ops& ops, const Tensor& x) const {
  if (spec_.split_in_gguf) return {qkv_(ops, x), z_(ops, x)};
  const std::int64_t dk = spec_.key_dim, group_values = spec_.values() / spec_.key_heads;
  const Tensor qkvz = qkvz_(ops, x).reshaped({x.shape().rows() * spec_.key_heads, 2 * dk + 2 * group_values});
  const std::vector<Tensor> parts{of_groups(ops, qkvz, 0, dk), of_groups(ops, qkvz, dk, dk), of_groups(ops, qkvz, 2 * dk, group_values)};
  return {ops.join_columns(parts, spec_.channels()), of_groups(ops, qkvz, 2 * dk + group_values, group_values)};
}

Tensor GatedDelta::operator()(const Step& step, const Tensor& x) const {
  const auto& [ops, store, batch, tap, layer] = step;
  const std::int64_t rows = x.shape().rows(), groups = spec_.key_heads, each = spec_.value_heads / groups;
  const Parts parts = project(ops, x);
  const Tensor ba = ba_(ops, x).reshaped({rows * groups, 2 * each});

  const Tensor qkv = ops.short_conv(parts.qkv, conv_, store, layer, batch, {.kernel = spec_.kernel, .silu = true});
  const Tensor y = ops.gated_delta(qkv, store, layer, batch,
                                   {.key_heads = static_cast<int>(spec_.key_heads),
                                    .value_heads = static_cast<int>(spec_.value_heads),
                                    .key_dim = static_cast<int>(spec_.key_dim),
                                    .value_dim = static_cast<int>(spec_.value_dim),
                                    .a = of_groups(ops, ba, each, each),
                                    .b = of_groups(ops, ba, 0, each),
                                    .log_a = &log_a_,
                                    .dt_bias = &dt_bias_});
  const Tensor normed = norm_(ops, y.reshaped({rows * spec_.value_heads, spec_.value_dim})).reshaped({rows, spec_.values()});
  return out_(ops, ops.gated_activation(parts.z, normed, Activation::silu));
}

Result<void> GatedDelta::load_projections(const BlockLoader& loader) {
  const auto& [weights, names, decoder, width, layer] = loader;
  TensorSpec whole = loader.matrix(names.delta_qkvz, spec_.channels() + spec_.values(), width);
  if (!spec_.split_in_gguf) {
    VB_TRY(qkvz_, weights.linear(whole, false));
    return ok();
  }
  whole.hf_rows = RowOrder::grouped_qkvz;
  whole.heads = static_cast<int>(spec_.value_heads);
  whole.kv_heads = static_cast<int>(spec_.key_heads);
  TensorSpec qkv = loader.matrix(names.delta_qkv, spec_.channels(), width), z = loader.matrix(names.delta_z, spec_.values(), width);
  qkv.hf_whole = z.hf_whole = std::make_shared<const TensorSpec>(std::move(whole));
  z.hf_first = spec_.channels();
  VB_TRY(qkv_, weights.linear(qkv, false));
  VB_TRY(z_, weights.linear(z, false));
  return ok();
}

Result<void> GatedDelta::load(const BlockLoader& loader) {
  const auto& [weights, names, decoder, width, layer] = loader;
  VB_CHECK(load_projections(loader));
  VB_TRY(ba_, weights.linear(loader.matrix(names.delta_ba, 2 * spec_.value_heads, width), false));
  VB_TRY(conv_, weights.get(conv_weight(loader, names.delta_conv, spec_.channels(), spec_.kernel)));
  VB_TRY(dt_bias_, weights.get(loader.module(names.delta_dt_bias, {spec_.value_heads})));
  TensorSpec log_a = loader.module(names.delta_log_a, {spec_.value_heads});
  log_a.gguf_negative_exp = true;
  VB_TRY(log_a_, weights.get(log_a));
  VB_TRY(norm_, Norm::load(spec_.norm, loader.module(names.delta_norm, {spec_.value_dim}), weights));
  VB_TRY(out_, weights.linear(loader.matrix(names.delta_out, width, spec_.values()), false));
  return ok();
}

void GatedDelta::visit_weights(const WeightVisitor& visit) {
  if (spec_.split_in_gguf) {
    qkv_.visit_weights(visit);
    z_.visit_weights(visit);
  } else {
    qkvz_.visit_weights(visit);
  }
  ba_.visit_weights(visit);
  visit(conv_);
  visit(dt_bias_);
  visit(log_a_);
  norm_.visit_weights(visit);
  out_.visit_weights(visit);
}

}  // namespace

Result<std::unique_ptr<Block>> GatedDeltaSpec::load(const BlockLoader& loader) const {
  auto block = std::make_unique<GatedDelta>(*this);
  VB_CHECK(block->load(loader));
  return std::unique_ptr<Block>(std::move(block));
}

void GatedDeltaSpec::add_ops(std::vector<Op>& ops) const {
  ops.insert(ops.end(), {Op::linear, Op::columns, Op::join_columns, Op::short_conv, Op::gated_delta, Op::gated_activation,
                         op_of(norm.kind)});
}

BlockDescription GatedDeltaSpec::describe(const DecoderSpec&, std::int64_t) const {
  BlockDescription out{.kind = "recurrence", .title = "gated delta net"};
  out.add("key_heads", key_heads, format("{} key heads of {}", key_heads, key_dim));
  out.add("key_dim", key_dim);
  out.add("value_heads", value_heads, format("{} value heads of {}", value_heads, value_dim));
  out.add("value_dim", value_dim);
  out.add("kernel", kernel, format("convolution over {} tokens", kernel));
  out.add("norm", title_of(norm.kind));
  return out;
}

}  // namespace vauban
