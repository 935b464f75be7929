#include "train/trained_model.h"

#include <algorithm>
#include <cstring>
#include <set>

#include "base/rng.h"
#include "format/hf_writer.h"
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

Result<void> check_gradients(const Architecture& architecture, const Ops& ops) {
  for (const Op op : architecture.ops)
    if (!ops.supports(op, Direction::backward))
      return unsupported("architecture '{}' needs the gradient of '{}', which backend '{}' does not have",
                         architecture.id, to_string(op), ops.backend());
  return ok();
}

std::vector<std::byte> narrowed(std::span<const double> values, DType dtype) {
  std::vector<std::byte> bytes(values.size() * (info(dtype).bits / 8));
  for (std::size_t i = 0; i < values.size(); ++i) {
    const auto value = static_cast<float>(values[i]);
    const std::uint16_t half = dtype == DType::bf16 ? f32_to_bf16(value) : f32_to_f16(value);
    if (dtype == DType::f32)
      std::memcpy(bytes.data() + i * sizeof value, &value, sizeof value);
    else
      std::memcpy(bytes.data() + i * sizeof half, &half, sizeof half);
  }
  return bytes;
}

std::vector<double> transposed(std::span<const double> values, std::int64_t rows, std::int64_t columns) {
  std::vector<double> out(values.size());
  for (std::int64_t r = 0; r < rows; ++r)
    for (std::int64_t c = 0; c < columns; ++c)
      out[static_cast<std::size_t>(c * rows + r)] = values[static_cast<std::size_t>(r * columns + c)];
  return out;
}

/// Files of a Hugging Face folder that a change of weights leaves as they are.
Result<void> copy_companions(const ModelSource& source, HfFolder& folder) {
  for (const char* name : {"generation_config.json", "tokenizer.json", "tokenizer.model", "tokenizer_config.json",
                           "special_tokens_map.json", "chat_template.jinja"}) {
    const std::filesystem::path from = source.path / name;
    if (!std::filesystem::is_regular_file(from)) continue;
    VB_TRY(folder.text_files[name], read_file(from));
  }
  return ok();
}

const char* torch_name(DType dtype) {
  return dtype == DType::f32 ? "float32" : dtype == DType::bf16 ? "bfloat16" : "float16";
}

}  // namespace

Result<std::unique_ptr<TrainedModel>> TrainedModel::open(const TrainingConfig& config, ModelSource source, Ops& ops,
                                                         const Context& context) {
  std::unique_ptr<TrainedModel> trained(new TrainedModel());
  trained->source_ = std::move(source);
  std::vector<std::shared_ptr<const Adapter>> adapters;
  TapeOptions options{.trainable = [](std::string_view) { return true; }, .checkpointing = config.checkpointing};
  if (config.method == "lora") {
    VB_TRY(trained->adapter_, fresh_adapter(config, trained->source_));
    adapters.push_back(trained->adapter_);
    options.trainable = [names = trained_names(*trained->adapter_)](std::string_view name) { return names.contains(name); };
  } else if (trained->source_.is_gguf()) {
    return with_hint(unsupported("full training writes a Hugging Face folder, and {} is a GGUF file", trained->source_.path.string()),
                     "`vauban convert` it first, or use method = \"lora\"");
  }
  VB_TRY(trained->tape_, Tape::create(ops, std::move(options)));
  VB_TRY(trained->model_, Model::load(trained->source_, *trained->tape_, context, adapters));
  VB_CHECK(check_gradients(*trained->model_->architecture, ops));
  trained->make_slots(config.decay_embeddings);
  return trained;
}

void TrainedModel::make_slots(bool decay_embeddings) {
  for (Parameter& p : tape_->parameters()) {
    const bool table = p.weight.name.find("embed") != std::string::npos || p.weight.name.starts_with("lm_head");
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
  VB_CHECK(copy_companions(source_, folder));
  Json config = source_.config;
  config["torch_dtype"] = torch_name(dtype);
  folder.json_files["config.json"] = std::move(config);
  for (const TensorSpec& spec : model_->architecture->tensors(model_->config)) {
    const bool aliased = !spec.hf_alias.empty() && !source_.file->find(spec.hf) && source_.file->find(spec.hf_alias);
    const std::string& name = aliased ? spec.hf_alias : spec.hf;
    const Parameter* p = find(spec.hf);
    if (!p) continue;  // a tied head: written as the table
    folder.tensors.push_back({.name = name, .dtype = dtype, .shape = hf_shape(spec), .make = [p, spec, dtype] {
                                std::vector<double> values = to_f64(p->weight.tensor);
                                if (spec.hf_transposed) values = transposed(values, spec.shape[0], spec.shape[1]);
                                return Result<TensorBytes>(TensorBytes::own(narrowed(values, dtype)));
                              }});
  }
  if (folder.tensors.size() != tape_->parameters().size())
    return internal("{} tensors trained, {} would be written", tape_->parameters().size(), folder.tensors.size());
  return write_hf_folder(path, folder);
}

}  // namespace vauban
