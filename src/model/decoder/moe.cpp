#include "model/decoder/moe.h"

#include <cmath>
#include <utility>

#include "model/decoder/description.h"

namespace vauban {
namespace {

/// One gated MLP.
struct Expert {
  Linear gate, up, gate_up, down;  // (F, D) (F, D), or both fused (2F, D); (D, F)

  Tensor operator()(Ops& ops, const Tensor& x, Activation activation) const {
    if (gate_up.weight.empty()) return down(ops, ops.gated_activation(gate(ops, x), up(ops, x), activation));
    const Tensor both = gate_up(ops, x);
    const std::int64_t width = both.shape().width() / 2;
    return down(ops, ops.gated_activation(ops.columns(both, 0, width), ops.columns(both, width, width), activation));
  }
  void visit_weights(const WeightVisitor& visit) {
    for (Linear* linear : {&gate, &up, &gate_up, &down})
      if (!linear->weight.empty()) linear->visit_weights(visit);
  }
};

std::string with_expert(std::string name, std::int64_t expert) {
  if (const std::size_t at = name.find("{}"); at != std::string::npos) name.replace(at, 2, std::to_string(expert));
  return name;
}

class Moe final : public Block {
 public:
  explicit Moe(const MoeSpec& spec) : spec_(spec) {}
  Result<void> load(const BlockLoader& loader);
  Tensor operator()(const Step& step, const Tensor& x) const override;
  void visit_weights(const WeightVisitor& visit) override;

 private:
  Result<Expert> load_expert(const BlockLoader& loader, std::int64_t index) const;
  void place_in_hf_stack(const BlockLoader& loader, const ModuleName& name, std::int64_t index, TensorSpec& spec) const;
  Result<Expert> load_from_stack(const BlockLoader& loader, std::int64_t index) const;
  Routed routed(const Step& step, const Tensor& x) const;
  Tensor mixed(Ops& ops, const Tensor& x, const Routed& routed) const;
  Tensor shared(Ops& ops, const Tensor& x) const;

  MoeSpec spec_;
  Linear router_;           // (E, D)
  Weight correction_;       // (E)
  std::vector<Expert> experts_;
  Expert shared_;
  Linear shared_gate_;      // (1, D)
};

// ---- forward

Tensor host_rows(const Ops& ops, std::int64_t rows, std::span<const double> values) {
  const Tensor out = make_host_tensor(ops.activation_dtype(), {rows, std::ssize(values) / std::max<std::int64_t>(rows, 1)});
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (out.dtype() == DType::f64) out.as<double>()[i] = values[i];
    else out.as<float>()[i] = static_cast<float>(values[i]);
  }
  return out;
}

Routed Moe::routed(const Step& step, const Tensor& x) const {
  const Tensor logits = step.tap.at(Site::router_logits, step.layer, router_(step.ops, x));  // (T, E)
  const std::vector<double> correction = spec_.correction ? to_f64(correction_.tensor) : std::vector<double>();
  Routed routed = route(spec_.routing, to_f64(logits), correction);
  const std::int64_t rows = x.shape().rows();
  if (step.tap.wants(Site::router_topk, step.layer)) {
    const std::vector<double> ids(routed.experts.begin(), routed.experts.end());
    step.tap.at(Site::router_topk, step.layer, host_rows(step.ops, rows, ids));
  }
  if (step.tap.wants(Site::router_weights, step.layer))
    routed.weights = to_f64(step.tap.at(Site::router_weights, step.layer, host_rows(step.ops, rows, routed.weights)));
  return routed;
}

/// Each expert runs once, on the tokens that were sent to it.
Tensor Moe::mixed(Ops& ops, const Tensor& x, const Routed& routed) const {
  const int each = spec_.routing.chosen;
  std::vector<std::int32_t> places(routed.experts.size());  // row of the joined outputs
  std::vector<Tensor> outputs;
  std::int32_t next = 0;
  for (std::size_t expert = 0; expert < experts_.size(); ++expert) {
    std::vector<std::int32_t> rows;
    for (std::size_t pick = 0; pick < places.size(); ++pick) {
      if (routed.experts[pick] != static_cast<std::int32_t>(expert)) continue;
      rows.push_back(static_cast<std::int32_t>(pick) / each);
      places[pick] = next++;
    }
    if (!rows.empty()) outputs.push_back(experts_[expert](ops, ops.select_rows(x, rows), spec_.activation));
  }
  const Tensor joined = outputs.size() == 1 ? outputs.front() : ops.join_rows(outputs);
  return ops.blend_rows(joined, places, routed.weights, each);
}

Tensor Moe::shared(Ops& ops, const Tensor& x) const {
  const Tensor y = shared_(ops, x, spec_.activation);
  if (!spec_.shared_gate) return y;
  std::vector<double> weights = to_f64(shared_gate_(ops, x));  // (T, 1)
  std::vector<std::int32_t> rows;
  for (double& weight : weights) {
    weight = 1.0 / (1.0 + std::exp(-weight));
    rows.push_back(static_cast<std::int32_t>(rows.size()));
  }
  return ops.blend_rows(y, rows, weights, 1);
}

Tensor Moe::operator()(const Step& step, const Tensor& x) const {
  const Tensor y = mixed(step.ops, x, routed(step, x));
  return spec_.shared_width > 0 ? step.ops.add(y, shared(step.ops, x)) : y;
}

// ---- weights

/// Rows of gate and up by turns, in columns: transposed, then every other row.
Result<Expert> Moe::load_from_stack(const BlockLoader& loader, std::int64_t index) const {
  const InStack stack{.index = index, .count = spec_.routing.experts};
  const auto get = [&](const ModuleName& name, const char* suffix, Shape shape, bool by_turns) {
    TensorSpec spec = loader.module(name, shape);
    spec.hf += suffix;
    spec.hf_stack = stack;
    spec.hf_transposed = shape.rank() == 2;
    if (by_turns) spec.hf_rows = RowOrder::interleaved_heads, spec.heads = 1;
    return loader.weights.get(spec);
  };
  const DecoderNames& names = loader.names;
  Expert expert;
  VB_TRY(expert.gate_up.weight, get(names.expert_gate_up, "", {2 * spec_.width, loader.width}, true));
  VB_TRY(expert.gate_up.bias, get(names.expert_gate_up, "_bias", {2 * spec_.width}, true));
  VB_TRY(expert.down.weight, get(names.expert_down, "", {loader.width, spec_.width}, false));
  VB_TRY(expert.down.bias, get(names.expert_down, "_bias", {loader.width}, false));
  return expert;
}

/// Where the folder keeps what a GGUF keeps apart: gate and up are rows of one.
void Moe::place_in_hf_stack(const BlockLoader& loader, const ModuleName& name, std::int64_t index, TensorSpec& spec) const {
  const auto stacked = [&](TensorSpec& of) {
    of.hf_stack = {.index = index, .count = spec_.routing.experts};
    of.hf_transposed = of.hf_unsuffixed = true;
  };
  if (&name == &loader.names.expert_down) return stacked(spec);
  TensorSpec whole = loader.module(loader.names.expert_gate_up, {2 * spec_.width, loader.width});
  stacked(whole);
  whole.hf_rows = RowOrder::interleaved_heads;
  whole.heads = 1;
  spec.hf_whole = std::make_shared<const TensorSpec>(std::move(whole));
  spec.hf_first = &name == &loader.names.expert_up ? spec_.width : 0;
}

Result<Expert> Moe::load_expert(const BlockLoader& loader, std::int64_t index) const {
  if (spec_.stacked_in_hf) return load_from_stack(loader, index);
  const auto linear = [&](const ModuleName& name, std::int64_t out, std::int64_t in) {
    TensorSpec spec = loader.matrix(name, out, in);
    spec.hf = with_expert(std::move(spec.hf), index);
    spec.gguf_stack = {.index = index, .count = spec_.routing.experts};
    if (spec_.joined_in_hf) place_in_hf_stack(loader, name, index, spec);
    return loader.weights.linear(spec, spec_.expert_bias);
  };
  Expert expert;
  VB_TRY(expert.gate, linear(loader.names.expert_gate, spec_.width, loader.width));
  VB_TRY(expert.up, linear(loader.names.expert_up, spec_.width, loader.width));
  VB_TRY(expert.down, linear(loader.names.expert_down, loader.width, spec_.width));
  return expert;
}

Result<void> Moe::load(const BlockLoader& loader) {
  const auto& [weights, names, decoder, width, layer] = loader;
  VB_TRY(router_, weights.linear(loader.matrix(names.router, spec_.routing.experts, width), spec_.router_bias));
  if (spec_.correction) {
    VB_TRY(correction_, weights.get(loader.module(names.router_correction, {spec_.routing.experts})));
  }
  for (std::int64_t i = 0; i < spec_.routing.experts; ++i) {
    VB_TRY(Expert expert, load_expert(loader, i));
    experts_.push_back(std::move(expert));
  }
  if (spec_.shared_width == 0) return ok();
  VB_TRY(shared_.gate, weights.linear(loader.matrix(names.shared_gate, spec_.shared_width, width), false));
  VB_TRY(shared_.up, weights.linear(loader.matrix(names.shared_up, spec_.shared_width, width), false));
  VB_TRY(shared_.down, weights.linear(loader.matrix(names.shared_down, width, spec_.shared_width), false));
  if (spec_.shared_gate) {
    VB_TRY(shared_gate_, weights.linear(loader.matrix(names.shared_router, 1, width), false));
  }
  return ok();
}

void Moe::visit_weights(const WeightVisitor& visit) {
  router_.visit_weights(visit);
  if (spec_.correction) visit(correction_);
  for (Expert& expert : experts_) expert.visit_weights(visit);
  if (spec_.shared_width > 0) shared_.visit_weights(visit);
  if (spec_.shared_gate) shared_gate_.visit_weights(visit);
}

}  // namespace

Result<std::unique_ptr<Block>> MoeSpec::load(const BlockLoader& loader) const {
  auto block = std::make_unique<Moe>(*this);
  VB_CHECK(block->load(loader));
  return std::unique_ptr<Block>(std::move(block));
}

void MoeSpec::add_sites(std::vector<Site>& sites) const {
  sites.insert(sites.end(), {Site::router_logits, Site::router_topk, Site::router_weights});
}

void MoeSpec::add_ops(std::vector<Op>& ops) const {
  ops.insert(ops.end(), {Op::linear, Op::gated_activation, Op::select_rows, Op::join_rows, Op::blend_rows});
  if (stacked_in_hf) ops.push_back(Op::columns);
}

BlockDescription MoeSpec::describe(const DecoderSpec&, std::int64_t d) const {
  BlockDescription out{.kind = "experts", .title = format("{} experts", routing.experts)};
  const std::int64_t one = 3 * d * width + (expert_bias ? 2 * width + d : 0);
  out.idle_parameters = (routing.experts - routing.chosen) * one;
  out.add("experts", routing.experts, format("{} of {} per token, by {}", routing.chosen, routing.experts,
                                             routing.scores == Routing::Scores::softmax ? "softmax" : "sigmoid"));
  out.add("chosen", routing.chosen);
  out.add("width", width, format("each a gated MLP {} → {} → {}", d, width, d));
  out.add("activation", title_of(activation), std::string(title_of(activation)));
  out.add("expert_parameters", one);
  out.add("shared_width", shared_width > 0 ? Json(shared_width) : Json(),
          shared_width > 0 ? format("and a shared one of {}{}", shared_width, shared_gate ? ", gated" : "") : "");
  out.add("groups", routing.groups, routing.groups > 1 ? format("from {} of {} groups", routing.groups_kept, routing.groups) : "");
  out.add("groups_kept", routing.groups_kept);
  out.add("scores", routing.scores == Routing::Scores::softmax ? "softmax" : "sigmoid");
  out.add("correction", correction, correction ? "choice corrected by a bias" : "");
  out.add("normalised", routing.normalise);
  out.add("scale", routing.scale, routing.scale != 1.0 ? format("weights times {:g}", routing.scale) : "");
  out.add("bias", router_bias || expert_bias, router_bias || expert_bias ? "biases" : "");
  return out;
}

}  // namespace vauban
