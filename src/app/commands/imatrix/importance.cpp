#include "app/commands/imatrix/importance.h"

#include <algorithm>
#include <map>
#include <utility>

#include "model/kv_cache.h"
#include "model/model.h"
#include "ops/forwarding_ops.h"
#include "transform/convert/config_forms.h"
#include "transform/convert/tensor_parts.h"

namespace vauban {
namespace {

/// Where columns of what a weight takes or gives are counted: a matrix of the GGUF, alone or one of a stack.
struct Place {
  std::string gguf;
  std::int64_t index = 0, count = 1;
  std::size_t first = 0, columns = 0;
};
/// By the name under which a weight is loaded. One that a folder fuses counts for every matrix that a GGUF cuts from it.
using ByWeight = std::multimap<std::string, Place, std::less<>>;
struct Places {
  ByWeight inputs, outputs;
};

/// Adds up the squares of what goes into matrix products.
class WatchingOps final : public ForwardingOps {
 public:
  using ForwardingOps::ForwardingOps;

  void watch(Places places) { places_ = std::move(places); }
  std::map<std::string, ImportanceEntry> take() { return std::move(entries_); }

  Tensor linear(const Tensor& x, const Weight& weight, const Weight* bias) override {
    count(x, weight, places_.inputs);
    const Tensor y = ForwardingOps::linear(x, weight, bias);
    count(y, weight, places_.outputs);
    return y;
  }
  Tensor lm_head(const Tensor& x, const Weight& weight, double softcap) override {
    count(x, weight, places_.inputs);
    return ForwardingOps::lm_head(x, weight, softcap);
  }

 private:
  void count(const Tensor& x, const Weight& weight, const ByWeight& places) {
    const auto [begin, end] = places.equal_range(weight.name);
    if (begin == end) return;
    const std::vector<double> values = to_f64(x);
    std::vector<double> sums(static_cast<std::size_t>(x.shape().width()));
    for (std::size_t i = 0; i < values.size(); ++i) sums[i % sums.size()] += values[i] * values[i];
    for (auto at = begin; at != end; ++at) add_columns(at->second, sums, values.size() / sums.size());
  }
  void add_columns(const Place& place, std::span<const double> sums, std::size_t rows) {
    const auto count = static_cast<std::size_t>(place.count), index = static_cast<std::size_t>(place.index);
    ImportanceEntry& entry = entries_[place.gguf];
    entry.sums.resize(count * place.columns);
    entry.counts.resize(count);
    for (std::size_t i = 0; i < place.columns; ++i) entry.sums[index * place.columns + i] += sums[place.first + i];
    entry.counts[index] += static_cast<double>(rows);
  }

  Places places_;
  std::map<std::string, ImportanceEntry> entries_;
};

/// The matrix of the same layer that makes the queries; null where there is none.
const TensorSpec* queries_beside(const TensorSpec& spec, const TensorMap& map) {
  const std::string layer = spec.gguf.substr(0, spec.gguf.find('.', std::string_view("blk.").size()) + 1);
  for (const char* name : {"attn_q_b.weight", "attn_q.weight"})
    if (const auto found = std::ranges::find(map, layer + name, &TensorSpec::gguf); found != map.end()) return &*found;
  return nullptr;
}

/// Latent attention's matrix of keys lies turned in a GGUF (attn_k_b), where it multiplies the part of a head's query that is
/// not rotated: what counts for its columns is what the queries' matrix gives.
void add_turned(const TensorSpec& spec, const TensorMap& map, ByWeight& outputs) {
  const TensorSpec* queries = queries_beside(spec, map);
  if (!queries || spec.gguf_stack.count == 0) return;
  const std::int64_t head = queries->shape[0] / spec.gguf_stack.count;
  outputs.emplace(queries->hf, Place{spec.gguf, spec.gguf_stack.index, spec.gguf_stack.count,
                                     static_cast<std::size_t>(spec.gguf_stack.index * head), static_cast<std::size_t>(spec.shape[0])});
}

/// Every matrix of the model's GGUF, whatever the form of the folder that is run.
Result<Places> places_of(const Model& model, const ModelSource& source, bool head) {
  Places places;
  const TensorMap map = model.architecture->tensors(source.is_gguf() ? model.config : in_gguf_form(*model.architecture, model.config));
  for (const TensorSpec& spec : map) {
    const bool is_head = spec.gguf == "output.weight";
    if (spec.shape.rank() != 2 || !spec.gguf.ends_with(".weight") || spec.role == TensorRole::embedding) continue;
    if (is_head && (!head || model.config.tied_head)) continue;
    const TensorSpec& loaded = source.is_gguf() ? spec : holder_of(spec, Container::safetensors);
    const bool is_cut = &loaded != &spec && loaded.hf_stack.count == 0;
    if (!is_cut && places.inputs.contains(loaded.hf))
      return unsupported("several experts are called '{}', so their inputs cannot be told apart", loaded.hf);
    if (spec.gguf_transposed)
      add_turned(spec, map, places.outputs);
    else
      places.inputs.emplace(loaded.hf, Place{spec.gguf, spec.gguf_stack.index, std::max<std::int64_t>(spec.gguf_stack.count, 1), 0,
                                             static_cast<std::size_t>(spec.shape.width())});
  }
  return places;
}

/// The chunks that are run, one after another.
Result<std::vector<std::int32_t>> chunk_ids(const Tokenizer& tokenizer, std::string_view text, const ImportanceOptions& options) {
  VB_TRY(const Encoding encoding, tokenizer.encode(text, {.parse_special = false}));
  const auto size = static_cast<std::size_t>(options.chunk_tokens);
  const std::size_t all = encoding.ids.size() / size, first = std::min(static_cast<std::size_t>(options.first_chunk), all);
  const std::size_t wanted = options.chunks > 0 ? static_cast<std::size_t>(options.chunks) : all;
  const std::size_t count = std::min(wanted, all - first);
  if (count == 0)
    return with_hint(invalid_input("the text has {} tokens, chunk {} needs {}", encoding.ids.size(), first + 1, (first + 1) * size),
                     "give a longer text, or a smaller --chunk");
  const auto begin = encoding.ids.begin() + static_cast<std::ptrdiff_t>(first * size);
  std::vector<std::int32_t> ids(begin, begin + static_cast<std::ptrdiff_t>(count * size));
  if (tokenizer.bos() && encoding.ids.front() == *tokenizer.bos())
    for (std::size_t i = 0; i < ids.size(); i += size) ids[i] = *tokenizer.bos();
  return ids;
}

Result<void> run_chunk(const Model& model, Ops& ops, PagePool& pool, KvStore& store, std::span<const std::int32_t> ids, bool head) {
  SequenceState sequence(pool);
  const auto rows = static_cast<std::int32_t>(ids.size());
  VB_CHECK(sequence.reserve(rows));
  Batch batch;
  batch.sequences.push_back({.first_row = 0, .rows = rows, .past = 0, .pages = sequence.pages()});
  for (std::int32_t row = 0; row < rows; ++row) {
    batch.ids.push_back(ids[static_cast<std::size_t>(row)]);
    batch.positions.push_back(row);
    if (head || row + 1 == rows) batch.output_rows.push_back(row);
  }
  ops.begin_step();
  model.network->forward(ops, store, batch, NoTap());
  return ops.end_step();
}

}  // namespace

Result<ImportanceSums> measure_importance(const ModelSource& source, std::unique_ptr<Ops> ops, std::string_view text,
                                          const ImportanceOptions& options, const Context& context) {
  WatchingOps watching(std::move(ops));
  VB_TRY(const std::unique_ptr<Model> model, Model::load(source, watching, context));
  if (!model->tokenizer) return unsupported("'{}' carries no tokenizer, so no text can be run", source.name);
  VB_TRY(Places places, places_of(*model, source, options.head));
  VB_TRY(const std::vector<std::int32_t> ids, chunk_ids(*model->tokenizer, text, options));
  watching.watch(std::move(places));

  const auto size = static_cast<std::size_t>(options.chunk_tokens);
  KvGeometry geometry = model->network->kv_geometry();
  geometry.pages = static_cast<std::int32_t>((size + static_cast<std::size_t>(geometry.page_tokens) - 1) /
                                             static_cast<std::size_t>(geometry.page_tokens)) + 1;
  VB_TRY(const std::unique_ptr<KvStore> store, watching.make_kv_store(geometry));
  PagePool pool(*store);
  constexpr std::string_view kTask = "imatrix";
  for (std::size_t i = 0; i < ids.size(); i += size) {
    VB_CHECK(context.cancel.check());
    VB_CHECK(run_chunk(*model, watching, pool, *store, std::span(ids).subspan(i, size), options.head), "in chunk {}", i / size + 1);
    context.progress.update(kTask, i / size + 1, ids.size() / size, "chunks");
  }
  context.progress.finish(kTask);
  ImportanceSums sums;
  sums.entries = watching.take();
  sums.chunks = static_cast<std::int64_t>(ids.size() / size);
  sums.chunk_tokens = options.chunk_tokens;
  return sums;
}

}  // namespace vauban
