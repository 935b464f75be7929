/// Operations on rows: those that move or mix them, and the ones element by element.
#include <numeric>
#include <utility>

#include "train/tape/tape.h"

namespace vauban {
namespace {

std::vector<Shape> shapes_of(std::span<const Tensor> parts) {
  std::vector<Shape> shapes;
  for (const Tensor& part : parts) shapes.push_back(part.shape());
  return shapes;
}

}  // namespace

std::vector<Tape::Id> Tape::ids_of(std::span<const Tensor> parts) {
  std::vector<Id> ids;
  bool passes = false;
  for (const Tensor& part : parts) passes = differentiable(ids.emplace_back(id_of(part))) || passes;
  if (!recording_ || !passes) return {};
  for (std::size_t i = 0; i < ids.size(); ++i) ids[i] = known(ids[i], parts[i]);
  return ids;
}

std::vector<Tensor> Tape::held(const std::vector<Id>& ids, const std::vector<Shape>& shapes) const {
  std::vector<Tensor> parts;
  for (std::size_t i = 0; i < ids.size(); ++i) parts.push_back(held(ids[i], shapes[i]));
  return parts;
}

Tensor Tape::scale(const Tensor& x, double factor) {
  return recorded(
      x, inner_.scale(x, factor), Saved::nothing, [=, this](const Tensor& input) { return inner_.scale(input, factor); },
      [=, this](const Tensor& dy, const Tensor&) { return gradients_.scaled(dy, factor); });
}

Tensor Tape::clamp(const Tensor& x, double limit) {
  return recorded(
      x, inner_.clamp(x, limit), Saved::input, [=, this](const Tensor& input) { return inner_.clamp(input, limit); },
      [=, this](const Tensor& dy, const Tensor& input) { return gradients_.clamp_backward(dy, input, limit); });
}

Tensor Tape::multiply(const Tensor& x, const Weight& weight) {
  Tensor out = inner_.multiply(x, weight);
  const Id in = id_of(x);
  Parameter* p = parameter(weight);
  if (!recording_ || (!differentiable(in) && !p)) return unrecorded(out);
  const Id source = known(in, x);
  const Shape shape = x.shape();
  finish({.in = {source},
          .saved = {source},
          .replay = [=, this, &weight] { return std::pair(inner_.multiply(held(source, shape), weight), Tensor()); },
          .backward =
              [=, this, &weight](const Tensor& dy) {
                add_gradient(source, gradients_.multiply_backward(dy, held(source, shape), weight,
                                                                  p ? &p->gradient : nullptr));
              }},
         {x}, out);
  return out;
}

Tensor Tape::join_columns(std::span<const Tensor> parts, std::int64_t width) {
  Tensor out = inner_.join_columns(parts, width);
  const std::vector<Id> ids = ids_of(parts);
  if (ids.empty()) return unrecorded(out);
  const std::vector<Shape> shapes = shapes_of(parts);
  finish({.in = ids,
          .saved = {},
          .replay = [=, this] { return std::pair(inner_.join_columns(held(ids, shapes), width), Tensor()); },
          .backward =
              [=, this](const Tensor& dy) {
                std::int64_t first = 0;
                for (std::size_t i = 0; i < ids.size(); ++i) {
                  const std::int64_t count = shapes[i].width();
                  if (differentiable(ids[i])) add_gradient(ids[i], inner_.columns(dy, first, count));
                  first += count;
                }
              }},
         {parts.begin(), parts.end()}, out);
  return out;
}

Tensor Tape::join_rows(std::span<const Tensor> parts) {
  Tensor out = inner_.join_rows(parts);
  const std::vector<Id> ids = ids_of(parts);
  if (ids.empty()) return unrecorded(out);
  const std::vector<Shape> shapes = shapes_of(parts);
  finish({.in = ids,
          .saved = {},
          .replay = [=, this] { return std::pair(inner_.join_rows(held(ids, shapes)), Tensor()); },
          .backward =
              [=, this](const Tensor& dy) {
                std::int32_t first = 0;
                for (std::size_t i = 0; i < ids.size(); ++i) {
                  std::vector<std::int32_t> rows(static_cast<std::size_t>(shapes[i].rows()));
                  std::iota(rows.begin(), rows.end(), first);
                  first += static_cast<std::int32_t>(rows.size());
                  if (differentiable(ids[i])) add_gradient(ids[i], inner_.select_rows(dy, rows));
                }
              }},
         {parts.begin(), parts.end()}, out);
  return out;
}

/// By x only: the weights are numbers (ops/gradients.h, has_gradient). Row p of what was picked gets weights[p] times the
/// gradient of the row that it went into, and row rows[p] of x the sum of its picks.
Tensor Tape::blend_rows(const Tensor& x, std::span<const std::int32_t> picked, std::span<const double> factors,
                        int each) {
  const std::vector<std::int32_t> rows(picked.begin(), picked.end());
  const std::vector<double> weights(factors.begin(), factors.end());
  const std::int64_t total = x.shape().rows();
  return recorded(
      x, inner_.blend_rows(x, picked, factors, each), Saved::nothing,
      [=, this](const Tensor& input) { return inner_.blend_rows(input, rows, weights, each); },
      [=, this](const Tensor& dy, const Tensor&) {
        std::vector<std::int32_t> into(rows.size());
        for (std::size_t p = 0; p < into.size(); ++p) into[p] = static_cast<std::int32_t>(p / static_cast<std::size_t>(each));
        return gradients_.select_rows_backward(inner_.blend_rows(dy, into, weights, 1), rows, total);
      });
}

// Recurrences have no backward (ops/gradients.h): a model with one is refused before it is trained.

Tensor Tape::short_conv(const Tensor& x, const Weight& weight, KvStore& store, int layer, const Batch& batch,
                        const ShortConvArgs& args) {
  return unrecorded(inner_.short_conv(x, weight, store, layer, batch, args));
}

Tensor Tape::selective_scan(const Tensor& x, KvStore& store, int layer, const Batch& batch, const SelectiveScanArgs& args) {
  return unrecorded(inner_.selective_scan(x, store, layer, batch, args));
}

Tensor Tape::gated_delta(const Tensor& qkv, KvStore& store, int layer, const Batch& batch, const GatedDeltaArgs& args) {
  return unrecorded(inner_.gated_delta(qkv, store, layer, batch, args));
}

}  // namespace vauban
