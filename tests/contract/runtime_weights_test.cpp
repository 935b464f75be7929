// Weights: what a backend really holds is read and hashed; an edit is measured, listed, and taken back bit for bit.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <limits>

#include "base/result.h"
#include "base/sha256.h"
#include "local_session.h"
#include "model/edits/weight_op.h"
#include "runtime/replay/replay_runtime.h"
#include "support/backends_here.h"
#include "support/test_data.h"
#include "support/tiny_model.h"
#include "tensor/quant/format.h"

namespace vauban {
namespace {

using test::LocalSession;
using test::TinyModel;
const std::vector<std::int32_t> kPrompt{1, 72, 104, 90, 17, 5};
const std::string kDown = "model.layers.1.mlp.down_proj.weight";  // (64, 128)
const std::string kQuery = "model.layers.0.self_attn.q_proj.weight";

Want weights_want(std::string glob, Form form = Form::summary) {
  Want want;
  want.kind = ArtifactKind::weight_snapshot;
  want.tensors = std::move(glob);
  want.form = form;
  return want;
}

TraceRequest request_with(std::vector<Want> want) {
  TraceRequest request;
  request.trace_id = "t";
  request.prompt_ids = kPrompt;
  request.sampling.max_tokens = 3;
  request.sampling.ignore_eos = true;
  Want logits;
  logits.kind = ArtifactKind::logits;
  logits.site = Site::logits;
  want.push_back(logits);
  request.want = std::move(want);
  return request;
}

WeightEdit edit_of(std::string tensor, std::string op, double alpha = 1) {
  return {.tensor = std::move(tensor), .op = std::move(op), .alpha = alpha};
}

WeightEdit project_out(std::string tensor, std::size_t width, WeightSide side) {
  WeightEdit edit = edit_of(std::move(tensor), "project_out");
  edit.side = side;
  for (std::size_t i = 0; i < width; ++i) edit.direction.push_back(std::sin(1.7 * static_cast<double>(i)) + 0.3);
  return edit;
}

std::string bytes_digest(const std::vector<float>& values) { return sha256_hex(std::as_bytes(std::span(values))); }

class RuntimeWeights : public testing::TestWithParam<test::Place> {
 protected:
  void SetUp() override {
    VB_ASSERT_OK(test::write_tiny_model(folder_.path(), model_));
    session_ = open(folder_.path());
    ASSERT_NE(session_, nullptr);
  }
  std::unique_ptr<LocalSession> open(const std::filesystem::path& path) const {
    auto session = LocalSession::open(path, GetParam());
    EXPECT_TRUE(session.has_value()) << (session ? "" : describe(session.error()));
    return session ? *std::move(session) : nullptr;
  }
  static Trace trace_of(LocalSession& session, const TraceRequest& request, PayloadSink* sink = nullptr) {
    Result<Trace> trace = session->trace(request, sink);
    if (trace) return *std::move(trace);
    ADD_FAILURE() << describe(trace.error());
    TraceParts none;
    none.trace_id = "failed";
    none.device = {"cpu", "cpu:0"};
    return *Trace::make(std::move(none));
  }
  static std::string digest_in(const Trace& trace, std::string_view artifact) {
    const TraceArtifact* found = trace.find(artifact);
    return found ? found->digest : "absent";
  }
  static std::string logits_of(LocalSession& session) {
    return digest_in(trace_of(session, request_with({})), "logits");
  }
  std::string held(const std::string& tensor) {
    return digest_in(trace_of(*session_, request_with({weights_want(tensor)})), "weight_snapshot." + tensor);
  }
  void expect_refused(const std::vector<WeightEdit>& edits, ErrorCode code, std::string_view word) {
    const std::string before = logits_of(*session_);
    const auto refused = session_->runtime().edit_weights(edits);
    ASSERT_FALSE(refused.has_value()) << word;
    EXPECT_EQ(refused.error().code, code) << describe(refused.error());
    EXPECT_NE(describe(refused.error()).find(word), std::string::npos) << describe(refused.error());
    EXPECT_TRUE((*session_)->weight_edits().empty());
    EXPECT_EQ(logits_of(*session_), before) << "nothing was changed";
  }

  TinyModel model_ = test::make_tiny_model();
  test::TempDir folder_;
  std::unique_ptr<LocalSession> session_;
};
INSTANTIATE_TEST_SUITE_P(Backends, RuntimeWeights, testing::ValuesIn(test::places_here()),
                         [](const auto& tested) { return tested.param.name(); });

// ---- snapshots

/// Declared full => emitted; and the values are those of the file, whose digest is computed here from what was written.
TEST_P(RuntimeWeights, EveryTensorOfAnF32FileIsShownWithTheDigestOfItsBytes) {
  EXPECT_EQ((*session_)->capabilities().weight_access.level, SupportLevel::full);
  const Trace trace = trace_of(*session_, request_with({weights_want("*")}));
  EXPECT_EQ(trace.artifacts_by_kind(ArtifactKind::weight_snapshot).size(), model_.tensors.size());
  for (const auto& [name, tensor] : model_.tensors) {
    const TraceArtifact* shown = trace.find("weight_snapshot." + name);
    ASSERT_NE(shown, nullptr) << name;
    EXPECT_EQ(shown->digest, bytes_digest(tensor.values)) << name;
    EXPECT_EQ(shown->shape, std::vector<std::int64_t>(tensor.shape.dims().begin(), tensor.shape.dims().end()));
    EXPECT_EQ(shown->summary.find("count")->as_int(), tensor.shape.elements());
    EXPECT_EQ(shown->summary.find("max")->as_double(), *std::ranges::max_element(tensor.values));
    EXPECT_EQ(shown->metadata.find("stored_dtype")->as_string(), "f32");
    EXPECT_TRUE(shown->payload_path.empty());
    ASSERT_TRUE(shown->producer_span_id.has_value());
  }
  EXPECT_TRUE(trace.missing().empty());
}

TEST_P(RuntimeWeights, OtherContainersOfTheSameWeightsGiveTheSameDigests) {
  std::ofstream(folder_ / "m.gguf", std::ios::binary) << test::tiny_gguf(model_);
  const auto gguf = open(folder_ / "m.gguf");
  ASSERT_NE(gguf, nullptr);
  const TraceRequest request = request_with({weights_want("*"), weights_want("")});
  const Trace hf = trace_of(*session_, request), other = trace_of(*gguf, request);
  for (const TraceArtifact* shown : hf.artifacts_by_kind(ArtifactKind::weight_snapshot))
    EXPECT_EQ(shown->digest, digest_in(other, shown->artifact_id)) << shown->artifact_id;
  EXPECT_NE(digest_in(hf, "weight_snapshot"), "absent");
}

TEST_P(RuntimeWeights, BlocksAreShownAsTheValuesThatTheyStandFor) {
  std::ofstream(folder_ / "q8.gguf", std::ios::binary) << test::tiny_gguf(model_, true);
  const auto quantised = open(folder_ / "q8.gguf");
  ASSERT_NE(quantised, nullptr);
  const Trace trace = trace_of(*quantised, request_with({weights_want(kDown)}));
  const TraceArtifact* shown = trace.find("weight_snapshot." + kDown);
  ASSERT_NE(shown, nullptr);
  EXPECT_EQ(shown->metadata.find("stored_dtype")->as_string(), "q8_0");
  const std::vector<float>& exact = model_.tensors.at(kDown).values;
  const BlockFormat& q8 = *find_block_format(DType::q8_0);
  std::vector<std::byte> blocks(exact.size() / 32 * static_cast<std::size_t>(q8.block_bytes));
  std::vector<float> decoded(exact.size());
  q8.encode(exact.data(), blocks.data(), std::ssize(exact) / 32);
  q8.decode(blocks.data(), decoded.data(), std::ssize(exact) / 32);
  EXPECT_EQ(shown->digest, bytes_digest(decoded));
}

TEST_P(RuntimeWeights, APayloadHoldsTheValues) {
  test::MemorySink sink;
  const Want want = weights_want("model.layers.?.mlp.down_proj.weight", Form::payload);
  const Trace trace = trace_of(*session_, request_with({want}), &sink);
  ASSERT_EQ(sink.payloads.size(), 2u);
  for (const auto& payload : sink.payloads) {
    EXPECT_EQ(payload.values, model_.tensors.at(payload.name).values);
    EXPECT_EQ(payload.shape, (std::vector<std::int64_t>{64, 128}));
    EXPECT_FALSE(trace.find("weight_snapshot." + payload.name)->payload_path.empty());
  }
}

TEST_P(RuntimeWeights, ANameThatMatchesNothingIsMissingWithTheNearest) {
  const Want misspelt = weights_want("model.layers.0.mlp.down_prj.weight");
  const Trace trace = trace_of(*session_, request_with({misspelt, weights_want(kDown)}));
  ASSERT_EQ(trace.missing().size(), 1u);
  EXPECT_EQ(trace.missing()[0].kind, ArtifactKind::weight_snapshot);
  EXPECT_NE(trace.missing()[0].reason.find("did you mean 'model.layers.0.mlp.down_proj.weight'"), std::string::npos)
      << trace.missing()[0].reason;
  EXPECT_NE(trace.find("weight_snapshot." + kDown), nullptr) << "the other want is answered";
}

TEST_P(RuntimeWeights, WeightsThatTheConfigurationLeavesOutAreMissing) {
  TraceRequest request = request_with({weights_want(kDown)});
  request.leave_out = {"observe"};
  const Trace trace = trace_of(*session_, request);
  EXPECT_EQ(trace.find("weight_snapshot." + kDown), nullptr);
  ASSERT_FALSE(trace.missing().empty());
  EXPECT_TRUE(std::ranges::any_of(trace.missing(),
                                  [](const Missing& m) { return m.kind == ArtifactKind::weight_snapshot; }));
}

TEST_P(RuntimeWeights, LookingAtWeightsChangesNoLogit) {
  const std::string plain = logits_of(*session_);
  EXPECT_EQ(digest_in(trace_of(*session_, request_with({weights_want("*")})), "logits"), plain);
}

// ---- edits

/// Declared full => every op of the list changes what the backend holds, the logits and the identity, and comes back.
TEST_P(RuntimeWeights, EveryOpIsAppliedMeasuredAndTakenBackBitForBit) {
  EXPECT_EQ((*session_)->capabilities().mutable_weights.level, SupportLevel::full);
  const ModelIdentity loaded = (*session_)->model();
  const std::string logits = logits_of(*session_), weight = held(kDown);
  for (const WeightOp& op : all_weight_ops()) {
    WeightEdit edit = project_out(kDown, 64, WeightSide::output);
    edit.op = op.id;
    edit.alpha = 0.5;
    edit.sigma = 0.1;
    edit.operand_shape = {64, 128};
    edit.operand = model_.tensors.at("model.layers.0.mlp.down_proj.weight").values;
    const auto records = (*session_)->edit_weights({&edit, 1});
    VB_ASSERT_OK(records);
    ASSERT_EQ(records->size(), 1u);
    const WeightEditRecord& record = records->front();
    EXPECT_EQ(record.tensor, kDown);
    EXPECT_EQ(record.op, op.id);
    EXPECT_EQ(record.digest_before, weight);
    EXPECT_TRUE(record.changed()) << op.id;
    EXPECT_GT(record.max_abs_change, 0);
    EXPECT_LE(record.mean_abs_change, record.max_abs_change);
    EXPECT_EQ(held(kDown), record.digest_after);
    EXPECT_NE(logits_of(*session_), logits) << op.id;
    EXPECT_NE((*session_)->model().digest, loaded.digest);

    const auto undone = (*session_)->undo_weight_edits(1);
    VB_ASSERT_OK(undone);
    ASSERT_EQ(undone->size(), 1u);
    EXPECT_EQ(held(kDown), weight) << op.id;
    EXPECT_EQ(logits_of(*session_), logits) << op.id;
    EXPECT_EQ((*session_)->model().digest, loaded.digest);
    EXPECT_EQ((*session_)->model().lineage, loaded.lineage);
  }
}

/// The outside answer: a model file that was written with the edited tensor computes the same bits.
TEST_P(RuntimeWeights, AnEditedModelIsTheModelOfAFileWithTheEditedTensor) {
  for (const WeightSide side : {WeightSide::output, WeightSide::input}) {
    const WeightEdit edit = project_out(kDown, side == WeightSide::output ? 64 : 128, side);
    VB_ASSERT_OK((*session_)->edit_weights({&edit, 1}));
    test::MemorySink sink;
    trace_of(*session_, request_with({weights_want(kDown, Form::payload)}), &sink);
    ASSERT_EQ(sink.payloads.size(), 1u);
    TinyModel changed = model_;
    changed.tensors.at(kDown).values = sink.payloads.front().values;
    test::TempDir folder;
    VB_ASSERT_OK(test::write_tiny_model(folder.path(), changed));
    const auto from_file = open(folder.path());
    ASSERT_NE(from_file, nullptr);
    EXPECT_EQ(logits_of(*session_), logits_of(*from_file)) << to_string(side);
    VB_ASSERT_OK((*session_)->undo_weight_edits());
  }
}

/// Written by hand from the formula: nothing of the engine's code is used but the file that comes out.
TEST_P(RuntimeWeights, ProjectOutLeavesNothingAlongTheDirection) {
  const WeightEdit edit = project_out("model.layers.*.self_attn.o_proj.weight", 64, WeightSide::output);
  VB_ASSERT_OK((*session_)->edit_weights({&edit, 1}));
  test::MemorySink sink;
  trace_of(*session_, request_with({weights_want(edit.tensor, Form::payload)}), &sink);
  ASSERT_EQ(sink.payloads.size(), 2u);
  double squares = 0;
  for (const double d : edit.direction) squares += d * d;
  for (const auto& payload : sink.payloads) {
    double norm = 0;
    for (const float value : payload.values) norm += static_cast<double>(value) * value;
    for (std::size_t column = 0; column < 64; ++column) {
      double dot = 0;
      for (std::size_t row = 0; row < 64; ++row)
        dot += edit.direction[row] / std::sqrt(squares) * static_cast<double>(payload.values[row * 64 + column]);
      EXPECT_LE(std::abs(dot), 1e-6 * std::sqrt(norm)) << payload.name;
    }
  }
}

TEST_P(RuntimeWeights, QuantisedWeightsAreEditedInF32AndComeBackAsTheirBlocks) {
  std::ofstream(folder_ / "q8.gguf", std::ios::binary) << test::tiny_gguf(model_, true);
  session_ = open(folder_ / "q8.gguf");
  ASSERT_NE(session_, nullptr);
  const std::string logits = logits_of(*session_), weight = held(kDown);
  const WeightEdit edit = edit_of(kDown, "scale", 0.5);
  const auto records = (*session_)->edit_weights({&edit, 1});
  VB_ASSERT_OK(records);
  EXPECT_EQ(records->front().dtype_before, "q8_0");
  EXPECT_EQ(records->front().dtype_after, "f32");
  EXPECT_NE(logits_of(*session_), logits);
  VB_ASSERT_OK((*session_)->undo_weight_edits());
  const Trace after = trace_of(*session_, request_with({weights_want(kDown)}));
  EXPECT_EQ(digest_in(after, "weight_snapshot." + kDown), weight);
  EXPECT_EQ(after.find("weight_snapshot." + kDown)->metadata.find("stored_dtype")->as_string(), "q8_0");
  EXPECT_EQ(digest_in(after, "logits"), logits);
}

TEST_P(RuntimeWeights, ATiedTableIsEditedAtBothEnds) {
  TinyModel tied = model_;
  tied.config["tie_word_embeddings"] = true;
  tied.tensors.erase("lm_head.weight");
  test::TempDir folder;
  VB_ASSERT_OK(test::write_tiny_model(folder.path(), tied));
  session_ = open(folder.path());
  const std::string logits = logits_of(*session_);
  const WeightEdit edit = edit_of("model.embed_tokens.weight", "scale", 2);
  VB_ASSERT_OK((*session_)->edit_weights({&edit, 1}));
  TinyModel doubled = tied;
  for (float& value : doubled.tensors.at("model.embed_tokens.weight").values) value *= 2;
  test::TempDir other;
  VB_ASSERT_OK(test::write_tiny_model(other.path(), doubled));
  const auto from_file = open(other.path());
  EXPECT_EQ(logits_of(*session_), logits_of(*from_file));
  VB_ASSERT_OK((*session_)->undo_weight_edits());
  EXPECT_EQ(logits_of(*session_), logits);
  expect_refused({edit_of("lm_head.weight", "zero")}, ErrorCode::not_found, "a tied head is its table");
}

TEST_P(RuntimeWeights, GgufRowsAreNamedInTheOrderOfHuggingFace) {
  std::ofstream(folder_ / "m.gguf", std::ios::binary) << test::tiny_gguf(model_);
  const auto gguf = open(folder_ / "m.gguf");
  ASSERT_NE(gguf, nullptr);
  const WeightEdit edit = project_out(kQuery, 64, WeightSide::output);
  const auto a = (*session_)->edit_weights({&edit, 1}), b = (*gguf)->edit_weights({&edit, 1});
  VB_ASSERT_OK(a);
  VB_ASSERT_OK(b);
  EXPECT_EQ(a->front().digest_after, b->front().digest_after);
  EXPECT_EQ(logits_of(*session_), logits_of(*gguf));
}

TEST_P(RuntimeWeights, AnEditThatChangesNothingIsRecordedAsThat) {
  const std::string loaded = (*session_)->model().digest, logits = logits_of(*session_);
  const std::vector<WeightEdit> edits{edit_of(kDown, "scale", 1), project_out(kDown, 64, WeightSide::output)};
  std::vector<WeightEdit> idle = edits;
  idle[1].alpha = 0;
  const auto records = (*session_)->edit_weights(idle);
  VB_ASSERT_OK(records);
  for (const WeightEditRecord& record : *records) {
    EXPECT_FALSE(record.changed());
    EXPECT_EQ(record.changed_values, 0);
    EXPECT_EQ(record.max_abs_change, 0);
  }
  const Trace trace = trace_of(*session_, request_with({}));
  EXPECT_EQ(digest_in(trace, "logits"), logits);
  EXPECT_EQ((*session_)->model().digest, loaded) << "the weights are those that were loaded";
  ASSERT_EQ(trace.missing().size(), 2u);
  for (const Missing& missing : trace.missing()) {
    EXPECT_EQ(missing.kind, ArtifactKind::intervention_result);
    EXPECT_NE(missing.reason.find("had no effect"), std::string::npos) << missing.reason;
  }
  const Json* listed = trace.parts().metadata.find("weight_edits");
  ASSERT_NE(listed, nullptr);
  EXPECT_EQ(listed->items()[0].find("effect")->as_string(), "none");
}

TEST_P(RuntimeWeights, EveryTraceListsTheActiveEdits) {
  const Trace plain = trace_of(*session_, request_with({}));
  EXPECT_EQ(plain.parts().metadata.find("weight_edits"), nullptr);
  const std::vector<WeightEdit> edits{edit_of("model.layers.*.mlp.down_proj.weight", "scale", 0.5),
                                      edit_of(kDown, "zero")};
  const auto records = (*session_)->edit_weights(edits);
  VB_ASSERT_OK(records);
  ASSERT_EQ(records->size(), 3u);
  EXPECT_EQ((*records)[2].edit, 1);
  EXPECT_EQ((*records)[2].digest_before, (*records)[1].digest_after);

  const Trace trace = trace_of(*session_, request_with({}));
  ASSERT_NE(trace.parts().metadata.find("weight_edits"), nullptr);
  EXPECT_EQ(trace.parts().metadata.find("weight_edits")->size(), 3u);
  EXPECT_EQ(trace.parts().model.digest, (*session_)->model().digest);
  EXPECT_EQ(trace.parts().model.lineage.find("kind")->as_string(), "weight_edits");
  EXPECT_EQ(trace.parts().model.lineage.find("base")->find("digest")->as_string(), plain.parts().model.digest);
  EXPECT_EQ(digest_in(trace, "weight_snapshot." + kDown + ".before"), bytes_digest(model_.tensors.at(kDown).values));
  EXPECT_EQ(digest_in(trace, "weight_snapshot." + kDown), (*records)[2].digest_after);
  EXPECT_EQ(trace.artifacts_by_kind(ArtifactKind::weight_snapshot).size(), 4u);
  const auto read_back = trace_from_json(to_json(trace));
  VB_ASSERT_OK(read_back);
  EXPECT_EQ(to_json(*read_back), to_json(trace));
}

TEST_P(RuntimeWeights, EditsAreTakenBackInReverseOneOrAll) {
  const std::string weight = held(kDown), logits = logits_of(*session_);
  std::vector<std::string> digests{weight};
  for (const double alpha : {0.5, 3.0, -1.0}) {
    const WeightEdit edit = edit_of("model.layers.*.mlp.down_proj.weight", "scale", alpha);
    VB_ASSERT_OK((*session_)->edit_weights({&edit, 1}));
    digests.push_back(held(kDown));
  }
  const auto last = (*session_)->undo_weight_edits(1);
  VB_ASSERT_OK(last);
  EXPECT_EQ(last->size(), 2u) << "one edit of two tensors";
  EXPECT_EQ(held(kDown), digests[2]);
  EXPECT_EQ((*session_)->undo_weight_edits(3).error().code, ErrorCode::invalid_input);
  EXPECT_EQ(held(kDown), digests[2]) << "a refused undo takes nothing back";
  VB_ASSERT_OK((*session_)->undo_weight_edits());
  EXPECT_EQ(held(kDown), weight);
  EXPECT_EQ(logits_of(*session_), logits);
  EXPECT_TRUE((*session_)->weight_edits().empty());
}

TEST_P(RuntimeWeights, WhatDoesNotFitIsRefusedAndNothingIsChanged) {
  const WeightEdit good = edit_of(kDown, "scale", 0.5);
  expect_refused({edit_of("model.layers.1.mlp.down_prj.weight", "zero")}, ErrorCode::not_found,
                 "did you mean '" + kDown + "'");
  expect_refused({good, project_out(kDown, 128, WeightSide::output)}, ErrorCode::invalid_input, "side = \"input\"");
  const double nan = std::numeric_limits<double>::quiet_NaN();
  expect_refused({good, edit_of(kDown, "scale", nan)}, ErrorCode::invalid_input, "alpha");
  expect_refused({good, edit_of(kDown, "scale", 1e41)}, ErrorCode::invalid_input, "expected finite values");
  WeightEdit broken = project_out(kDown, 64, WeightSide::output);
  broken.direction[3] = nan;
  expect_refused({good, broken}, ErrorCode::invalid_input, "element 3");
  WeightEdit narrow = edit_of(kDown, "set");
  narrow.operand_shape = {128, 64};
  narrow.operand.resize(64 * 128);
  expect_refused({good, narrow}, ErrorCode::invalid_input, "[64, 128], found [128, 64]");
  expect_refused({edit_of(kDown, "scal")}, ErrorCode::invalid_input, "did you mean 'scale'");
}

TEST_P(RuntimeWeights, WeightsAreNotEditedWhileARequestRuns) {
  TraceRequest request = request_with({});
  const auto stream = (*session_)->generate({&request, 1});
  VB_ASSERT_OK(stream);
  VB_ASSERT_OK((*stream)->next());
  const WeightEdit edit = edit_of(kDown, "zero");
  const auto refused = (*session_)->edit_weights({&edit, 1});
  ASSERT_FALSE(refused.has_value());
  EXPECT_NE(describe(refused.error()).find("running"), std::string::npos);
  while (true) {
    const auto event = (*stream)->next();
    VB_ASSERT_OK(event);
    if (!*event) break;
  }
  VB_EXPECT_OK((*session_)->edit_weights({&edit, 1}));
}

TEST_P(RuntimeWeights, ARuntimeWithoutWeightsRefusesAndSaysWhatToDo) {
  const auto replay = ReplayRuntime::make({trace_of(*session_, request_with({}))});
  VB_ASSERT_OK(replay);
  Runtime& runtime = **replay;
  const WeightEdit edit = edit_of(kDown, "zero");
  for (const auto& refused :
       {runtime.edit_weights({&edit, 1}), runtime.undo_weight_edits(1), runtime.undo_weight_edits()}) {
    ASSERT_FALSE(refused.has_value());
    EXPECT_EQ(refused.error().code, ErrorCode::unsupported);
    EXPECT_NE(describe(refused.error()).find("name a model folder"), std::string::npos) << describe(refused.error());
  }
}

/// Of every architecture: what the forward pass reads is what its list of tensors names, with the values of the file.
TEST_P(RuntimeWeights, EveryArchitectureShowsEveryTensorThatItStores) {
  for (const char* name : {"gpt2", "phi3", "llama_bias", "llama_tied", "llama_bf16"}) {
    VB_NEED_SHARED(std::string("tiny_models/") + name);
    const auto session = open(test::shared_data() / "tiny_models" / name);
    ASSERT_NE(session, nullptr);
    const Model& model = (*session)->loaded();
    const Trace trace = trace_of(*session, request_with({weights_want("*")}));
    const TensorMap stored = model.architecture->tensors(model.config);
    EXPECT_EQ(trace.artifacts_by_kind(ArtifactKind::weight_snapshot).size(), stored.size()) << name;
    for (const TensorSpec& spec : stored) {
      const TensorEntry* entry = model.file->find(spec.hf);
      if (!entry) entry = model.file->find(spec.hf_alias);
      ASSERT_NE(entry, nullptr) << spec.hf;
      std::vector<float> values = *decode_f32(entry->view);
      if (spec.hf_transposed) values = transposed(values, entry->view.shape[0], entry->view.shape[1]);
      EXPECT_EQ(digest_in(trace, "weight_snapshot." + spec.hf), bytes_digest(values)) << name << " " << spec.hf;
    }
  }
}

/// A LoRA pair stands under the name of its file, and taking B away gives the base model back.
TEST_P(RuntimeWeights, AdaptersAreShownAndEditedUnderTheirOwnNames) {
  VB_NEED_SHARED("peft/tiny/lora_llama");
  const std::string base = test::shared_data() / "tiny_models/llama";
  const std::string adapter = test::shared_data() / "peft/tiny/lora_llama";
  const auto plain = open(base), adapted = open(base + "+" + adapter);
  ASSERT_NE(plain, nullptr);
  ASSERT_NE(adapted, nullptr);
  const std::string logits = logits_of(*adapted);
  EXPECT_NE(logits, logits_of(*plain));
  const WeightEdit edit = edit_of("base_model.*.lora_B.weight", "zero");
  const auto records = (*adapted)->edit_weights({&edit, 1});
  VB_ASSERT_OK(records);
  EXPECT_GT(records->size(), 0u);
  EXPECT_EQ(logits_of(*adapted), logits_of(*plain));
  VB_ASSERT_OK((*adapted)->undo_weight_edits());
  EXPECT_EQ(logits_of(*adapted), logits);
}

/// The same edit has the same effect everywhere: records do not tell backends apart.
TEST(RuntimeWeightsOfAll, BackendsAgreeOnDigestsAndRecords) {
  test::TempDir folder;
  VB_ASSERT_OK(test::write_tiny_model(folder.path()));
  std::vector<std::string> seen;
  for (const std::string& backend : test::backends_here()) {
    const auto session = LocalSession::open(folder.path(), backend);
    VB_ASSERT_OK(session);
    WeightEdit noise = edit_of("model.layers.*.mlp.*", "add_noise");
    noise.sigma = 0.01;
    const std::vector<WeightEdit> edits{noise, project_out(kDown, 64, WeightSide::output)};
    VB_ASSERT_OK((**session)->edit_weights(edits));
    const auto trace = (**session)->trace(request_with({weights_want("*"), weights_want("")}));
    VB_ASSERT_OK(trace);
    std::string text = trace->parts().model.digest + trace->parts().metadata.find("weight_edits")->dump().value_or("?");
    for (const TraceArtifact* shown : trace->artifacts_by_kind(ArtifactKind::weight_snapshot))
      text += shown->artifact_id + shown->digest + shown->summary.dump().value_or("?") + "\n";
    seen.push_back(text);
  }
  ASSERT_GE(seen.size(), 2u);
  for (const std::string& other : seen) EXPECT_EQ(other, seen.front());
}

}  // namespace
}  // namespace vauban
