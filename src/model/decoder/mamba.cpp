#include "model/decoder/mamba.h"

#include <utility>

#include "model/decoder/description.h"
#include "model/decoder/short_conv.h"

namespace vauban {
namespace {

class Mamba final : public Block {
 public:
  explicit Mamba(const MambaSpec& spec) : spec_(spec) {}
  Result<void> load(const BlockLoader& loader);
  Tensor operator()(const Step& step, const Tensor& x) const override;
  void visit_weights(const WeightVisitor& visit) override;

 private:
  MambaSpec spec_;
  Linear in_, x_, dt_, out_;                  // (2I, D) (R + 2N, I) (I, R) (D, I)
  Weight conv_, conv_bias_, log_a_, skip_;    // (I * kernel) (I) (I * N) (I)
};

Tensor Mamba::operator()(const Step& step, const Tensor& x) const {
  const auto& [ops, store, batch, tap, layer] = step;
  const std::int64_t inner = spec_.inner, rank = spec_.rank, states = spec_.states;
  const Tensor both = in_(ops, x);  // (T, 2I)
  const Tensor u = ops.short_conv(ops.columns(both, 0, inner), conv_, store, layer, batch,
                                  {.kernel = spec_.kernel, .silu = true, .bias = spec_.conv_bias ? &conv_bias_ : nullptr});
  const Tensor narrow = x_(ops, u);  // (T, R + 2N)
  const Tensor y = ops.selective_scan(u, store, layer, batch,
                                      {.dt = dt_(ops, ops.columns(narrow, 0, rank)),
                                       .b = ops.columns(narrow, rank, states),
                                       .c = ops.columns(narrow, rank + states, states),
                                       .log_a = &log_a_,
                                       .skip = &skip_});
  return out_(ops, ops.gated_activation(ops.columns(both, inner, inner), y, Activation::silu));
}

Result<void> Mamba::load(const BlockLoader& loader) {
  const auto& [weights, names, decoder, width, layer] = loader;
  const std::int64_t inner = spec_.inner;
  VB_TRY(in_, weights.linear(loader.matrix(names.scan_in, 2 * inner, width), spec_.bias));
  VB_TRY(conv_, weights.get(conv_weight(loader, names.scan_conv, inner, spec_.kernel)));
  if (spec_.conv_bias) {
    VB_TRY(conv_bias_, weights.get(bias_of(loader.module(names.scan_conv, {inner}))));
  }
  VB_TRY(x_, weights.linear(loader.matrix(names.scan_x, spec_.rank + 2 * spec_.states, inner), false));
  VB_TRY(dt_, weights.linear(loader.matrix(names.scan_dt, inner, spec_.rank), true));
  TensorSpec log_a = loader.module(names.scan_log_a, {inner, spec_.states});
  log_a.flattened = log_a.gguf_negative_exp = true;
  VB_TRY(log_a_, weights.get(log_a));
  VB_TRY(skip_, weights.get(loader.module(names.scan_skip, {inner})));
  VB_TRY(out_, weights.linear(loader.matrix(names.scan_out, width, inner), spec_.bias));
  return ok();
}

void Mamba::visit_weights(const WeightVisitor& visit) {
  in_.visit_weights(visit);
  visit(conv_);
  if (spec_.conv_bias) visit(conv_bias_);
  x_.visit_weights(visit);
  dt_.visit_weights(visit);
  visit(log_a_);
  visit(skip_);
  out_.visit_weights(visit);
}

}  // namespace

Result<std::unique_ptr<Block>> MambaSpec::load(const BlockLoader& loader) const {
  auto block = std::make_unique<Mamba>(*this);
  VB_CHECK(block->load(loader));
  return std::unique_ptr<Block>(std::move(block));
}

void MambaSpec::add_ops(std::vector<Op>& ops) const {
  ops.insert(ops.end(), {Op::linear, Op::columns, Op::short_conv, Op::selective_scan, Op::gated_activation});
}

BlockDescription MambaSpec::describe(const DecoderSpec&, std::int64_t) const {
  BlockDescription out{.kind = "recurrence", .title = "selective state space"};
  out.add("inner", inner, format("{} channels of {} states", inner, states));
  out.add("states", states);
  out.add("rank", rank, format("step size through {}", rank));
  out.add("kernel", kernel, format("convolution over {} tokens", kernel));
  out.add("bias", bias, bias ? "biases" : "");
  return out;
}

}  // namespace vauban
