#include "runtime/local/local_runtime.h"

#include <algorithm>

#include "runtime/local/streams.h"
#include "runtime/local/trace_batch.h"
#include "trace/weight_edit_json.h"

namespace vauban {

namespace {

Result<void> check_options(const LocalOptions& options, const Ops& ops) {
  if (options.page_tokens < 1) return invalid_input("page_tokens: expected 1 or more, found {}", options.page_tokens);
  if (options.engine.max_batch < 1)
    return invalid_input("max_batch: expected 1 or more, found {}", options.engine.max_batch);
  if (options.engine.prefill_chunk < 1)
    return invalid_input("prefill_chunk: expected 1 row or more, found {}", options.engine.prefill_chunk);
  if (to_string(options.numerics) != ops.numerics())
    return unsupported("numerics '{}' was asked for, backend '{}' computes in '{}'", to_string(options.numerics),
                       ops.backend(), ops.numerics());
  return ok();
}

/// Pages for max_batch full contexts, or as many as the limit holds.
Result<KvGeometry> plan_pages(const Model& model, const Ops& ops, const LocalOptions& options) {
  KvGeometry geometry = model.network->kv_geometry();
  geometry.page_tokens = options.page_tokens;
  const std::int64_t element_bytes = info(ops.activation_dtype()).bits / 8;
  const std::int64_t page_bytes =
      std::int64_t{2} * geometry.layers * geometry.kv_heads * geometry.head_dim * options.page_tokens * element_bytes;
  const std::int64_t context = std::max<std::int64_t>(model.config.context_length, options.page_tokens);
  const std::int64_t wanted = options.engine.max_batch * ((context + options.page_tokens - 1) / options.page_tokens);
  // A step moves a recurrent state from page to page, so that each sequence may hold two. At most: not every layer has one.
  const std::int64_t state_bytes = 2 * geometry.layers * (geometry.state.conv + geometry.state.scan) * std::int64_t{8};
  const std::int64_t all_states = state_bytes * options.engine.max_batch;
  if (all_states >= options.kv_memory_bytes)
    return with_hint(resource("the recurrent states of {} sequences take {} bytes; the limit is {}", options.engine.max_batch,
                              all_states, options.kv_memory_bytes),
                     "raise the memory limit or lower the batch size");
  const std::int64_t affordable = (options.kv_memory_bytes - all_states) / std::max<std::int64_t>(page_bytes, 1);
  if (affordable < 1)
    return with_hint(resource("one page of the key/value cache takes {} bytes; the limit is {}", page_bytes,
                              options.kv_memory_bytes),
                     "raise the memory limit or use fewer tokens per page");
  geometry.pages = static_cast<std::int32_t>(std::min({wanted, affordable, std::int64_t{1} << 30}));
  return geometry;
}

/// `text` as the one message of a conversation, with the start of the answer.
Result<std::string> as_user_message(const Model& model, const std::string& text, const Clock& clock) {
  if (!model.chat_template)
    return with_hint(unsupported("model '{}' came without a chat template", model.identity.name),
                     "put a chat_template.jinja beside its config.json, or give the rendered text");
  const Json messages = Json::array({Json::object({{"role", "user"}, {"content", text}})});
  return model.chat_template->render(chat_variables(messages, true, model.bos_text, model.eos_text), {.now = clock.utc()});
}

}  // namespace

Result<std::unique_ptr<LocalRuntime>> LocalRuntime::make(std::unique_ptr<Model> model, std::unique_ptr<Ops> ops,
                                                         const Context& context, const LocalOptions& options) {
  VB_CHECK(check_options(options, *ops));
  VB_TRY(const KvGeometry geometry, plan_pages(*model, *ops, options));
  VB_TRY(std::unique_ptr<KvStore> store, ops->make_kv_store(geometry), "while making the key/value cache of '{}'",
         model->identity.name);
  auto kv = std::make_shared<KvMemory>(std::move(store));
  return std::unique_ptr<LocalRuntime>(
      new LocalRuntime(std::move(model), std::move(ops), context, options, std::move(kv)));
}

LocalRuntime::LocalRuntime(std::unique_ptr<Model> model, std::unique_ptr<Ops> ops, const Context& context,
                           const LocalOptions& options, std::shared_ptr<KvMemory> kv)
    : context_(context),
      options_(options),
      ops_(std::move(ops)),
      model_(std::move(model)),
      kv_(std::move(kv)),
      loaded_identity_(model_->identity),
      weights_(*model_->network, *ops_),
      load_work_(ops_->take_counters()),
      capability_(capability_of(model_->config, *ops_, model_->tokenizer != nullptr)) {
  ops_->take_counters();  // asking what it can do is nobody's work
}

Result<std::vector<std::int32_t>> LocalRuntime::tokenize(const TraceRequest& request) {
  if (!request.prompt_ids.empty()) {
    if (request.apply_chat_template)
      return invalid_input("request '{}': a chat template cannot be applied to ids", request.trace_id);
    return request.prompt_ids;
  }
  if (!model_->tokenizer)
    return with_hint(unsupported("model '{}' came without a tokenizer: text cannot become ids", model_->identity.name),
                     "give prompt_ids instead");
  std::string text = request.input_text;
  if (request.apply_chat_template) {
    VB_TRY(text, as_user_message(*model_, request.input_text, context_.clock), "in request '{}'", request.trace_id);
  }
  // A template writes every special token itself: nothing is added to its text, so BOS cannot come twice.
  const bool add_special = request.add_special && !request.apply_chat_template;
  VB_TRY(Encoding encoding, model_->tokenizer->encode(text, {.add_special = add_special}), "while tokenizing request '{}'",
         request.trace_id);
  if (encoding.ids.empty()) return invalid_input("request '{}': its text gives no token at all", request.trace_id);
  return std::move(encoding.ids);
}

Result<Trace> LocalRuntime::trace(const TraceRequest& request, PayloadSink* sink) {
  return std::move(trace_batch(std::span(&request, 1), sink).front());
}

std::vector<Result<Trace>> LocalRuntime::trace_batch(std::span<const TraceRequest> requests, PayloadSink* sink) {
  TraceBatch batch({*model_, *ops_, *kv_, capability_, context_, sink, options_.numerics, options_.requested_device,
                    options_.engine, weights_, load_work_},
                   make_engine(options_.engine));
  for (const TraceRequest& request : requests) batch.add(request, [&] { return tokenize(request); });
  if (!load_reported_) load_reported_ = batch.report_load();
  return batch.run();
}

Result<void> LocalRuntime::submit(StepRun& run, const TraceRequest& request) {
  VB_CHECK(validate(request));
  VB_TRY(std::vector<std::int32_t> ids, tokenize(request));
  Observed& observed = run.observed.emplace_back();
  observed.prompt_rows = static_cast<std::int64_t>(ids.size());
  VB_TRY(observed.effects, check_interventions(request, model_->config, capability_));
  VB_TRY(const std::size_t number,
         run.engine.submit({.prompt = std::move(ids), .sampling = request.sampling, .wants_logits = {}}));
  run.observer.add(number, observed);
  run.edits = run.edits || !observed.effects.empty();
  return ok();
}

Result<std::unique_ptr<StepStream>> LocalRuntime::generate(std::span<const TraceRequest> requests) {
  auto run =
      std::unique_ptr<StepRun>(new StepRun{make_engine(options_.engine),
                                           Observer(*ops_, context_.clock, static_cast<int>(model_->config.layers)),
                                           {},
                                           false});
  for (std::size_t i = 0; i < requests.size(); ++i) VB_CHECK(submit(*run, requests[i]), "in request {}", i);
  return make_step_stream(std::move(run));
}

Result<std::unique_ptr<ScoreStream>> LocalRuntime::score(std::span<const std::int32_t> ids,
                                                         const ScoreOptions& options) {
  if (options.chunk_rows < 1) return invalid_input("chunk_rows: expected 1 or more, found {}", options.chunk_rows);
  const int chunk = static_cast<int>(std::min<std::int64_t>(options.chunk_rows, options_.engine.prefill_chunk));
  auto run = std::unique_ptr<StepRun>(new StepRun{make_engine({.max_batch = 1, .prefill_chunk = chunk}),
                                                  Observer(*ops_, context_.clock, static_cast<int>(model_->config.layers)),
                                                  {},
                                                  false});
  Observed& observed = run->observed.emplace_back();
  observed.prompt_rows = options.prompt_rows > 0 ? options.prompt_rows : static_cast<std::int64_t>(ids.size());
  TraceRequest edited;
  edited.interventions = options.interventions;
  VB_TRY(observed.effects, check_interventions(edited, model_->config, capability_));
  VB_TRY(const std::size_t number, run->engine.submit({.prompt = {ids.begin(), ids.end()},
                                                       .sampling = {},
                                                       .wants_logits = [](std::int64_t) { return true; }}),
         "while scoring {} ids", ids.size());
  run->observer.add(number, observed);
  run->edits = !observed.effects.empty();
  return make_score_stream(std::move(run), model_->config.vocab_size);
}

// ---- weights

Result<void> LocalRuntime::check_editable() const {
  if (capability_.mutable_weights.level == SupportLevel::unsupported)
    return unsupported("weights cannot be edited here: {}", capability_.mutable_weights.reason);
  if (kv_->pool.used_pages() == 0) return ok();
  return with_hint(invalid_input("weights cannot be edited while requests are running: they would answer from two models"),
                   "finish or drop their streams first");
}

/// Edited weights are another model, made from the loaded one.
void LocalRuntime::name_edited_model() {
  model_->identity = loaded_identity_;
  const std::span<const WeightEditRecord> records = weight_edits();
  if (records.empty()) return;
  model_->identity.digest = edited_digest(loaded_identity_.digest, records);
  model_->identity.lineage = Json::object(
      {{"kind", "weight_edits"},
       {"base", Json::object({{"digest", loaded_identity_.digest}, {"lineage", loaded_identity_.lineage}})},
       {"edits", to_json(records)}});
}

Result<std::vector<WeightEditRecord>> LocalRuntime::edit_weights(std::span<const WeightEdit> edits) {
  VB_CHECK(check_editable());
  auto records = weights_.edit(edits);
  name_edited_model();
  return records;
}

Result<std::vector<WeightEditRecord>> LocalRuntime::undo_weight_edits(std::int64_t count) {
  VB_CHECK(check_editable());
  auto records = weights_.undo(count);
  name_edited_model();
  return records;
}

Result<std::vector<WeightEditRecord>> LocalRuntime::undo_weight_edits() {
  return undo_weight_edits(weights_.editor().active());
}

}  // namespace vauban
