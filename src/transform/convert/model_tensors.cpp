#include "transform/convert/model_tensors.h"

#include <algorithm>
#include <map>
#include <set>

#include "base/strings.h"
#include "model/stored_form.h"
#include "transform/convert/config_forms.h"
#include "transform/convert/tensor_parts.h"

namespace vauban {
namespace {

bool equal_tensors(const TensorEntry& a, const TensorEntry& b) {
  return a.view.dtype == b.view.dtype && a.view.shape == b.view.shape && std::ranges::equal(a.view.bytes, b.view.bytes);
}

/// Names of the source's tensors that the map knows.
std::set<std::string_view> known_names(const ModelSource& source, const TensorMap& map) {
  std::set<std::string_view> known;
  const auto add_parts = [&](const std::string& name) {
    if (!is_compressed(source, name)) return;
    for (const std::string& part : source.compressed->parts_of(name))
      if (const TensorEntry* entry = source.file->find(part)) known.insert(entry->name);
  };
  for (const TensorSpec& spec : map) {
    const TensorEntry* first = nullptr;
    for (const std::string& name : stored_names(spec, source.file->container())) {
      add_parts(name);
      if (const TensorEntry* entry = source.file->find(name)) known.insert((first = entry)->name);
    }
    if (source.is_gguf()) continue;
    add_parts(holder_of(spec, Container::safetensors).hf_alias);
    // The second copy of a tied table may be left out only where it is one.
    const TensorEntry* copy = source.file->find(holder_of(spec, Container::safetensors).hf_alias);
    if (copy && (!first || equal_tensors(*copy, *first))) known.insert(copy->name);
  }
  return known;
}

Result<void> refuse_unmapped(const ModelSource& source, const ModelTensors& model, const TensorMap& map) {
  const std::set<std::string_view> known = known_names(source, map);
  const DecoderNames names = model.architecture->names(model.config);
  std::vector<std::string> unmapped;
  for (const TensorEntry& tensor : source.file->tensors())
    if (!known.contains(tensor.name) && !names.is_recomputed(tensor.name) && !(source.compressed && source.compressed->is_harmless(tensor)))
      unmapped.push_back(printable(tensor.name));
  if (unmapped.empty()) return ok();
  const std::size_t total = unmapped.size();
  if (total > 5) unmapped.resize(5);
  return unsupported("{} tensor(s) of {} are no part of its architecture and would be lost: {}{}", total,
                     source.path.string(), join(unmapped, ", "), total > unmapped.size() ? ", ..." : "");
}

/// The file bounds what is mapped: a configuration may claim any number of layers.
Result<void> check_layers(const ModelConfig& config, const ModelSource& source) {
  if (config.layers <= static_cast<std::int64_t>(source.file->tensors().size())) return ok();
  return corrupt("{}: {} layers, but the file holds {} tensors", source.path.string(), config.layers,
                 source.file->tensors().size());
}

/// The map that tells most about where things lie: that of the GGUF's form, in names of the source's architecture.
Result<TensorMap> map_for(const ModelSource& source, const ModelTensors& model, Container to) {
  const Architecture& architecture = *model.architecture;
  if (source.file->container() == to) return architecture.tensors(model.config);
  VB_CHECK(convertible(architecture));
  return architecture.tensors(source.is_gguf() ? model.config : in_gguf_form(architecture, model.config));
}

/// Tensors of the map that the wanted container keeps as one, in the order of the first.
class Grouping {
 public:
  Grouping(const ModelSource& source, Container to) : source_(source), to_(to) {}

  Result<void> add(TensorSpec spec) {
    VB_TRY(const FoundTensor entry, find_stored(source_, spec, stored_names(spec, source_.file->container()).front()));
    const std::vector<std::string> names = stored_names(spec, to_);
    const bool alone = names.size() == 1 && stack_of(spec, to_).count == 0 && &holder_of(spec, to_) == &spec;
    for (std::size_t row = 0; row < names.size(); ++row) {
      const auto [at, is_new] = places_.try_emplace(names[row], tensors_.size());
      if (is_new) {
        VB_TRY(MappedTensor made, tensor_of(spec, entry, names[row], alone));
        if (spec.hf_rows_apart && to_ != Container::gguf) made.row = static_cast<std::int64_t>(row);
        tensors_.push_back(std::move(made));
      }
      if (!alone || comes_in_parts(spec)) tensors_[at->second].parts.push_back(spec);
    }
    return ok();
  }

  std::vector<MappedTensor> take() { return std::move(tensors_); }

 private:
  bool comes_in_parts(const TensorSpec& spec) const {
    const Container from = source_.file->container();
    return stored_names(spec, from).size() > 1 || stack_of(spec, from).count > 0 || &holder_of(spec, from) != &spec;
  }
  Result<MappedTensor> tensor_of(const TensorSpec& spec, const FoundTensor& entry, const std::string& name, bool alone) const {
    MappedTensor made{.spec = spec, .entry = entry, .compressed = is_compressed(source_, entry->name), .parts = {}, .row = {}};
    if (alone && !comes_in_parts(spec)) return made;
    VB_TRY(const Shape shape, holder_shape(spec, to_));
    made.spec = {.hf = name, .gguf = name, .shape = shape, .role = spec.role};
    return made;
  }

  const ModelSource& source_;
  Container to_;
  std::map<std::string, std::size_t, std::less<>> places_;
  std::vector<MappedTensor> tensors_;
};

/// A file in its own container: every stored tensor once, as it is.
Result<std::vector<MappedTensor>> as_stored(const ModelSource& source, const TensorMap& map) {
  const Container own = source.file->container();
  std::vector<MappedTensor> out;
  std::set<std::string> seen;
  for (const TensorSpec& spec : map)
    for (const std::string& name : stored_names(spec, own)) {
      if (!seen.insert(name).second) continue;
      VB_TRY(const FoundTensor entry, find_stored(source, spec, name));
      const bool alone = stack_of(spec, own).count == 0 && !(own != Container::gguf && (spec.hf_rows_apart || spec.hf_whole));
      TensorSpec stored = spec;
      if (!alone) stored = {.hf = name, .gguf = spec.gguf, .shape = entry->view.shape, .role = spec.role};
      out.push_back({.spec = std::move(stored), .entry = entry, .compressed = is_compressed(source, entry->name), .parts = {}, .row = {}});
    }
  return out;
}

}  // namespace

bool stays_f32(const TensorSpec& spec) {
  if (spec.shape.rank() < 2 || spec.role == TensorRole::other || spec.gguf == "position_embd.weight") return true;
  return spec.gguf.ends_with("ffn_gate_inp.weight") || spec.gguf.ends_with("ffn_gate_inp_shexp.weight");
}

Shape shape_in(const MappedTensor& tensor, Container container) {
  return tensor.parts.empty() ? stored_shape(tensor.spec, container == Container::gguf) : tensor.spec.shape;
}

Result<ModelTensors> map_tensors(const ModelSource& source, Container to) {
  ModelTensors out;
  if (!source.adapters.empty())
    return with_hint(unsupported("{} comes with {} adapter(s), which no other format holds beside the weights",
                                 source.path.string(), source.adapters.size()),
                     "merge them first: `vauban merge-adapter BASE ADAPTER OUT`");
  VB_CHECK(source.check_quantization());
  VB_TRY(out.architecture, find_architecture(source));
  VB_TRY(out.config, out.architecture->read_config(source));
  VB_CHECK(check_layers(out.config, source));
  VB_TRY(TensorMap map, map_for(source, out, to));
  if (source.file->container() == to) {
    VB_TRY(out.tensors, as_stored(source, map));
  } else {
    Grouping grouping(source, to);
    for (const TensorSpec& spec : map) VB_CHECK(grouping.add(spec));
    out.tensors = grouping.take();
  }
  VB_CHECK(refuse_unmapped(source, out, map));
  return out;
}

Result<TensorRows> rows_for(const MappedTensor& tensor, const ModelSource& source, Container to) {
  if (source.file->container() == to) {
    VB_TRY(OwnedView stored, bytes_of(source, *tensor.entry));
    return TensorRows{stored.view.dtype, {.bytes = stored.view.bytes, .owner = std::move(stored.bytes)}};
  }
  const std::vector<TensorSpec> own{tensor.spec};
  VB_TRY(OwnedView made, join_parts(source, tensor.parts.empty() ? own : tensor.parts, to));
  if (tensor.row) {
    const std::size_t bytes = made.view.bytes.size() / static_cast<std::size_t>(made.view.shape[0]);
    made.view.bytes = made.view.bytes.subspan(static_cast<std::size_t>(*tensor.row) * bytes, bytes);
  }
  return TensorRows{made.view.dtype, {.bytes = made.view.bytes, .owner = made.bytes}};
}

}  // namespace vauban
