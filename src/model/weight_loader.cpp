#include <algorithm>

#include "base/strings.h"
#include "model/model.h"
#include "model/row_order.h"

namespace vauban {

WeightLoader::WeightLoader(const ModelSource& source, Ops& ops) : source_(source), ops_(ops) {}

bool WeightLoader::has(std::string_view hf, std::string_view gguf) const {
  return source_.file->find(source_.is_gguf() ? gguf : hf) != nullptr;
}

Result<Weight> WeightLoader::get(const Request& request) {
  const std::string& stored_name = source_.is_gguf() ? request.gguf : request.hf;
  const TensorEntry* entry = source_.file->find(stored_name);
  if (!entry) return not_found("tensor '{}' is missing in {}", stored_name, source_.path.string());
  if (entry->view.shape != request.shape)
    return corrupt("tensor '{}' in {}: expected shape {}, file has {} {}", printable(stored_name),
                   source_.path.string(), request.shape.to_string(), to_string(entry->view.dtype),
                   entry->view.shape.to_string());
  used_.insert(stored_name);

  const bool reorder = source_.is_gguf() && request.gguf_rows == RowOrder::interleaved_heads;
  if (!reorder) {
    std::shared_ptr<const void> keep_alive = source_.file;
    VB_TRY(Weight weight, ops_.load_weight(request.hf, entry->view, std::move(keep_alive)), "in tensor '{}'",
           stored_name);
    return weight;
  }
  VB_TRY(OwnedView owned, pairs_to_halves(entry->view, request.heads), "in tensor '{}'", stored_name);
  VB_TRY(Weight weight, ops_.load_weight(request.hf, owned.view, owned.bytes), "in tensor '{}'", stored_name);
  return weight;
}

std::vector<std::string> WeightLoader::unused() const {
  std::vector<std::string> names;
  for (const TensorEntry& tensor : source_.file->tensors())
    if (!used_.contains(tensor.name)) names.push_back(tensor.name);
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace vauban
