#include "app/diff/canonical_tensors.h"

#include <algorithm>

#include "app/open.h"
#include "backends/backends.h"
#include "model/weight_snapshot.h"

namespace vauban {

Result<std::unique_ptr<CanonicalTensors>> CanonicalTensors::open(const std::string& model, Session& session) {
  auto out = std::make_unique<CanonicalTensors>();
  VB_TRY(out->source_, open_single_source(model));
  VB_TRY(const Architecture* architecture, find_architecture(out->source_));
  VB_TRY(out->config_, architecture->read_config(out->source_), "in {}", model);
  VB_TRY(out->ops_, make_backend("reference", session.context()));
  out->loader_ = std::make_unique<WeightLoader>(out->source_, *out->ops_);
  for (const TensorSpec& spec : architecture->tensors(out->config_)) {
    out->names_.push_back(spec.hf);
    out->specs_.emplace(spec.hf, spec);
    if (spec.role != TensorRole::embedding || !out->config_.tied_head) continue;
    const DecoderNames names = architecture->names(out->config_);
    out->specs_.emplace(weight_of(names.module(names.head, -1, spec.shape)).hf, spec);
  }
  std::ranges::sort(out->names_);
  return out;
}

Result<CanonicalTensors::Values> CanonicalTensors::read(const std::string& name) {
  const auto spec = specs_.find(name);
  if (spec == specs_.end()) return not_found("{} has no tensor '{}'", source_.path.string(), name);
  VB_TRY(const Weight weight, loader_->get(spec->second));
  Values out{.dtype = weight.dtype, .shape = weight.shape};
  VB_TRY(out.values, read_weight(weight));
  return out;
}

}  // namespace vauban
