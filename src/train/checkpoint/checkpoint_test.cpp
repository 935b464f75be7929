/// The contracts F-CKPT-001 to 020 (model-files.md section 10), one test each. 005 and 019 are held by the trainer's
/// tests; here stands what they build on.
#include "train/checkpoint/checkpoint.h"

#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <limits>
#include <sys/mman.h>
#include <unistd.h>

#include "base/faulty_file_ops.h"
#include "base/sha256.h"
#include "format/safetensors.h"
#include "support/safetensors_bytes.h"
#include "support/test_data.h"
#include "train/checkpoint/checkpoint_samples_test.h"
#include "train/checkpoint/digests.h"
#include "train/optim/optimizers.h"

namespace vauban {
namespace {

using test::FaultyFileOps;
using test::kSameRun;
using ::testing::HasSubstr;

class CheckpointContract : public ::testing::Test {
 protected:
  Result<void> save(const TrainingState& state) { return save_checkpoint(path_, state, schema_); }
  Result<TrainingState> load(const ResumeCheck& check = kSameRun) { return load_checkpoint(path_, schema_, check); }
  std::string bytes() const { return test::read_text(path_); }
  void put(std::string_view text) { std::ofstream(path_, std::ios::binary) << text; }

  void expect_save_refused(const TrainingState& state, const char* reason) {
    const auto saved = save(state);
    ASSERT_FALSE(saved) << "saved, but should say: " << reason;
    EXPECT_EQ(saved.error().code, ErrorCode::invalid_input);
    EXPECT_THAT(describe(saved.error()), HasSubstr(reason));
  }
  void expect_load_refused(ErrorCode code, const char* reason) {
    const auto loaded = load();
    ASSERT_FALSE(loaded) << "loaded, but should say: " << reason;
    EXPECT_EQ(loaded.error().code, code) << describe(loaded.error());
    EXPECT_THAT(describe(loaded.error()), HasSubstr(reason));
  }

  /// Writes the file of `state_` anew after `change`, with digests that are right: what is left to find is the content.
  void forge(const std::function<void(NamedTensors& tensors, SafetensorsMetadata& metadata)>& change) {
    VB_ASSERT_OK(save(state_));
    const std::string file = bytes();
    const auto contents = parse_safetensors(std::as_bytes(std::span(file)));
    VB_ASSERT_OK(contents);
    NamedTensors tensors;
    SafetensorsMetadata metadata;
    for (const TensorEntry& entry : contents->tensors) {
      const Tensor copy = make_host_tensor(entry.view.dtype, entry.view.shape);
      std::memcpy(copy.data(), entry.view.bytes.data(), entry.view.bytes.size());
      tensors.emplace(entry.name, copy);
    }
    for (const auto& [key, value] : contents->metadata.entries()) metadata[key] = value.as_string();
    change(tensors, metadata);
    write_sealed(tensors, metadata);
  }
  void write_sealed(const NamedTensors& tensors, SafetensorsMetadata metadata) {
    std::vector<NamedTensorView> weights, training, all;
    for (const auto& [name, tensor] : tensors) {
      const NamedTensorView view{name, {tensor.dtype(), tensor.shape(), host_bytes(tensor)}};
      (name.starts_with(kTrainingPrefix) ? training : weights).push_back(view);
      all.push_back(view);
    }
    metadata[std::string(kWeightsDigest)] = content_digest(weights);
    metadata[std::string(kTrainingDigest)] = content_digest(training);
    metadata[std::string(kMetadataDigest)] = metadata_digest(metadata);
    VB_ASSERT_OK(write_safetensors(path_, all, metadata));
  }

  test::TempDir folder_;
  std::filesystem::path path_ = folder_ / "run.safetensors";
  TrainingState state_ = test::sample_state();
  CheckpointSchema schema_ = test::schema_for(state_);
};

const std::string kDown = "layers.0.q_proj.lora_A.weight", kUp = "layers.0.q_proj.lora_B.weight";

TEST_F(CheckpointContract, F_CKPT_001_IncompleteAdapterIsRefused) {
  VB_ASSERT_OK(save(state_));
  TrainingState dropped = state_;
  dropped.weights.erase(kUp);
  expect_save_refused(dropped, "tensor 'layers.0.q_proj.lora_B.weight' is missing: expected f32 [4, 2]");
  // Also when the caller's own list has the same hole.
  schema_.weights.erase(kUp);
  expect_save_refused(dropped, "the adapter is not complete: 'layers.0.q_proj.lora_A.weight' has no");
  dropped = state_;
  dropped.weights.erase(kDown);
  schema_ = test::schema_for(dropped);
  expect_save_refused(dropped, "'layers.0.q_proj.lora_B.weight' has no 'layers.0.q_proj.lora_A.weight'");
  TrainingState unequal = state_;
  unequal.weights[kUp] = test::wave(Shape{4, 3}, 0);
  schema_ = test::schema_for(unequal);
  expect_save_refused(unequal, "do not share a rank");
  TrainingState surplus = state_;
  surplus.weights.emplace("stray", test::wave(Shape{1}, 0));
  schema_ = test::schema_for(state_);
  expect_save_refused(surplus, "'stray' does not belong to this run");
}

TEST_F(CheckpointContract, F_CKPT_002_NewerSchemaIsRefused) {
  forge([](auto&, auto& metadata) { metadata["vauban.schema_version"] = "1"; });
  VB_EXPECT_OK(load());
  forge([](auto&, auto& metadata) { metadata["vauban.schema_version"] = "99"; });
  expect_load_refused(ErrorCode::unsupported, "schema version 99, this build reads up to 1");
  EXPECT_EQ(load_weights(path_).error().code, ErrorCode::unsupported);
  forge([](auto&, auto& metadata) { metadata["vauban.schema_version"] = "one"; });
  expect_load_refused(ErrorCode::corrupt, "expected a version, found 'one'");
  forge([](auto&, auto& metadata) { metadata.erase("vauban.schema_version"); });
  expect_load_refused(ErrorCode::invalid_input, "'vauban.schema_version' is missing");
}

TEST_F(CheckpointContract, F_CKPT_003_ReleaseHoldsNoTrainingState) {
  VB_ASSERT_OK(write_release(path_, state_.weights, schema_.weights, {{"recipe", "lora"}}));
  EXPECT_THAT(bytes(), ::testing::Not(HasSubstr("__training__")));
  const auto release = load_weights(path_);
  VB_ASSERT_OK(release);
  EXPECT_EQ(release->tensors.size(), 4u);
  EXPECT_EQ(release->metadata.at("recipe"), "lora");
  expect_load_refused(ErrorCode::invalid_input, "expected a training checkpoint, found a release");
  NamedTensors smuggled = state_.weights;
  smuggled.emplace("__training__.optimizer.exp_avg.x", test::wave(Shape{1}, 0));
  CheckpointSchema schema = schema_;
  schema.weights["__training__.optimizer.exp_avg.x"] = {DType::f32, Shape{1}};
  const auto refused = write_release(path_, smuggled, schema.weights, {});
  ASSERT_FALSE(refused);
  EXPECT_THAT(describe(refused.error()), HasSubstr("are for training state"));
  EXPECT_FALSE(write_release(path_, state_.weights, schema_.weights, {{"__training__.step", "1"}}));
  EXPECT_FALSE(write_release(path_, state_.weights, schema_.weights, {{"vauban.kind", "training"}}));
  EXPECT_FALSE(write_release(path_, state_.weights, schema_.weights, {{"note", "two\nlines"}}));
}

TEST_F(CheckpointContract, F_CKPT_004_MissingOptimizerStateIsRefused) {
  TrainingState dropped = state_;
  dropped.optimizer.tensors.at(kDown).erase("exp_avg");
  expect_save_refused(dropped, "'__training__.optimizer.exp_avg.layers.0.q_proj.lora_A.weight' is missing");
  dropped = state_;
  dropped.optimizer.tensors.erase(kUp);
  expect_save_refused(dropped, "is missing");
  forge([](auto& tensors, auto&) { tensors.erase("__training__.optimizer.exp_avg_sq." + kDown); });
  expect_load_refused(ErrorCode::invalid_input, "'__training__.optimizer.exp_avg_sq.layers.0.q_proj.lora_A.weight'");
  forge([](auto& tensors, auto&) { tensors.erase("__training__.state"); });
  expect_load_refused(ErrorCode::corrupt, "'__training__.state' is missing");
}

/// The part of 005 that needs no gradients of a model: parameters, optimiser and its step come back bit for bit.
TEST_F(CheckpointContract, F_CKPT_005_ResumedOptimizerGoesOnWithTheSameBits) {
  ThreadPool pool(1);
  SilentProgress progress;
  const CancelToken cancel;
  const Context context{pool, system_clock(), progress, cancel};
  std::vector<float> value{0.5F, -1, 2}, grad(3);
  std::vector<float> resumed_value(3, 0);
  const std::vector<ParameterSlot> slots{{"w", Shape{3}, DType::f32, value.data(), grad.data()}};
  const std::vector<ParameterSlot> resumed{{"w", Shape{3}, DType::f32, resumed_value.data(), grad.data()}};
  const auto gradients = [&](int step) {
    for (std::size_t i = 0; i < 3; ++i) grad[i] = std::sin(static_cast<float>(i) + static_cast<float>(step));
  };
  const auto whole = make_optimizer({}, context), second = make_optimizer({}, context);
  VB_ASSERT_OK(whole);
  for (int step = 0; step < 5; ++step) {
    gradients(step);
    VB_ASSERT_OK((*whole)->step(slots, 0.1));
  }
  TrainingState state{.weights = copy_weights(slots), .optimizer = (*whole)->state(), .step = 5};
  const CheckpointSchema schema = schema_of(slots, **whole);
  VB_ASSERT_OK(save_checkpoint(path_, state, schema));
  const auto loaded = load_checkpoint(path_, schema, {});
  VB_ASSERT_OK(loaded);
  VB_ASSERT_OK(restore_weights(loaded->weights, resumed));
  VB_ASSERT_OK((*second)->restore(resumed, loaded->optimizer));
  for (int step = 5; step < 10; ++step) {
    gradients(step);
    VB_ASSERT_OK((*whole)->step(slots, 0.1));
    VB_ASSERT_OK((*second)->step(resumed, 0.1));
    EXPECT_EQ(value, resumed_value);
  }
  EXPECT_FALSE(restore_weights({}, resumed));
}

TEST_F(CheckpointContract, F_CKPT_006_ChangedDataIsRefusedUnlessAllowed) {
  VB_ASSERT_OK(save(state_));
  ResumeCheck changed = kSameRun;
  changed.data_digest = "db";
  const auto refused = load(changed);
  ASSERT_FALSE(refused);
  EXPECT_THAT(describe(refused.error()),
              HasSubstr("training data changed since the checkpoint: expected digest 'da', found 'db'"));
  changed.allow_changed_data = true;
  VB_EXPECT_OK(load(changed));
  changed.config_digest = "c1";
  EXPECT_THAT(describe(load(changed).error()), HasSubstr("configuration changed"));
  changed.allow_changed_config = true;
  VB_EXPECT_OK(load(changed));
  changed.base_digest = "bb";  // of another base there is nothing to resume
  EXPECT_THAT(describe(load(changed).error()), HasSubstr("base model changed"));
}

TEST_F(CheckpointContract, F_CKPT_007_NanRefusedAndOldFileIntact) {
  VB_ASSERT_OK(save(state_));
  const std::string before = bytes();
  const auto with = [&](float value, bool in_optimizer) {
    TrainingState bad = test::sample_state(2);
    const Tensor& tensor = in_optimizer ? bad.optimizer.tensors.at(kUp).at("exp_avg_sq") : bad.weights.at(kUp);
    tensor.as<float>()[5] = value;
    return bad;
  };
  for (const float value : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(),
                            -std::numeric_limits<float>::infinity()})
    for (const bool in_optimizer : {false, true}) {
      expect_save_refused(with(value, in_optimizer), "element 5 of [4, 2] is NaN or infinite");
      EXPECT_EQ(bytes(), before);
    }
  VB_EXPECT_OK(save(with(std::numeric_limits<float>::max(), false)));
  TrainingState bad = state_;
  bad.best_metric = std::numeric_limits<double>::quiet_NaN();
  expect_save_refused(bad, "best_metric");
}

TEST_F(CheckpointContract, F_CKPT_008_WrongShapeIsRefused) {
  state_.weights.at(kUp) = test::wave(Shape{2, 4}, 1);
  expect_save_refused(state_, "'layers.0.q_proj.lora_B.weight': expected f32 [4, 2], found f32 [2, 4]");
  state_ = test::sample_state();
  state_.optimizer.tensors.at(kUp).at("exp_avg") = test::wave(Shape{8}, 1);
  expect_save_refused(state_, "expected f32 [4, 2], found f32 [8]");
}

TEST_F(CheckpointContract, F_CKPT_010_MixedTypeIsRefused) {
  Tensor wide = make_host_tensor(DType::f64, Shape{4, 2});
  std::memset(wide.data(), 0, 64);
  state_.weights.at(kUp) = wide;
  expect_save_refused(state_, "expected f32 [4, 2], found f64 [4, 2]");
}

TEST_F(CheckpointContract, F_CKPT_011_EveryFlippedBitIsRefused) {
  VB_ASSERT_OK(save(state_));
  std::string file = bytes();
  ASSERT_LT(file.size(), 8192u);
  const auto loads = [&] { return parse_checkpoint(std::as_bytes(std::span(file)), schema_, kSameRun).has_value(); };
  ASSERT_TRUE(loads());
  for (std::size_t bit = 0; bit < 8 * file.size(); ++bit) {
    const auto mask = static_cast<char>(1 << bit % 8);
    file[bit / 8] = static_cast<char>(file[bit / 8] ^ mask);
    EXPECT_FALSE(loads()) << "bit " << bit % 8 << " of byte " << bit / 8 << " of " << file.size();
    file[bit / 8] = static_cast<char>(file[bit / 8] ^ mask);
  }
  EXPECT_TRUE(loads());
}

TEST_F(CheckpointContract, F_CKPT_011_TruncatedAndExtendedFilesAreRefused) {
  VB_ASSERT_OK(save(state_));
  const std::string file = bytes();
  for (std::size_t size = 0; size < file.size(); size += 13) {
    put(std::string_view(file).substr(0, size));
    EXPECT_FALSE(load());
  }
  put(file + "x");
  EXPECT_FALSE(load());
}

/// The list of the reference library's own tests; the reader's are in format/safetensors_test.cpp.
TEST_F(CheckpointContract, F_CKPT_012_InvalidHeadersAreRefused) {
  const std::string good = R"({"test":{"dtype":"I32","shape":[2,2],"data_offsets":[0,16]}})";
  for (const std::string& file :
       {std::string("\1\0\0", 3), test::with_length(test::safetensors_bytes(good, 16), 200),
        test::with_length(test::safetensors_bytes(good, 16), 1ULL << 60), test::safetensors_bytes(" " + good, 16),
        test::safetensors_bytes("not json", 0), test::safetensors_bytes("{\"\xff\":1}", 0),
        test::safetensors_bytes(good, 15), test::safetensors_bytes(good, 17),
        test::safetensors_bytes(R"({"t":{"dtype":"F32","shape":[3],"data_offsets":[0,16]}})", 16),
        test::safetensors_bytes(R"({"t":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,16]}})",
                                16)}) {
    put(file);
    const auto loaded = load();
    ASSERT_FALSE(loaded);
    EXPECT_EQ(loaded.error().code, ErrorCode::corrupt) << describe(loaded.error());
  }
  put(test::safetensors_bytes(good, 16));  // valid, but none of ours
  expect_load_refused(ErrorCode::invalid_input, "no checkpoint or release of vauban");
}

TEST_F(CheckpointContract, F_CKPT_013_NanInTheFileIsRefused) {
  forge([](auto& tensors, auto&) { tensors.at(kDown).template as<float>()[2] = std::nanf(""); });
  expect_load_refused(ErrorCode::invalid_input, "element 2 of [2, 3] is NaN or infinite");
  EXPECT_FALSE(load_weights(path_));
  forge([](auto& tensors, auto&) {
    tensors.at("__training__.optimizer.exp_avg." + kDown).template as<float>()[0] = INFINITY;
  });
  expect_load_refused(ErrorCode::invalid_input, "element 0 of [2, 3] is NaN or infinite");
}

TEST_F(CheckpointContract, F_CKPT_014_ShapesOfAnotherModelAreRefused) {
  VB_ASSERT_OK(save(state_));
  schema_.weights.at(kUp).shape = Shape{8, 2};
  expect_load_refused(ErrorCode::invalid_input,
                      "'layers.0.q_proj.lora_B.weight': expected f32 [8, 2], found f32 [4, 2]");
  schema_ = test::schema_for(state_);
  schema_.weights["layers.2.q_proj.lora_A.weight"] = {DType::f32, Shape{2, 3}};
  expect_load_refused(ErrorCode::invalid_input, "'layers.2.q_proj.lora_A.weight' is missing");
}

TEST_F(CheckpointContract, F_CKPT_015_TensorsLieInSortedOrder) {
  VB_ASSERT_OK(save(state_));
  const std::string first = bytes();
  VB_ASSERT_OK(save(test::sample_state()));
  EXPECT_EQ(bytes(), first);
  const auto contents = parse_safetensors(std::as_bytes(std::span(first)));
  VB_ASSERT_OK(contents);
  std::vector<std::string> names;
  for (const TensorEntry& entry : contents->tensors)
    if (entry.view.dtype == DType::f32) names.push_back(entry.name);
  EXPECT_EQ(names.size(), 12u);
  EXPECT_TRUE(std::is_sorted(names.begin(), names.end()));
}

/// The pages that hold training state alone cannot be read, so that touching them would end the test.
TEST_F(CheckpointContract, F_CKPT_016_FilteredOpenReadsNoTrainingState) {
  const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  TrainingState large = state_;
  for (auto& [name, tensors] : large.optimizer.tensors)
    for (auto& [kept, tensor] : tensors) tensor = test::wave(Shape{static_cast<std::int64_t>(page)}, 1);
  schema_ = test::schema_for(large);
  VB_ASSERT_OK(save(large));
  const std::string file = bytes();
  auto* memory =
      static_cast<std::byte*>(::mmap(nullptr, file.size(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  ASSERT_NE(memory, MAP_FAILED);
  std::memcpy(memory, file.data(), file.size());
  const std::span<const std::byte> whole(memory, file.size());
  const auto contents = parse_safetensors(whole);
  VB_ASSERT_OK(contents);
  std::size_t begin = file.size(), end = 0, weight_bytes = 0;  // the optimiser's tensors lie side by side
  for (const TensorEntry& entry : contents->tensors) {
    const auto at = static_cast<std::size_t>(entry.view.bytes.data() - memory);
    if (!entry.name.starts_with(kTrainingPrefix)) weight_bytes += entry.view.bytes.size();
    if (!entry.name.starts_with("__training__.optimizer.")) continue;
    begin = std::min(begin, at);
    end = std::max(end, at + entry.view.bytes.size());
  }
  begin = (begin + page - 1) / page * page;
  end = end / page * page;
  ASSERT_GT(end - begin, 20 * page);
  ASSERT_EQ(::mprotect(memory + begin, end - begin, PROT_NONE), 0);
  const auto weights = parse_weights(whole);
  VB_ASSERT_OK(weights);
  EXPECT_TRUE(test::same_bytes(weights->tensors.at(kUp), state_.weights.at(kUp)));
  const std::size_t header = static_cast<std::size_t>(contents->tensors[0].view.bytes.data() - memory);
  EXPECT_EQ(weights->bytes_read, header + weight_bytes);
  EXPECT_EXIT((void)sha256_hex(whole), testing::KilledBySignal(SIGSEGV), testing::_);  // the trap works
  ::munmap(memory, file.size());
}

TEST_F(CheckpointContract, F_CKPT_016_FilteredOpenStillSeesDamage) {
  VB_ASSERT_OK(save(state_));
  std::string file = bytes();
  const auto contents = parse_safetensors(std::as_bytes(std::span(file)));
  VB_ASSERT_OK(contents);
  for (const TensorEntry& entry : contents->tensors) {
    const std::size_t at =
        static_cast<std::size_t>(reinterpret_cast<const char*>(entry.view.bytes.data()) - file.data());
    std::string damaged = file;
    damaged[at] = static_cast<char>(damaged[at] ^ 1);
    EXPECT_EQ(parse_weights(std::as_bytes(std::span(damaged))).has_value(), entry.name.starts_with(kTrainingPrefix));
  }
}

TEST_F(CheckpointContract, F_CKPT_017_ProvenanceHashIsTheOneOfTheContractAndSurvivesARewrite) {
  const Tensor tensor = host_tensor(Shape{2}, std::vector<float>{1, 2});
  const std::string expected =
      sha256_hex(std::string_view("w\0f32\1\0\0\0\0\0\0\0\2\0\0\0\0\0\0\0\0\0\x80\x3f\0\0\0\x40", 29));
  const NamedTensorView view{"w", {DType::f32, Shape{2}, host_bytes(tensor)}};
  EXPECT_EQ(content_digest({view}), expected);
  EXPECT_NE(content_digest({{"w", {DType::f32, Shape{2, 1}, host_bytes(tensor)}}}), expected);
  VB_ASSERT_OK(save(state_));
  const auto checkpoint = load_weights(path_);
  VB_ASSERT_OK(checkpoint);
  VB_ASSERT_OK(write_release(path_, checkpoint->tensors, schema_.weights, {}));
  const auto release = load_weights(path_);
  VB_ASSERT_OK(release);
  EXPECT_EQ(release->metadata.at(std::string(kWeightsDigest)), checkpoint->metadata.at(std::string(kWeightsDigest)));
}

TEST_F(CheckpointContract, F_CKPT_018_SaveLoadSaveGivesTheSameBytes) {
  VB_ASSERT_OK(save(state_));
  const std::string first = sha256_hex(bytes());
  auto loaded = load();
  VB_ASSERT_OK(loaded);
  VB_ASSERT_OK(save(*loaded));
  EXPECT_EQ(sha256_hex(bytes()), first);
  EXPECT_TRUE(test::same_bytes(loaded->weights.at(kUp), state_.weights.at(kUp)));
  EXPECT_TRUE(test::same_bytes(loaded->optimizer.tensors.at(kUp).at("exp_avg"),
                               state_.optimizer.tensors.at(kUp).at("exp_avg")));
  loaded->weights.at(kUp).as<float>()[0] += 1e-7F;
  VB_ASSERT_OK(save(*loaded));
  EXPECT_NE(sha256_hex(bytes()), first);
}

/// The part of 019 that a file can hold.
TEST_F(CheckpointContract, F_CKPT_019_PositionAndRandomStateComeBackExactly) {
  state_.schedule = Json::object({{"best", 0.1}, {"bad", 3}});
  state_.extra = Json::object({{"loss_scale", 65536.0}});
  VB_ASSERT_OK(save(state_));
  const auto loaded = load();
  VB_ASSERT_OK(loaded);
  EXPECT_EQ(loaded->data_position, state_.data_position);
  EXPECT_EQ(loaded->rng, state_.rng);
  EXPECT_EQ(*loaded->schedule.dump(), *state_.schedule.dump());
  EXPECT_EQ(*loaded->history.dump(), *state_.history.dump());
  EXPECT_EQ(*loaded->extra.dump(), *state_.extra.dump());
  EXPECT_EQ(loaded->best_metric, 1.0 / 3);
  EXPECT_EQ(loaded->step, 1);
  EXPECT_EQ(loaded->epoch, 2);
  EXPECT_EQ(loaded->optimizer.step, 1);
  state_.best_metric.reset();
  VB_ASSERT_OK(save(state_));
  EXPECT_EQ(load()->best_metric, std::nullopt);
}

TEST_F(CheckpointContract, F_CKPT_020_FullDiskLeavesThePreviousFile) {
  VB_ASSERT_OK(save(state_));
  const std::string before = bytes();
  int refused = 0;
  for (int nth = 0; nth < 1000; ++nth) {
    FaultyFileOps ops({.call = "write", .nth = nth, .error_number = ENOSPC});
    ops.max_write_bytes = 97;
    const auto saved = save_checkpoint(path_, test::sample_state(2), schema_, ops);
    EXPECT_EQ(ops.n_open(), 0);
    if (saved) break;
    ++refused;
    EXPECT_EQ(saved.error().code, ErrorCode::resource);
    ASSERT_EQ(bytes(), before);
  }
  EXPECT_GT(refused, 20);
  EXPECT_NE(bytes(), before);
  const auto loaded = load();
  VB_ASSERT_OK(loaded);
  EXPECT_EQ(loaded->step, 2);
}

}  // namespace
}  // namespace vauban
