#include <algorithm>

#include "backends/backends.h"
#include "base/sha256.h"
#include "format/hf_writer.h"
#include "support/test_context.h"
#include "surface/rows/rows.h"
#include "train/trained_model.h"

namespace vauban::test {
namespace {

const std::string kEdited = "model.layers.1.mlp.down_proj.weight";

Want weights(std::string glob, Form form = Form::summary) {
  Want want;
  want.kind = ArtifactKind::weight_snapshot;
  want.tensors = std::move(glob);
  want.form = form;
  return want;
}

std::string digest_in(const Trace& trace, const std::string& tensor) {
  const TraceArtifact* found = trace.find("weight_snapshot." + tensor);
  return found ? found->digest : "";
}

Result<TensorOut> tensor_of(const MemorySink::Payload& payload) {
  VB_TRY(const Shape shape, Shape::from(payload.shape));
  const std::span<const std::byte> bytes = std::as_bytes(std::span(payload.values));
  return TensorOut{.name = payload.name,
                   .dtype = DType::f32,
                   .shape = shape,
                   .make = [kept = std::vector<std::byte>(bytes.begin(), bytes.end())]() -> Result<TensorBytes> {
                     return TensorBytes::own(kept);
                   }};
}

Batch one_sequence(const std::vector<std::int32_t>& ids) {
  Batch batch;
  const auto rows = static_cast<std::int32_t>(ids.size()) - 1;
  batch.sequences.push_back({.first_row = 0, .rows = rows, .past = 0, .pages = {}});
  for (std::int32_t row = 0; row < rows; ++row) {
    batch.ids.push_back(ids[static_cast<std::size_t>(row)]);
    batch.positions.push_back(row);
    batch.output_rows.push_back(row);
  }
  return batch;
}

/// log p of every id after the first, with the parameters as they are; the gradients of their mean are left behind.
Result<std::vector<double>> pass(TrainedModel& trained, const std::vector<std::int32_t>& ids) {
  const Batch batch = one_sequence(ids);
  const std::vector<std::int32_t> targets(ids.begin() + 1, ids.end());
  trained.tape().zero_gradients();
  trained.tape().begin_step();
  trained.forward(batch);
  VB_TRY(std::vector<double> logprobs,
         trained.tape().backward(targets,
                                 std::vector<double>(targets.size(), -1.0 / static_cast<double>(targets.size()))));
  VB_CHECK(trained.tape().end_step());
  return logprobs;
}

template <class T>
void descend(const ParameterSlot& slot, double rate) {
  auto* value = static_cast<T*>(slot.value);
  const auto* gradient = static_cast<const T*>(slot.grad);
  for (std::int64_t i = 0; i < slot.shape.elements(); ++i) value[i] -= static_cast<T>(rate) * gradient[i];
}

void descend(TrainedModel& trained, double rate) {
  for (const ParameterSlot& slot : trained.slots()) {
    if (slot.dtype == DType::f64)
      descend<double>(slot, rate);
    else
      descend<float>(slot, rate);
  }
  trained.tape().parameters_changed();
}

Result<std::vector<double>> scored(Runtime& runtime, const std::vector<std::int32_t>& ids) {
  TraceRequest request = surface_request("scored", 0, {want_payload(Site::logprobs)});
  request.prompt_ids = ids;
  VB_TRY(const Watched seen, watch(runtime, request));
  if (seen.payloads.empty()) return not_found("expected logprobs, found none");
  std::vector<double> out;
  for (std::size_t row = 0; row + 1 < ids.size(); ++row)
    out.push_back(seen.payloads.front().values[row * kTinyVocabulary + static_cast<std::size_t>(ids[row + 1])]);
  return out;
}

double largest(const std::vector<double>& a, const std::vector<double>& b) {
  return largest_difference(std::vector<float>(a.begin(), a.end()), std::vector<float>(b.begin(), b.end()));
}

TrainingConfig adapter_training(const std::filesystem::path& base, const std::filesystem::path& out) {
  TrainingConfig config;
  config.base = base.string();
  config.out = out.string();
  config.method = "lora";
  config.numerics = config.dtype = "f32";
  config.lora = LoraConfig{};
  config.lora->rank = 4;
  config.seed = 3;
  return config;
}

}  // namespace

Result<Measured> snapshots_have_the_digests_of_the_file(SurfaceBench& bench) {
  VB_TRY(const Trace trace, bench.runtime().trace(surface_request("weights", 0, {weights("*")}), nullptr));
  Faults faults;
  const auto& tensors = bench.local().loaded().file->tensors();
  for (const TensorEntry& tensor : tensors) {
    VB_TRY(const std::vector<float> values, decode_f32(tensor.view));
    faults.expect(digest_in(trace, tensor.name) == sha256_hex(std::as_bytes(std::span(values))), tensor.name);
  }
  return Measured{has_kind(trace, ArtifactKind::weight_snapshot) && !tensors.empty(), faults.count(), faults.note()};
}

Result<Measured> edit_is_recorded_and_undone(SurfaceBench& bench) {
  const TraceRequest request = surface_request("edit", 0, {weights(kEdited), want_payload(Site::logits)});
  const std::vector<WeightEdit> edits{{.tensor = kEdited, .op = "scale", .alpha = 0.5}};
  Runtime& runtime = bench.runtime();
  VB_TRY(const Watched before, watch(runtime, request));
  VB_TRY(const auto records, runtime.edit_weights(edits));
  const Result<Watched> edited = watch(runtime, request);
  VB_TRY(const auto undone, runtime.undo_weight_edits());
  VB_CHECK(edited);
  VB_TRY(const Watched after, watch(runtime, request));
  if (records.size() != 1 || !edited->trace.parts().metadata.find("weight_edits")) return Measured{};
  if (before.payloads.empty() || edited->payloads.empty() || after.payloads.empty()) return Measured{};
  Faults faults;
  faults.expect(records[0].digest_before == digest_in(before.trace, kEdited),
                "the digest before is not the snapshot's");
  faults.expect(records[0].digest_after == digest_in(edited->trace, kEdited), "the digest after is not the snapshot's");
  faults.expect(records[0].changed(), "the record says that nothing changed");
  faults.expect(undone.size() == 1 && digest_in(after.trace, kEdited) == records[0].digest_before, "it was not undone");
  faults.expect(largest_difference(before.payloads[0].values, edited->payloads[0].values) > 1e-3, "the logits stayed");
  faults.expect(largest_difference(before.payloads[0].values, after.payloads[0].values) <= 1e-5,
                "undo left other logits");
  return Measured{true, faults.count(), faults.note()};
}

Result<Measured> held_weights_survive_a_file(SurfaceBench& bench) {
  const TraceRequest request = surface_request("export", 0, {weights("*", Form::payload)});
  VB_TRY(const Watched held, watch(bench.runtime(), request));
  const TinyModel model = make_tiny_model();
  HfFolder folder{.json_files = {{"config.json", model.config}, {"tokenizer.json", model.tokenizer}}};
  for (const MemorySink::Payload& payload : held.payloads) {
    VB_TRY(TensorOut tensor, tensor_of(payload));
    folder.tensors.push_back(std::move(tensor));
  }
  if (folder.tensors.empty()) return Measured{};
  VB_CHECK(write_hf_folder(bench.scratch("exported"), folder));
  VB_TRY(const auto loaded, bench.open_here(bench.scratch("exported")));
  VB_TRY(const std::vector<float> expected, logits_of(bench.runtime()));
  VB_TRY(const std::vector<float> found, logits_of(loaded->runtime()));
  return Measured{true, largest_difference(found, expected), ""};
}

Result<Measured> trained_adapter_survives_a_file(SurfaceBench& bench) {
  const TestContext services(1);  // for as long as the training run lives
  const std::filesystem::path folder = bench.scratch("adapter");
  const std::vector<std::int32_t> ids{1, 72, 104, 260, 270, 280, 261, 90, 17, 265};
  VB_TRY(std::unique_ptr<Ops> own, make_training_backend(bench.backend(), services.context_, "", "f32"));
  const std::unique_ptr<Ops> ops = bench.disguised(std::move(own));
  VB_TRY(ModelSource source, ModelSource::open(bench.model()));
  VB_TRY(const auto trained,
         TrainedModel::open(adapter_training(bench.model(), folder), std::move(source), *ops, services.context_));
  VB_TRY(const std::vector<double> start, pass(*trained, ids));
  descend(*trained, 1.0);
  VB_TRY(const std::vector<double> moved, pass(*trained, ids));
  VB_CHECK(trained->write(folder, DType::f32, {}));
  VB_TRY(const auto read, bench.open_here(bench.model().string() + "+" + folder.string()));
  VB_TRY(const std::vector<double> found, scored(read->runtime(), ids));
  const bool written = std::filesystem::exists(folder / "adapter_config.json") &&
                       std::filesystem::exists(folder / "adapter_model.safetensors");
  if (largest(start, moved) < 1e-3) return Measured{written, 1.0, "the step did not move the adapter"};
  return Measured{written, largest(found, moved), ""};
}

}  // namespace vauban::test
