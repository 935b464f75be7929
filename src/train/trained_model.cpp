#include "train/trained_model.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <set>

#include "base/rng.h"
#include "format/hf_writer.h"
#include "format/model_files.h"
#include "model/stored_form.h"
#include "model/unstored.h"
#include "tensor/quant/format.h"
#include "train/fresh_adapter.h"

namespace vauban {
namespace {

using Names = std::set<std::string, std::less<>>;

/// The names under which a fresh adapter's tensors reach Ops::load_weight.
Names trained_names(const Adapter& adapter) {
  Names names;
  for (const AdapterTensor& tensor : adapter.tensors()) names.insert(adapter.weight_name(tensor));
  return names;
}

Result<void> check_gradients(const ModelConfig& config, const Ops& ops) {
  for (const Op op : ops_of(config.decoder))
    if (!ops.supports(op, Direction::backward))
      return unsupported("architecture '{}' needs the gradient of '{}', which backend '{}' does not have",
                         config.architecture, to_string(op), ops.backend());
  if (config.decoder.head_bias)  // the tape fuses the head with the loss, without a bias
    return unsupported("architecture '{}' has a head with a bias, which does not train", config.architecture);
  return ok();
}

/// write_model() stores each tensor of the map under its own name.
Result<void> check_stored_alone(const TensorMap& map) {
  for (const TensorSpec& spec : map)
    if (spec.hf_rows_apart || spec.hf_stack.count > 0)
      return unsupported("tensor '{}': a full fine-tune writes no folder whose tensors are stacked or split; train an adapter", spec.hf);
  return ok();
}

Result<TensorBytes> narrowed(std::span<const float> values, DType dtype) {
  std::vector<std::byte> bytes(values.size() * (info(dtype).bits / 8));
  for (std::size_t i = 0; i < values.size(); ++i) {
    const std::uint16_t half = dtype == DType::bf16 ? f32_to_bf16(values[i]) : f32_to_f16(values[i]);
    if (dtype == DType::f16 && !std::isfinite(f16_to_f32(half)))
      return with_hint(invalid_input("element {} is {}, which f16 cannot hold", i, values[i]), "say dtype = \"bf16\" or \"f32\"");
    if (dtype == DType::f32)
      std::memcpy(bytes.data() + i * sizeof(float), &values[i], sizeof(float));
    else
      std::memcpy(bytes.data() + i * sizeof half, &half, sizeof half);
  }
  return TensorBytes::own(std::move(bytes));
}

const char* torch_name(DType dtype) {
  return dtype == DType::f32 ? "float32" : dtype == DType::bf16 ? "bfloat16" : "float16";
}

/// The key that says the type: `torch_dtype`, or `dtype` where transformers 5 wrote the file.
void set_dtype(Json& config, DType dtype) {
  const bool newer = config.find("dtype") && !config.find("torch_dtype");
  if (config.find("dtype")) config["dtype"] = torch_name(dtype);
  if (!newer) config["torch_dtype"] = torch_name(dtype);
}

/// The head is fused with the loss, and has no room for a pair.
Result<void> refuse_head_pairs(const Adapter& adapter, const Model& model) {
  for (const TargetModule& module : target_modules(*model.architecture, model.config))
    for (const AdapterTensor& tensor : adapter.tensors())
      if (module.role == TensorRole::head && tensor.parsed.module == module.name && tensor.parsed.part == AdapterPart::lora_a)
        return with_hint(unsupported("LoRA on the head ('{}') does not train", module.name),
                         "leave it out of [lora] `targets`; modules_to_save trains it as a whole");
  return ok();
}

}  // namespace

Result<std::unique_ptr<TrainedModel>> TrainedModel::open(const TrainingConfig& config, ModelSource source, Ops& ops,
                                                         const Context& context) {
  std::unique_ptr<TrainedModel> trained(new TrainedModel());
  trained->source_ = std::move(source);
  std::vector<std::shared_ptr<const Adapter>> adapters;
  TapeOptions options{.trainable = [](std::string_view name) { return name != kOnes; }, .checkpointing = config.checkpointing};
  if (config.method == "lora") {
    VB_TRY(trained->adapter_, fresh_adapter(config, trained->source_));
    adapters.push_back(trained->adapter_);
    options.trainable = [names = trained_names(*trained->adapter_)](std::string_view name) { return names.contains(name); };
  } else if (trained->source_.is_gguf()) {
    return with_hint(unsupported("full training writes a Hugging Face folder, and {} is a GGUF file", trained->source_.path.string()),
                     "`vauban convert` it first, or use method = \"lora\"");
  } else {
    VB_CHECK(trained->source_.refuse_compressed("a full fine-tune"));
  }
  VB_TRY(trained->tape_, Tape::create(ops, std::move(options)));
  VB_TRY(trained->model_, Model::load(trained->source_, *trained->tape_, context, adapters));
  VB_CHECK(check_gradients(trained->model_->config, ops));
  if (trained->adapter_) VB_CHECK(refuse_head_pairs(*trained->adapter_, *trained->model_));
  if (!trained->adapter_) VB_CHECK(check_stored_alone(trained->model_->architecture->tensors(trained->model_->config)));
  trained->make_slots(config.decay_embeddings);
  return trained;
}

void TrainedModel::make_slots(bool decay_embeddings) {
  Names tables;
  for (const TensorSpec& spec : model_->architecture->tensors(model_->config))
    if (spec.role == TensorRole::embedding || spec.role == TensorRole::head) tables.insert(spec.hf);
  for (Parameter& p : tape_->parameters()) {
    const bool table = tables.contains(p.weight.name);
    slots_.push_back({.name = p.weight.name,
                      .shape = p.weight.shape,
                      .dtype = p.gradient.dtype(),
                      .value = p.weight.tensor.data(),
                      .grad = p.gradient.data(),
                      .decay = p.weight.shape.rank() > 1 && (decay_embeddings || !table)});
  }
  std::sort(slots_.begin(), slots_.end(), [](const ParameterSlot& a, const ParameterSlot& b) { return a.name < b.name; });
}

std::int64_t TrainedModel::trainable() const {
  std::int64_t count = 0;
  for (const ParameterSlot& slot : slots_) count += slot.shape.elements();
  return count;
}

const Parameter* TrainedModel::find(std::string_view name) const {
  const auto parameters = tape_->parameters();
  const auto it = std::find_if(parameters.begin(), parameters.end(),
                               [&](const Parameter& p) { return p.weight.name == name; });
  return it == parameters.end() ? nullptr : &*it;
}

Result<void> TrainedModel::write(const std::filesystem::path& folder, DType dtype,
                                 const SafetensorsMetadata& lineage) const {
  return adapter_ ? write_adapter(folder, lineage) : write_model(folder, dtype, lineage);
}

Result<void> TrainedModel::write_adapter(const std::filesystem::path& folder, const SafetensorsMetadata& lineage) const {
  std::map<std::string, std::vector<float>> values;
  for (const Parameter& p : tape_->parameters()) values.emplace(p.weight.name, to_f32(p.weight.tensor));
  std::vector<std::string> conv1d;
  for (const TargetModule& module : target_modules(*model_->architecture, model_->config))
    for (const AdapterTensor& tensor : adapter_->tensors())
      if (module.transposed && tensor.parsed.module == module.name && tensor.parsed.part == AdapterPart::replacement &&
          tensor.parsed.tensor == "weight")
        conv1d.push_back(adapter_->weight_name(tensor));
  VB_TRY(const auto trained, adapter_->with_values(values, conv1d));
  return trained->write(folder, lineage);
}

Result<void> TrainedModel::write_model(const std::filesystem::path& path, DType dtype,
                                       const SafetensorsMetadata& lineage) const {
  HfFolder folder;
  folder.metadata.insert(lineage.begin(), lineage.end());
  VB_CHECK(copy_model_files(source_.path, folder));
  Json config = source_.config;
  set_dtype(config, dtype);
  folder.json_files["config.json"] = std::move(config);
  for (const TensorSpec& spec : model_->architecture->tensors(model_->config)) {
    const bool aliased = !spec.hf_alias.empty() && !source_.file->find(spec.hf) && source_.file->find(spec.hf_alias);
    const std::string& name = aliased ? spec.hf_alias : spec.hf;
    const Parameter* p = find(spec.hf);
    if (!p) continue;  // a tied head: written as the table
    folder.tensors.push_back({.name = name, .dtype = dtype, .shape = hf_shape(spec), .make = [p, spec, dtype]() -> Result<TensorBytes> {
                                const std::vector<float> values = to_f32(p->weight.tensor);
                                const TensorView view{DType::f32, spec.shape, std::as_bytes(std::span(values))};
                                VB_TRY(const OwnedView stored, from_canonical(view, spec, false));
                                VB_TRY(const std::vector<float> ordered, decode_f32(stored.view));
                                return narrowed(ordered, dtype);
                              }});
  }
  if (folder.tensors.size() != tape_->parameters().size())
    return internal("{} tensors trained, {} would be written", tape_->parameters().size(), folder.tensors.size());
  return write_hf_folder(path, folder);
}

}  // namespace vauban
