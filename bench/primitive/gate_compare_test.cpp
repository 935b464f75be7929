// What the gate compares: a fault planted in a kernel or a record must be seen.
#include "primitive/gate_compare.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>

#include "backends/cpu/cpu_ops.h"
#include "base/context.h"
#include "ops/forwarding_ops.h"
#include "support/test_data.h"
#include "tensor/quant/format.h"

namespace vauban::bench {
namespace {

/// The vector kernels with something wrong about what they answer.
class Faulty final : public ForwardingOps {
 public:
  using Fault = std::function<void(const Tensor& x, const Primitive& p, PrimitiveResult& result)>;
  Faulty(std::unique_ptr<Ops> inner, Fault fault) : ForwardingOps(std::move(inner)), fault_(std::move(fault)) {}
  PrimitiveResult primitive(const Tensor& x, const Primitive& p, std::span<const std::int32_t> rows) override {
    PrimitiveResult result = inner().primitive(x, p, rows);
    fault_(x, p, result);
    return result;
  }

 private:
  Fault fault_;
};

class GateCompare : public testing::Test {
 protected:
  std::unique_ptr<Ops> make(PrimitivePath path) {
    auto made = make_cpu_ops(context_, {}, path);
    VB_EXPECT_OK(made);
    return *std::move(made);
  }
  /// Problems on which the kernels with this fault are told from the scalar path.
  std::vector<std::string> seen(const Faulty::Fault& fault) {
    Faulty faulty(make(PrimitivePath::simd), fault);
    const auto scalar = make(PrimitivePath::scalar);
    std::vector<std::string> names;
    const std::vector<Problem> problems = all_problems().value();
    for (const Problem& problem : problems) {
      const auto ours = answer_of(faulty, problem), theirs = answer_of(*scalar, problem);
      VB_EXPECT_OK(ours);
      VB_EXPECT_OK(theirs);
      if (ours && theirs && !apart(*ours, *theirs, problem).within_bounds()) names.push_back(problem.name);
    }
    return names;
  }
  ThreadPool pool_{1};
  SystemClock clock_;
  SilentProgress progress_;
  CancelToken cancel_;
  Context context_{.pool = pool_, .clock = clock_, .progress = progress_, .cancel = cancel_, .seed = 0};
};

bool is_bf16(const Tensor& x) { return x.dtype() == DType::bf16; }
bool is_gated(const Primitive& p, PrimitiveMode inner) { return p.mode == PrimitiveMode::conditional && p.inner == inner; }

TEST_F(GateCompare, TheKernelsThemselvesAreWithinTheBounds) {
  EXPECT_EQ(seen([](const Tensor&, const Primitive&, PrimitiveResult&) {}), std::vector<std::string>());
}

TEST_F(GateCompare, AWrongBf16KernelIsSeenThoughF32IsRight) {
  const auto truncating = seen([](const Tensor& x, const Primitive&, PrimitiveResult& r) {
    if (!is_bf16(x) || r.output.storage() == x.storage()) return;
    for (std::int64_t i = 0; i < x.shape().elements(); ++i) {
      std::uint16_t& bits = r.output.as<std::uint16_t>()[i];
      if (bits != x.as<std::uint16_t>()[i]) bits = static_cast<std::uint16_t>(bits - (i % 2));  // rounds down half of them
    }
  });
  const auto unmeasured = seen([](const Tensor& x, const Primitive&, PrimitiveResult& r) {
    if (is_bf16(x)) r.after = r.before;
  });
  for (const auto* found : {&truncating, &unmeasured}) {
    EXPECT_FALSE(found->empty());
    for (const std::string& name : *found) EXPECT_NE(name.find("bf16"), std::string::npos) << name;
  }
}

TEST_F(GateCompare, EveryInnerModeOfAConditionalIsCompared) {
  for (const PrimitiveMode inner : {PrimitiveMode::subtract, PrimitiveMode::add, PrimitiveMode::subspace_remove,
                                    PrimitiveMode::subspace_add, PrimitiveMode::clamp, PrimitiveMode::offset}) {
    const auto found = seen([&](const Tensor& x, const Primitive& p, PrimitiveResult& r) {
      if (is_gated(p, inner)) r.output = x;
    });
    EXPECT_GE(found.size(), 4u) << to_string(inner);
    for (const std::string& name : found)
      EXPECT_NE(name.find(format("conditional({})", to_string(inner))), std::string::npos) << name;
  }
}

TEST_F(GateCompare, FiguresThatAreWrongAreSeen) {
  using Result = PrimitiveResult;
  const std::vector<std::pair<const char*, std::function<void(Result&)>>> faults{
      {"before", [](Result& r) { r.before.front() *= 1.001; }},
      {"after", [](Result& r) { r.after.front() += 0.01; }},
      {"delta_norm", [](Result& r) { r.delta_norm.front() += 0.01; }},
      {"input_norm", [](Result& r) { r.input_norm.front() *= 1.001; }},
      {"input_norm is short", [](Result& r) { r.input_norm.pop_back(); }},
      {"gates_open", [](Result& r) { ++r.gates_open; }},
      {"NaN", [](Result& r) { r.before.back() = std::nan(""); }}};
  for (const auto& [name, fault] : faults)
    EXPECT_GT(seen([&](const Tensor&, const Primitive&, Result& r) { fault(r); }).size(), 20u) << name;
}

// ---- records

struct Record {
  Json artifact = Json::object({{"id", "a"},
                                {"kind", "activation"},
                                {"shape", Json(std::vector<std::int64_t>{3, 4})},
                                {"fire_count", 2},
                                {"digest", std::string(64, 'a')},
                                {"summary", Json::object({{"count", 12}, {"mean", 0.5}, {"max", 1.5}})}});
  Json profile = Json::object({{"duration_s", 0.25},
                               {"token_count", 3},
                               {"input_bytes", 96},
                               {"kernel_path", "cpu/avx512 primitive/simd"}});
  Json json() const {
    return Json::object({{"artifacts", Json::array({artifact})},
                         {"spans", Json::array({Json::object({{"name", "prefill"}, {"profile", profile}})})}});
  }
};

std::string difference(const std::function<void(Record&)>& change) {
  Record changed;
  change(changed);
  return first_difference(skeleton(Record().json()), skeleton(changed.json()));
}

TEST(GateRecords, MeasurementsMayDiffer) {
  EXPECT_EQ(difference([](Record& r) {
              r.artifact["digest"] = std::string(64, 'b');
              r.artifact["summary"]["mean"] = 0.25;
              r.artifact["summary"]["max"] = -1;
              r.profile["duration_s"] = 7;
              r.profile["kernel_path"] = "cpu/avx512 primitive/scalar";
            }),
            "");
}

TEST(GateRecords, WhatIsNoMeasurementMayNot) {
  EXPECT_EQ(difference([](Record& r) { r.artifact["shape"] = Json(std::vector<std::int64_t>{4, 3}); }),
            "/artifacts/0/shape/0");
  EXPECT_EQ(difference([](Record& r) { r.artifact["fire_count"] = 1; }), "/artifacts/0/fire_count");
  EXPECT_EQ(difference([](Record& r) { r.artifact["summary"]["count"] = 11; }), "/artifacts/0/summary/count");
  EXPECT_EQ(difference([](Record& r) { r.profile["token_count"] = 4; }), "/spans/0/profile/token_count");
  EXPECT_EQ(difference([](Record& r) { r.profile["input_bytes"] = 0; }), "/spans/0/profile/input_bytes");
  EXPECT_EQ(difference([](Record& r) { r.profile["kernel_path"] = "cpu/avx2 primitive/simd"; }),
            "/spans/0/profile/kernel_path");
  EXPECT_EQ(difference([](Record& r) { r.artifact["id"] = "b"; }), "/artifacts/0/id");
  EXPECT_EQ(difference([](Record& r) { r.artifact["summary"]["mean"] = Json(); }), "/artifacts/0/summary/mean");
  EXPECT_EQ(difference([](Record& r) { r.profile["more"] = 1; }), "/spans/0/profile (keys)");
}

Trace steered(double before, double after, std::string effect = "changed", int rows = 2) {
  const auto summary = [&](double value) {
    return Json::object({{"count", rows}, {"mean", value / 2}, {"min", 0.0}, {"max", value}});
  };
  TraceParts parts;
  parts.trace_id = "t";
  parts.device = {"cpu", "cpu:0"};
  TraceArtifact artifact;
  artifact.artifact_id = "intervention.0";
  artifact.kind = ArtifactKind::intervention_result;
  artifact.metadata = Json::object({{"rows_touched", rows},
                                    {"effect", std::move(effect)},
                                    {"projection_summary_before", summary(before)},
                                    {"projection_summary_after", summary(after)},
                                    {"delta_summary", summary(before - after)}});
  parts.artifacts = {artifact};
  return Trace::make(std::move(parts)).value();
}

TEST(GateEffects, AreComparedInUnitsOfTheProjections) {
  const Trace a = steered(8, 0);
  EXPECT_EQ(effect_distance(a, a), 0.0);
  EXPECT_NEAR(effect_distance(a, steered(8, 0.08)), 0.01, 1e-12);
  EXPECT_TRUE(std::isinf(effect_distance(a, steered(8, 0, "changed", 3)))) << "other rows";
  EXPECT_TRUE(effects_agree(a, a));
  EXPECT_FALSE(effects_agree(a, steered(8, 8, "none")));
}

}  // namespace
}  // namespace vauban::bench
