#include "model/decoder/short_conv.h"

#include <utility>

#include "model/decoder/description.h"

namespace vauban {

TensorSpec conv_weight(const BlockLoader& loader, const ModuleName& name, std::int64_t channels, int kernel) {
  TensorSpec spec = weight_of(loader.module(name, {channels, kernel}));
  spec.role = TensorRole::other;
  spec.hf_middle_one = spec.flattened = true;
  return spec;
}

namespace {

class ShortConv final : public Block {
 public:
  explicit ShortConv(const ShortConvSpec& spec) : spec_(spec) {}
  Result<void> load(const BlockLoader& loader);
  Tensor operator()(const Step& step, const Tensor& x) const override;
  void visit_weights(const WeightVisitor& visit) override;

 private:
  ShortConvSpec spec_;
  Linear in_, out_;       // (3D, D) (D, D)
  Weight conv_, bias_;    // (D * kernel) (D)
};

Tensor ShortConv::operator()(const Step& step, const Tensor& x) const {
  const auto& [ops, store, batch, tap, layer] = step;
  const Tensor bcx = in_(ops, x);  // (T, 3D)
  const Tensor b = ops.columns(bcx, 0, spec_.width), c = ops.columns(bcx, spec_.width, spec_.width);
  const Tensor y = ops.short_conv(ops.columns(bcx, 2 * spec_.width, spec_.width), conv_, store, layer, batch,
                                  {.kernel = spec_.kernel, .silu = false, .bias = spec_.bias ? &bias_ : nullptr, .in = &b, .out = &c});
  return out_(ops, y);
}

Result<void> ShortConv::load(const BlockLoader& loader) {
  const auto& [weights, names, decoder, width, layer] = loader;
  VB_TRY(in_, weights.linear(loader.matrix(names.conv_in, 3 * width, width), spec_.bias));
  VB_TRY(conv_, weights.get(conv_weight(loader, names.conv, width, spec_.kernel)));
  if (spec_.bias) {
    VB_TRY(bias_, weights.get(bias_of(loader.module(names.conv, {width}))));
  }
  VB_TRY(out_, weights.linear(loader.matrix(names.conv_out, width, width), spec_.bias));
  return ok();
}

void ShortConv::visit_weights(const WeightVisitor& visit) {
  in_.visit_weights(visit);
  visit(conv_);
  if (spec_.bias) visit(bias_);
  out_.visit_weights(visit);
}

}  // namespace

Result<std::unique_ptr<Block>> ShortConvSpec::load(const BlockLoader& loader) const {
  auto block = std::make_unique<ShortConv>(*this);
  VB_CHECK(block->load(loader));
  return std::unique_ptr<Block>(std::move(block));
}

void ShortConvSpec::add_ops(std::vector<Op>& ops) const { ops.insert(ops.end(), {Op::linear, Op::columns, Op::short_conv}); }

BlockDescription ShortConvSpec::describe(const DecoderSpec&, std::int64_t) const {
  BlockDescription out{.kind = "recurrence", .title = "gated short convolution"};
  out.add("channels", width, format("{} channels", width));
  out.add("kernel", kernel, format("over {} tokens", kernel));
  out.add("bias", bias, bias ? "biases" : "");
  return out;
}

}  // namespace vauban
