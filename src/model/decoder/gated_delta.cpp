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
  GatedDeltaSpec spec_;
  Linear qkvz_, ba_, out_;          // (2 keys + 2 values, D) (2 value heads, D) (D, values); rows by key head
  Weight conv_, log_a_, dt_bias_;   // (channels * kernel) (value heads) (value heads)
  Norm norm_;                       // (value_dim)
};

Tensor GatedDelta::operator()(const Step& step, const Tensor& x) const {
  const auto& [ops, store, batch, tap, layer] = step;
  const std::int64_t rows = x.shape().rows(), groups = spec_.key_heads, dk = spec_.key_dim;
  const std::int64_t each = spec_.value_heads / groups, group_values = each * spec_.value_dim;
  const Tensor qkvz = qkvz_(ops, x).reshaped({rows * groups, 2 * dk + 2 * group_values});
  const auto part = [&ops = ops, rows](const Tensor& from, std::int64_t begin, std::int64_t count, std::int64_t width) {
    return ops.columns(from, begin, count).reshaped({rows, width});
  };
  const std::vector<Tensor> parts{part(qkvz, 0, dk, spec_.keys()), part(qkvz, dk, dk, spec_.keys()),
                                  part(qkvz, 2 * dk, group_values, spec_.values())};
  const Tensor z = part(qkvz, 2 * dk + group_values, group_values, spec_.values());
  const Tensor ba = ba_(ops, x).reshaped({rows * groups, 2 * each});

  const Tensor qkv = ops.short_conv(ops.join_columns(parts, spec_.channels()), conv_, store, layer, batch,
                                    {.kernel = spec_.kernel, .silu = true});
  const Tensor y = ops.gated_delta(qkv, store, layer, batch,
                                   {.key_heads = static_cast<int>(spec_.key_heads),
                                    .value_heads = static_cast<int>(spec_.value_heads),
                                    .key_dim = static_cast<int>(dk),
                                    .value_dim = static_cast<int>(spec_.value_dim),
                                    .a = part(ba, each, each, spec_.value_heads),
                                    .b = part(ba, 0, each, spec_.value_heads),
                                    .log_a = &log_a_,
                                    .dt_bias = &dt_bias_});
  const Tensor normed = norm_(ops, y.reshaped({rows * spec_.value_heads, spec_.value_dim})).reshaped({rows, spec_.values()});
  return out_(ops, ops.gated_activation(z, normed, Activation::silu));
}

Result<void> GatedDelta::load(const BlockLoader& loader) {
  const auto& [weights, names, decoder, width, layer] = loader;
  VB_TRY(qkvz_, weights.linear(loader.matrix(names.delta_qkvz, 2 * spec_.keys() + 2 * spec_.values(), width), false));
  VB_TRY(ba_, weights.linear(loader.matrix(names.delta_ba, 2 * spec_.value_heads, width), false));
  VB_TRY(conv_, weights.get(conv_weight(loader, names.delta_conv, spec_.channels(), spec_.kernel)));
  VB_TRY(dt_bias_, weights.get(loader.module(names.delta_dt_bias, {spec_.value_heads})));
  VB_TRY(log_a_, weights.get(loader.module(names.delta_log_a, {spec_.value_heads})));
  VB_TRY(norm_, Norm::load(spec_.norm, loader.module(names.delta_norm, {spec_.value_dim}), weights));
  VB_TRY(out_, weights.linear(loader.matrix(names.delta_out, width, spec_.values()), false));
  return ok();
}

void GatedDelta::visit_weights(const WeightVisitor& visit) {
  qkvz_.visit_weights(visit);
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
