#include "model/decoder/mlp.h"

#include <utility>

#include "model/decoder/description.h"

namespace vauban {
namespace {

class Mlp final : public Block {
 public:
  explicit Mlp(const MlpSpec& spec) : spec_(spec) {}
  Result<void> load(const BlockLoader& loader);
  Tensor operator()(const Step& step, const Tensor& x) const override;
  void visit_weights(const WeightVisitor& visit) override;

 private:
  Tensor activated(const Step& step, const Tensor& x) const;

  MlpSpec spec_;
  Linear gate_, up_, gate_up_, down_;  // (F, D) (F, D) (2F, D) (D, F)
};

Tensor Mlp::activated(const Step& step, const Tensor& x) const {
  const auto& [ops, store, batch, tap, layer] = step;
  if (!spec_.gated) {
    const Tensor up = tap.at(Site::up, layer, up_(ops, x));  // (T, F)
    return ops.activation(up, spec_.activation);
  }
  Tensor gate, up;
  if (spec_.fused) {
    const Tensor both = gate_up_(ops, x);  // (T, 2F)
    gate = tap.at(Site::gate, layer, ops.columns(both, 0, spec_.width));
    up = tap.at(Site::up, layer, ops.columns(both, spec_.width, spec_.width));
  } else {
    gate = tap.at(Site::gate, layer, gate_(ops, x));
    up = tap.at(Site::up, layer, up_(ops, x));
  }
  return ops.gated_activation(gate, up, spec_.activation);
}

Tensor Mlp::operator()(const Step& step, const Tensor& x) const {
  return down_(step.ops, step.tap.at(Site::act, step.layer, activated(step, x)));
}

Result<void> Mlp::load(const BlockLoader& loader) {
  const auto& [weights, names, decoder, width, layer] = loader;
  if (spec_.gated && spec_.fused) {
    VB_TRY(gate_up_, weights.linear(loader.matrix(names.gate_up, 2 * spec_.width, width), spec_.in_bias));
  } else {
    if (spec_.gated) {
      VB_TRY(gate_, weights.linear(loader.matrix(names.gate, spec_.width, width), spec_.in_bias));
    }
    VB_TRY(up_, weights.linear(loader.matrix(names.up, spec_.width, width), spec_.in_bias));
  }
  VB_TRY(down_, weights.linear(loader.matrix(names.down, width, spec_.width), spec_.out_bias));
  return ok();
}

void Mlp::visit_weights(const WeightVisitor& visit) {
  if (spec_.gated && spec_.fused) {
    gate_up_.visit_weights(visit);
  } else {
    if (spec_.gated) gate_.visit_weights(visit);
    up_.visit_weights(visit);
  }
  down_.visit_weights(visit);
}

}  // namespace

Result<std::unique_ptr<Block>> MlpSpec::load(const BlockLoader& loader) const {
  auto block = std::make_unique<Mlp>(*this);
  VB_CHECK(block->load(loader));
  return std::unique_ptr<Block>(std::move(block));
}

void MlpSpec::add_sites(std::vector<Site>& sites) const {
  if (gated) sites.push_back(Site::gate);
  sites.insert(sites.end(), {Site::up, Site::act});
}

void MlpSpec::add_ops(std::vector<Op>& ops) const {
  ops.insert(ops.end(), {Op::linear, gated ? Op::gated_activation : Op::activation});
  if (gated && fused) ops.push_back(Op::columns);
}

BlockDescription MlpSpec::describe(const DecoderSpec&, std::int64_t d) const {
  BlockDescription out{.kind = "mlp", .title = gated ? "gated MLP" : "MLP"};
  out.add("width", width, format("{} → {} → {}", d, width, d));
  out.add("activation", title_of(activation), std::string(title_of(activation)));
  out.add("gated", gated);
  out.add("fused", fused);
  out.add("bias", in_bias || out_bias, in_bias || out_bias ? "biases" : "");
  return out;
}

}  // namespace vauban
