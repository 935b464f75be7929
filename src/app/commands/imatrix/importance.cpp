#include "app/commands/imatrix/importance.h"

#include <algorithm>
#include <map>
#include <utility>

#include "model/kv_cache.h"
#include "model/model.h"
#include "ops/forwarding_ops.h"

namespace vauban {
namespace {

/// Where the inputs of a weight are counted.
struct Place {
  std::string gguf;
  std::int64_t expert = 0, experts = 1;
};
using Places = std::map<std::string, Place, std::less<>>;  // by the name under which a weight is loaded

/// Adds up the squares of what goes into matrix products.
class WatchingOps final : public ForwardingOps {
 public:
  using ForwardingOps::ForwardingOps;

  void watch(Places places) { places_ = std::move(places); }
  std::map<std::string, ImportanceEntry> take() { return std::move(entries_); }

  Tensor linear(const Tensor& x, const Weight& weight, const Weight* bias) override {
    count(x, weight);
    return ForwardingOps::linear(x, weight, bias);
  }
  Tensor lm_head(const Tensor& x, const Weight& weight, double softcap) override {
    count(x, weight);
    return ForwardingOps::lm_head(x, weight, softcap);
  }

 private:
  void count(const Tensor& x, const Weight& weight) {
    const auto found = places_.find(weight.name);
    if (found == places_.end()) return;
    const Place& place = found->second;
    const std::vector<double> values = to_f64(x);
    const auto columns = static_cast<std::size_t>(x.shape().width());
    const auto experts = static_cast<std::size_t>(place.experts), expert = static_cast<std::size_t>(place.expert);
    ImportanceEntry& entry = entries_[place.gguf];
    entry.sums.resize(experts * columns);
    entry.counts.resize(experts);
    double* sums = entry.sums.data() + expert * columns;
    for (std::size_t i = 0; i < values.size(); ++i) sums[i % columns] += values[i] * values[i];
    entry.counts[expert] += static_cast<double>(values.size() / columns);
  }

  Places places_;
  std::map<std::string, ImportanceEntry> entries_;
};

/// Every matrix of the model with a GGUF name.
Result<Places> places_of(const Model& model, bool head) {
  Places places;
  for (const TensorSpec& spec : model.architecture->tensors(model.config)) {
    const bool is_head = spec.gguf == "output.weight";
    if (spec.shape.rank() != 2 || !spec.gguf.ends_with(".weight") || spec.role == TensorRole::embedding) continue;
    if (is_head && (!head || model.config.tied_head)) continue;
    const std::int64_t experts = std::max<std::int64_t>(spec.gguf_stack.count, 1);
    if (!places.emplace(spec.hf, Place{spec.gguf, spec.gguf_stack.index, experts}).second)
      return unsupported("several experts are called '{}', so their inputs cannot be told apart", spec.hf);
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
  VB_TRY(Places places, places_of(*model, options.head));
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
