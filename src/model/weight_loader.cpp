#include <algorithm>

#include "base/strings.h"
#include "model/model.h"
#include "model/stored_form.h"
#include "model/unstored.h"

namespace vauban {
namespace {

bool same_bytes(const TensorView& a, const TensorView& b) {
  return a.dtype == b.dtype && a.shape == b.shape && std::equal(a.bytes.begin(), a.bytes.end(), b.bytes.begin(), b.bytes.end());
}

}  // namespace

WeightLoader::WeightLoader(const ModelSource& source, Ops& ops, std::span<const AdapterPlan> adapters)
    : source_(source), ops_(ops), adapters_(adapters) {}

Result<Weight> WeightLoader::load(const std::string& name, const TensorView& view,
                                  std::shared_ptr<const void> keep_alive) {
  VB_TRY(Weight weight, ops_.load_weight(name, view, std::move(keep_alive)));
  loaded_bytes_ += static_cast<std::int64_t>(view.bytes.size());
  return weight;
}

Result<Weight> WeightLoader::get(const TensorSpec& request) {
  const Replacement other = replacement(request.hf);
  if (!other.tensor) return get_stored(request);
  for (const std::string& name : {request.hf, request.gguf, request.hf_alias})
    if (!name.empty() && has(name)) note_used(name);
  return get_replacement(request, other);
}

Result<Weight> WeightLoader::get_stored(const TensorSpec& request) {
  const bool gguf = source_.is_gguf();
  const bool aliased = !gguf && !request.hf_alias.empty() && !has(request.hf) && has(request.hf_alias);
  const std::string& stored_name = gguf ? request.gguf : aliased ? request.hf_alias : request.hf;
  OwnedView stored;
  if (!gguf && request.hf_rows_apart) {
    VB_TRY(stored, gather_rows(request));
  } else {
    if (is_compressed(stored_name) && request.hf_transposed && !source_.compressed->stacked())
      return unsupported("tensor '{}': compressed, and stored as (in, out)", stored_name);
    VB_TRY(stored, find_view(stored_name, stored_shape(request, gguf), gguf ? request.gguf_stack : request.hf_stack));
  }
  VB_TRY(OwnedView owned, to_canonical(stored.view, request, gguf), "in tensor '{}'", stored_name);
  if (!owned.bytes) owned.bytes = stored.bytes;
  if (request.flattened) owned.view.shape = {owned.view.shape.elements()};
  std::shared_ptr<const void> keep_alive = source_.file;
  if (owned.bytes) keep_alive = owned.bytes;
  VB_TRY(Weight weight, load(request.hf, owned.view, std::move(keep_alive)), "in tensor '{}'", stored_name);
  return weight;
}

/// What a file holds under this name, or one tensor of a stack. Errors: not_found; corrupt for another shape.
Result<OwnedView> WeightLoader::find_view(const std::string& name, const Shape& expected, const InStack& stack) {
  if (is_compressed(name)) return find_compressed(name, expected, stack);
  const TensorEntry* entry = source_.file->find(name);
  if (!entry) return not_found("tensor '{}' is missing in {}", name, source_.path.string());
  VB_TRY(const Shape whole, stacked(expected, stack.count));
  if (entry->view.shape != whole)
    return corrupt("tensor '{}' in {}: expected shape {}, file has {} {}", printable(name), source_.path.string(),
                   whole.to_string(), to_string(entry->view.dtype), entry->view.shape.to_string());
  if (source_.compressed) VB_CHECK(source_.compressed->check_plain(*entry));
  used_.insert(name);
  if (stack.count == 0) return OwnedView{.view = entry->view, .bytes = nullptr};
  const std::size_t bytes = entry->view.bytes.size() / static_cast<std::size_t>(stack.count);
  return OwnedView{.view = {entry->view.dtype, expected, entry->view.bytes.subspan(static_cast<std::size_t>(stack.index) * bytes, bytes)}, .bytes = nullptr};
}

Result<OwnedView> WeightLoader::find_compressed(const std::string& name, const Shape& expected, const InStack& stack) {
  if (stack.count > 0 && !source_.compressed->stacked())
    return unsupported("tensor '{}': a stack that is compressed as one ({})", name, source_.compressed->summary());
  VB_TRY(DecodedTensor decoded, source_.compressed->decode(name, stack.index));
  if (decoded.view.shape != expected)
    return corrupt("tensor '{}' in {}: expected shape {}, its compressed parts make {}", printable(name), source_.path.string(),
                   expected.to_string(), decoded.view.shape.to_string());
  note_used(name);
  return OwnedView{.view = decoded.view, .bytes = std::move(decoded.bytes)};
}

void WeightLoader::note_used(const std::string& name) {
  if (!is_compressed(name)) {
    used_.insert(name);
    return;
  }
  for (std::string& part : source_.compressed->parts_of(name)) used_.insert(std::move(part));
}

Result<OwnedView> WeightLoader::gather_rows(const TensorSpec& request) {
  const Shape row_shape{request.shape.elements() / request.shape[0]};
  auto bytes = std::make_shared<std::vector<std::byte>>();
  DType dtype = DType::f32;
  for (std::int64_t row = 0; row < request.shape[0]; ++row) {
    std::string name = request.hf;
    name.replace(name.find("{}"), 2, std::to_string(row));
    VB_TRY(const OwnedView found, find_view(name, row_shape, {}));
    const TensorView& view = found.view;
    if (row > 0 && view.dtype != dtype)
      return corrupt("tensor '{}' in {}: expected {} as in its row 0, file has {}", name, source_.path.string(),
                     to_string(dtype), to_string(view.dtype));
    dtype = view.dtype;
    bytes->insert(bytes->end(), view.bytes.begin(), view.bytes.end());
  }
  return OwnedView{.view = {.dtype = dtype, .shape = request.shape, .bytes = *bytes}, .bytes = bytes};
}

// ---- adapters

WeightLoader::Replacement WeightLoader::replacement(std::string_view hf) const {
  for (const AdapterPlan& plan : adapters_)
    if (const auto found = plan.replacements.find(hf); found != plan.replacements.end())
      return {plan.adapter.get(), found->second};
  return {};
}

Result<Weight> WeightLoader::get_replacement(const TensorSpec& request, const Replacement& from) {
  const std::string name = from.adapter->weight_name(*from.tensor);
  VB_TRY(const OwnedView owned, to_canonical(from.tensor->view, request, false), "in tensor '{}'", from.tensor->key);
  std::shared_ptr<const void> keep_alive = from.tensor->keep_alive;
  if (owned.bytes) keep_alive = owned.bytes;
  return load(name, owned.view, std::move(keep_alive));
}

Result<Weight> WeightLoader::adapter_weight(const Adapter& adapter, const AdapterTensor& tensor) {
  const std::string name = adapter.weight_name(tensor);
  const Shape& shape = tensor.view.shape;
  const bool turned = tensor.parsed.part == AdapterPart::embedding_a;
  if (tensor.view.dtype == DType::f32 && !turned) return load(name, tensor.view, tensor.keep_alive);
  VB_TRY(std::vector<float> values, decode_f32(tensor.view), "in tensor '{}'", printable(tensor.key));
  if (turned) values = transposed(values, shape[0], shape[1]);
  const AdapterTensor wide = adapter_tensor(tensor.key, turned ? Shape{shape[1], shape[0]} : shape, values);
  return load(name, wide.view, wide.keep_alive);
}

Result<std::vector<LoraPair>> WeightLoader::pairs_of(std::string_view module) {
  std::vector<LoraPair> pairs;
  for (const AdapterPlan& plan : adapters_) {
    const auto planned = plan.pairs.find(module);
    if (planned == plan.pairs.end()) continue;
    LoraPair pair{.scale = planned->second.scale, .dropout = planned->second.dropout};
    VB_TRY(pair.a, adapter_weight(*plan.adapter, *planned->second.a));
    VB_TRY(pair.b, adapter_weight(*plan.adapter, *planned->second.b));
    pairs.push_back(std::move(pair));
  }
  return pairs;
}

Result<Weight> WeightLoader::ones(std::int64_t width) {
  const auto values = std::make_shared<const std::vector<float>>(static_cast<std::size_t>(width), 1.0F);
  return ops_.load_weight(std::string(kOnes), {DType::f32, {width}, std::as_bytes(std::span(*values))}, values);
}

// ---- layers

Result<Linear> WeightLoader::linear(const TensorSpec& module, bool with_bias) {
  Linear linear;
  VB_TRY(linear.weight, get(weight_of(module)));
  if (with_bias) {
    VB_TRY(linear.bias, get(bias_of(module)));
  }
  VB_TRY(linear.lora, pairs_of(module.hf));
  if (!linear.lora.empty() && module.hf_rows != RowOrder::as_stored)
    return unsupported("an adapter on '{}', whose rows folders store by head, is not supported", module.hf);
  return linear;
}

Result<Embedding> WeightLoader::embedding(const TensorSpec& table) {
  Embedding embedding;
  VB_TRY(embedding.table, get(table));
  VB_TRY(embedding.lora, pairs_of(module_of(table)));
  return embedding;
}

Result<WeightLoader::Ends> WeightLoader::ends(const TensorSpec& table, const TensorSpec& head, bool tied) {
  if (tied) return tied_ends(table, head);
  Ends ends;
  VB_TRY(ends.embedding, embedding(table));
  VB_TRY(ends.head.weight, get(head));
  VB_TRY(ends.head.lora, pairs_of(module_of(head)));
  return ends;
}

/// The two ends are one parameter: what an adapter stores in place of it (inside base_layer) changes both, while a copy
/// from modules_to_save is for its own end alone.
Result<WeightLoader::Ends> WeightLoader::tied_ends(const TensorSpec& table, const TensorSpec& head) {
  const Replacement at_table = replacement(table.hf), at_head = replacement(head.hf);
  VB_TRY(const Weight shared, shared_table(table, head));
  Ends ends{.embedding = {.table = shared}, .head = {.weight = shared}};
  if (at_table.is_copy()) {
    VB_TRY(ends.embedding.table, get_replacement(table, at_table));
  }
  if (at_head.is_copy()) {
    VB_TRY(ends.head.weight, get_replacement(head, at_head));
  }
  VB_TRY(ends.embedding.lora, pairs_of(module_of(table)));
  VB_TRY(ends.head.lora, pairs_of(module_of(head)));
  return ends;
}

Result<Weight> WeightLoader::shared_table(const TensorSpec& table, const TensorSpec& head) {
  const ModelFile& file = *source_.file;
  const TensorEntry* of_head = file.find(source_.is_gguf() ? head.gguf : head.hf);
  const TensorEntry* of_table = file.find(source_.is_gguf() ? table.gguf : table.hf);
  if (!of_table && !source_.is_gguf() && table.hf_alias != head.hf) of_table = file.find(table.hf_alias);
  if (of_head && of_table && !same_bytes(of_head->view, of_table->view))
    return with_hint(corrupt("config.json ties the head to the embedding, but {} holds a different '{}'",
                             source_.path.string(), printable(of_head->name)),
                     "set \"tie_word_embeddings\": false to use both, or remove one of them");
  for (const TensorEntry* entry : {of_head, of_table})
    if (entry) used_.insert(entry->name);

  const Replacement at_table = replacement(table.hf), at_head = replacement(head.hf);
  if (at_table.in_place() && at_head.in_place() && !same_bytes(at_table.tensor->view, at_head.tensor->view))
    return corrupt("'{}' and '{}' are two values for one tied table", at_table.tensor->key, at_head.tensor->key);
  if (at_table.in_place()) return get_replacement(table, at_table);
  if (at_head.in_place()) return get_replacement(head, at_head);
  TensorSpec stored = table;
  if (!of_table && of_head) stored.hf_alias = head.hf;  // under the head's name alone
  return get_stored(stored);
}

std::vector<std::string> WeightLoader::unused() const {
  std::vector<std::string> names;
  for (const TensorEntry& tensor : source_.file->tensors())
    if (!used_.contains(tensor.name) && !(source_.compressed && source_.compressed->is_harmless(tensor))) names.push_back(tensor.name);
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace vauban
