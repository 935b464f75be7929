#include "model/linear.h"

namespace vauban {
namespace {

Tensor with_pairs(Ops& ops, const std::vector<LoraPair>& pairs, const Tensor& x, Tensor y) {
  for (const LoraPair& pair : pairs) {
    const Tensor kept = pair.dropout > 0.0 ? ops.dropout(x, pair.dropout) : x;
    y = ops.add(y, ops.linear(ops.linear(kept, pair.a), pair.b), pair.scale);
  }
  return y;
}

void visit_pairs(std::vector<LoraPair>& pairs, const WeightVisitor& visit) {
  for (LoraPair& pair : pairs) {
    visit(pair.a);
    visit(pair.b);
  }
}

}  // namespace

Tensor Linear::operator()(Ops& ops, const Tensor& x) const {
  return with_pairs(ops, lora, x, ops.linear(x, weight, bias.empty() ? nullptr : &bias));
}

Tensor Embedding::operator()(Ops& ops, std::span<const std::int32_t> ids) const {
  Tensor y = ops.embed(table, ids);
  for (const LoraPair& pair : lora) y = ops.add(y, ops.linear(ops.embed(pair.a, ids), pair.b), pair.scale);
  return y;
}

Tensor Head::operator()(Ops& ops, const Tensor& x) const {
  return with_pairs(ops, lora, x, bias.empty() ? ops.lm_head(x, weight, softcap) : ops.linear(x, weight, &bias));
}

void Linear::visit_weights(const WeightVisitor& visit) {
  visit(weight);
  if (!bias.empty()) visit(bias);
  visit_pairs(lora, visit);
}

void Embedding::visit_weights(const WeightVisitor& visit) {
  visit(table);
  visit_pairs(lora, visit);
}

void Head::visit_weights(const WeightVisitor& visit) {
  visit(weight);
  if (!bias.empty()) visit(bias);
  visit_pairs(lora, visit);
}

}  // namespace vauban
