#include "train/checkpoint/checkpoint.h"

#include <algorithm>
#include <cstring>

#include "base/strings.h"
#include "format/safetensors.h"
#include "train/checkpoint/digests.h"
#include "train/checkpoint/state_json.h"
#include "train/checkpoint/tensor_checks.h"

namespace vauban {

namespace {

constexpr std::string_view kStateTensor = "__training__.state";
constexpr std::string_view kOptimizerPrefix = "__training__.optimizer.";
constexpr std::string_view kKind = "vauban.kind", kSchema = "vauban.schema_version";
constexpr std::string_view kTraining = "training", kRelease = "release";

std::string optimizer_name(const std::string& parameter, const std::string& state) {
  return format("{}{}.{}", kOptimizerPrefix, state, parameter);
}

/// The tensors of the optimiser under the names that they have in the file.
NamedTensors flat(const OptimizerState& optimizer) {
  NamedTensors tensors;
  for (const auto& [parameter, states] : optimizer.tensors)
    for (const auto& [name, tensor] : states) tensors.emplace(optimizer_name(parameter, name), tensor);
  return tensors;
}
std::map<std::string, StoredSpec> flat(const CheckpointSchema& schema) {
  std::map<std::string, StoredSpec> specs;
  for (const auto& [parameter, states] : schema.optimizer)
    for (const auto& [name, spec] : states) specs.emplace(optimizer_name(parameter, name), spec);
  return specs;
}

std::vector<NamedTensorView> views(const NamedTensors& tensors) {
  std::vector<NamedTensorView> out;
  for (const auto& [name, tensor] : tensors)
    out.push_back({name, {tensor.dtype(), tensor.shape(), host_bytes(tensor)}});
  return out;
}

bool is_training(std::string_view name) { return name.starts_with(kTrainingPrefix); }

void append(std::vector<NamedTensorView>& to, std::vector<NamedTensorView> more) {
  to.insert(to.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
}

Result<void> check_weights(const NamedTensors& weights, const std::map<std::string, StoredSpec>& expected) {
  VB_CHECK(check_names(weights));
  VB_CHECK(check_specs(weights, expected));
  VB_CHECK(check_lora_pairs(weights));
  return check_finite(weights);
}

Result<void> check_optimizer(const OptimizerState& optimizer, const CheckpointSchema& schema) {
  const NamedTensors tensors = flat(optimizer);
  VB_CHECK(check_specs(tensors, flat(schema)), "in the optimizer state");
  return check_finite(tensors);
}

/// Metadata of either kind, sealed.
SafetensorsMetadata sealed(SafetensorsMetadata metadata, std::string_view kind, const NamedTensors& weights) {
  metadata["format"] = "pt";  // transformers and PEFT ask for it
  metadata[std::string(kKind)] = kind;
  metadata[std::string(kSchema)] = format("{}", kCheckpointSchemaVersion);
  metadata[std::string(kWeightsDigest)] = content_digest(views(weights));
  metadata[std::string(kMetadataDigest)] = metadata_digest(metadata);
  return metadata;
}

Result<void> check_provenance(const SafetensorsMetadata& provenance) {
  const auto control = [](unsigned char c) { return c < 0x20 || c == 0x7F; };
  for (const auto& [key, value] : provenance) {
    if (key.starts_with("vauban.") || is_training(key) || key == "format")
      return invalid_input("metadata key '{}' is reserved", printable(key));
    if (std::any_of(key.begin(), key.end(), control) || std::any_of(value.begin(), value.end(), control))
      return invalid_input("metadata key '{}' or its value holds control characters", printable(key));
  }
  return ok();
}

/// An opened file, sorted into its parts; no tensor was read yet.
struct Parts {
  std::vector<NamedTensorView> weights, training;
  SafetensorsMetadata metadata;
  std::uint64_t header_bytes = 0;
};

Result<std::string> required(const Parts& parts, std::string_view key) {
  const auto found = parts.metadata.find(std::string(key));
  if (found == parts.metadata.end())
    return invalid_input("no checkpoint or release of vauban: metadata key '{}' is missing", key);
  return found->second;
}

Result<void> expect_digest(const Parts& parts, std::string_view key, const std::string& found) {
  VB_TRY(const std::string expected, required(parts, key));
  if (expected != found)
    return with_hint(corrupt("{}: expected {}, found {}", key, printable(expected), found),
                     "the file was damaged or changed: use an earlier checkpoint");
  return ok();
}

/// Whoever writes a newer schema may have changed all else, so this comes before the digests.
Result<void> check_schema_version(const Parts& parts) {
  VB_TRY(const std::string text, required(parts, kSchema));
  const auto version = parse_int(text);
  if (!version || *version < 1) return corrupt("{}: expected a version, found '{}'", kSchema, printable(text));
  if (*version > kCheckpointSchemaVersion)
    return unsupported("the file has schema version {}, this build reads up to {}", *version, kCheckpointSchemaVersion);
  return ok();
}

Result<Parts> parse_parts(std::span<const std::byte> file) {
  VB_TRY(const SafetensorsContents contents, parse_safetensors(file));
  Parts parts{.header_bytes = file.size()};
  for (const TensorEntry& entry : contents.tensors) {
    (is_training(entry.name) ? parts.training : parts.weights).push_back({entry.name, entry.view});
    parts.header_bytes -= entry.view.bytes.size();
  }
  for (const auto& [key, value] : contents.metadata.entries()) parts.metadata[key] = value.as_string();
  VB_CHECK(check_schema_version(parts));
  VB_CHECK(expect_digest(parts, kMetadataDigest, metadata_digest(parts.metadata)));
  VB_CHECK(expect_digest(parts, kWeightsDigest, content_digest(parts.weights)));
  return parts;
}

NamedTensors copy_tensors(const std::vector<NamedTensorView>& from) {
  NamedTensors tensors;
  for (const NamedTensorView& source : from) {
    const Tensor copy = make_host_tensor(source.view.dtype, source.view.shape);
    if (!source.view.bytes.empty()) std::memcpy(copy.data(), source.view.bytes.data(), source.view.bytes.size());
    tensors.emplace(source.name, copy);
  }
  return tensors;
}

Result<TrainingState> read_state(const Parts& parts) {
  for (const NamedTensorView& tensor : parts.training) {
    if (tensor.name != kStateTensor) continue;
    const std::string_view text(reinterpret_cast<const char*>(tensor.view.bytes.data()), tensor.view.bytes.size());
    VB_TRY(const Json json, Json::parse(text), "in {}", kStateTensor);
    VB_TRY(TrainingState state, state_from_json(json), "in {}", kStateTensor);
    return state;
  }
  return corrupt("tensor '{}' is missing", kStateTensor);
}

/// The inverse of flat(): `schema` tells which part of a name is the parameter's.
OptimizerState nested(const NamedTensors& tensors, const CheckpointSchema& schema, std::int64_t step) {
  OptimizerState optimizer{.step = step};
  for (const auto& [parameter, states] : schema.optimizer)
    for (const auto& [name, spec] : states)
      optimizer.tensors[parameter][name] = tensors.at(optimizer_name(parameter, name));
  return optimizer;
}

Result<void> check_resume(const TrainingState& state, const ResumeCheck& check) {
  const auto compare = [](std::string_view what, const std::string& expected, const std::string& found,
                          std::string_view hint) -> Result<void> {
    if (expected == found) return ok();
    return with_hint(invalid_input("the {} changed since the checkpoint: expected digest '{}', found '{}'", what,
                                   printable(expected), printable(found)),
                     std::string(hint));
  };
  VB_CHECK(compare("base model", state.base_digest, check.base_digest, "resume from the same base"));
  if (!check.allow_changed_data)
    VB_CHECK(compare("training data", state.data_digest, check.data_digest, "restore it, or allow changed data"));
  if (!check.allow_changed_config)
    VB_CHECK(compare("configuration", state.config_digest, check.config_digest, "restore it, or allow a changed one"));
  return ok();
}

}  // namespace

Result<void> save_checkpoint(const std::filesystem::path& path, const TrainingState& state,
                             const CheckpointSchema& schema, FileOps& ops) {
  VB_CHECK(check_weights(state.weights, schema.weights), "for {}", path.string());
  VB_CHECK(check_optimizer(state.optimizer, schema), "for {}", path.string());
  VB_TRY(const std::string text, state_to_json(state).dump(), "in the state for {}", path.string());
  const NamedTensors optimizer = flat(state.optimizer);
  std::vector<NamedTensorView> training = views(optimizer);
  training.push_back({std::string(kStateTensor),
                      {DType::u8, Shape{static_cast<std::int64_t>(text.size())}, std::as_bytes(std::span(text))}});
  SafetensorsMetadata metadata{{std::string(kTrainingDigest), content_digest(training)}};
  metadata = sealed(std::move(metadata), kTraining, state.weights);
  append(training, views(state.weights));
  return write_safetensors(path, training, metadata, ops);
}

Result<TrainingState> parse_checkpoint(std::span<const std::byte> file, const CheckpointSchema& schema,
                                       const ResumeCheck& check) {
  VB_TRY(const Parts parts, parse_parts(file));
  VB_TRY(const std::string kind, required(parts, kKind));
  if (kind != kTraining) return invalid_input("expected a training checkpoint, found a {}", printable(kind));
  VB_CHECK(expect_digest(parts, kTrainingDigest, content_digest(parts.training)));
  VB_TRY(TrainingState state, read_state(parts));
  VB_CHECK(check_resume(state, check));
  state.weights = copy_tensors(parts.weights);
  VB_CHECK(check_weights(state.weights, schema.weights));
  NamedTensors training = copy_tensors(parts.training);
  training.erase(std::string(kStateTensor));
  VB_CHECK(check_specs(training, flat(schema)), "in the optimizer state");
  VB_CHECK(check_finite(training));
  state.optimizer = nested(training, schema, state.optimizer.step);
  return state;
}

Result<TrainingState> load_checkpoint(const std::filesystem::path& path, const CheckpointSchema& schema,
                                      const ResumeCheck& check) {
  VB_TRY(const auto file, MappedFile::open(path));
  VB_TRY(TrainingState state, parse_checkpoint(file->bytes(), schema, check), "in {}", path.string());
  return state;
}

Result<CheckpointWeights> parse_weights(std::span<const std::byte> file) {
  VB_TRY(Parts parts, parse_parts(file));
  CheckpointWeights weights{.tensors = copy_tensors(parts.weights), .bytes_read = parts.header_bytes};
  for (const NamedTensorView& tensor : parts.weights) weights.bytes_read += tensor.view.bytes.size();
  VB_CHECK(check_finite(weights.tensors));
  weights.metadata = std::move(parts.metadata);
  return weights;
}

Result<CheckpointWeights> load_weights(const std::filesystem::path& path) {
  VB_TRY(const auto file, MappedFile::open(path));
  VB_TRY(CheckpointWeights weights, parse_weights(file->bytes()), "in {}", path.string());
  return weights;
}

Result<void> write_release(const std::filesystem::path& path, const NamedTensors& weights,
                           const std::map<std::string, StoredSpec>& expected, const SafetensorsMetadata& provenance,
                           FileOps& ops) {
  VB_CHECK(check_weights(weights, expected), "for {}", path.string());
  VB_CHECK(check_provenance(provenance), "for {}", path.string());
  return write_safetensors(path, views(weights), sealed(provenance, kRelease, weights), ops);
}

}  // namespace vauban
