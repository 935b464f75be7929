/// Tests of the checkers: gradients with one planted fault each must be found, and found by the case that exists for
/// it.
#include <cstring>

#include "contract/gradients_bench.h"

namespace vauban::test {
namespace {

/// Hands every call to another Gradients; a fault overrides one method.
class Passing : public Gradients {
 public:
  explicit Passing(Machine inner) : ops_(inner.ops), inner_(inner.gradients) {}

  Result<Weight> make_parameter(std::string name, const TensorView& initial) override {
    return inner_.make_parameter(std::move(name), initial);
  }
  void parameter_changed(const Weight& parameter) override { inner_.parameter_changed(parameter); }
  Tensor zeros(const Shape& shape) override { return inner_.zeros(shape); }
  void clear(Tensor& gradient) override { inner_.clear(gradient); }
  Tensor scaled(const Tensor& x, double factor) override { return inner_.scaled(x, factor); }
  Tensor masked(const Tensor& x, double rate, const DropoutKey& key) override { return inner_.masked(x, rate, key); }
  void embed_backward(const Tensor& dy, std::span<const std::int32_t> ids, Tensor& dtable) override {
    inner_.embed_backward(dy, ids, dtable);
  }
  Tensor linear_input_backward(const Tensor& dy, const Weight& weight) override {
    return inner_.linear_input_backward(dy, weight);
  }
  void linear_weight_backward(const Tensor& dy, const Tensor& x, Tensor& dw) override {
    inner_.linear_weight_backward(dy, x, dw);
  }
  void bias_backward(const Tensor& dy, Tensor& db) override { inner_.bias_backward(dy, db); }
  Tensor rms_norm_backward(const Tensor& dy, const Tensor& x, const Weight& weight, double epsilon,
                           Tensor* dw) override {
    return inner_.rms_norm_backward(dy, x, weight, epsilon, dw);
  }
  Tensor layer_norm_backward(const Tensor& dy, const Tensor& x, const Weight& weight, double epsilon, Tensor* dw,
                             Tensor* db) override {
    return inner_.layer_norm_backward(dy, x, weight, epsilon, dw, db);
  }
  Tensor rope_backward(const Tensor& dy, std::span<const std::int32_t> positions, const RopeTable& table) override {
    return inner_.rope_backward(dy, positions, table);
  }
  TrainingAttention attention(const Tensor& q, const Tensor& k, const Tensor& v, const Batch& batch,
                              const AttentionArgs& args) override {
    return inner_.attention(q, k, v, batch, args);
  }
  AttentionGradients attention_backward(const Tensor& dz, const Tensor& q, const Tensor& k, const Tensor& v,
                                        const TrainingAttention& forward, const Batch& batch,
                                        const AttentionArgs& args, Tensor* dsinks) override {
    return inner_.attention_backward(dz, q, k, v, forward, batch, args, dsinks);
  }
  Tensor activation_backward(const Tensor& dy, const Tensor& x, Activation activation) override {
    return inner_.activation_backward(dy, x, activation);
  }
  Tensor clamp_backward(const Tensor& dy, const Tensor& x, double limit) override {
    return inner_.clamp_backward(dy, x, limit);
  }
  Tensor multiply_backward(const Tensor& dy, const Tensor& x, const Weight& weight, Tensor* dw) override {
    return inner_.multiply_backward(dy, x, weight, dw);
  }
  GateGradients gated_activation_backward(const Tensor& dy, const Tensor& gate, const Tensor& up,
                                          Activation activation) override {
    return inner_.gated_activation_backward(dy, gate, up, activation);
  }
  Tensor columns_backward(const Tensor& dy, std::int64_t begin, std::int64_t width) override {
    return inner_.columns_backward(dy, begin, width);
  }
  Tensor select_rows_backward(const Tensor& dy, std::span<const std::int32_t> rows, std::int64_t total_rows) override {
    return inner_.select_rows_backward(dy, rows, total_rows);
  }
  HeadResult head(const Tensor& x, const Weight& weight, double softcap, std::span<const std::int32_t> targets,
                  std::span<const double> coefficients, Tensor* dw) override {
    return inner_.head(x, weight, softcap, targets, coefficients, dw);
  }
  Tensor lm_head_backward(const Tensor& dlogits, const Tensor& logits, const Tensor& x, const Weight& weight,
                          double softcap, Tensor* dw) override {
    return inner_.lm_head_backward(dlogits, logits, x, weight, softcap, dw);
  }
  Tensor primitive_backward(const Tensor& dy, const Tensor& x, const Primitive& primitive,
                            std::span<const std::int32_t> rows) override {
    return inner_.primitive_backward(dy, x, primitive, rows);
  }

 protected:
  Ops& ops_;
  Gradients& inner_;
};

struct SignFlipped final : Passing {
  using Passing::Passing;
  Tensor linear_input_backward(const Tensor& dy, const Weight& weight) override {
    return scaled(inner_.linear_input_backward(dy, weight), -1.0);
  }
};

/// One element of the whole gradient is off by a thousandth of itself.
struct OneElementOff final : Passing {
  using Passing::Passing;
  void linear_weight_backward(const Tensor& dy, const Tensor& x, Tensor& dw) override {
    inner_.linear_weight_backward(dy, x, dw);
    dw.as<double>()[dw.shape().elements() / 2] *= 1.001;
  }
};

/// Keys and values take the gradient of the first query head of their group only.
struct GroupSumForgotten final : Passing {
  using Passing::Passing;
  AttentionGradients attention_backward(const Tensor& dz, const Tensor& q, const Tensor& k, const Tensor& v,
                                        const TrainingAttention& forward, const Batch& batch,
                                        const AttentionArgs& args, Tensor* dsinks) override {
    AttentionGradients d = inner_.attention_backward(dz, q, k, v, forward, batch, args, dsinks);
    Tensor first = scaled(dz, 1.0);
    for (std::int64_t row = 0; row < dz.shape()[0] * args.heads; ++row)
      if (row % args.heads % (args.heads / args.kv_heads) != 0)
        std::fill_n(first.as<double>() + row * args.head_dim, args.head_dim, 0.0);
    const AttentionGradients partial = inner_.attention_backward(first, q, k, v, forward, batch, args, nullptr);
    return {d.q, partial.k, partial.v};
  }
};

struct DocumentMaskForgotten final : Passing {
  using Passing::Passing;
  AttentionGradients attention_backward(const Tensor& dz, const Tensor& q, const Tensor& k, const Tensor& v,
                                        const TrainingAttention& forward, const Batch& batch,
                                        const AttentionArgs& args, Tensor* dsinks) override {
    const Batch one = documents({static_cast<std::int32_t>(batch.ids.size())});
    return inner_.attention_backward(dz, q, k, v, forward, one, args, dsinks);
  }
};

struct WindowForgotten final : Passing {
  using Passing::Passing;
  AttentionGradients attention_backward(const Tensor& dz, const Tensor& q, const Tensor& k, const Tensor& v,
                                        const TrainingAttention& forward, const Batch& batch,
                                        const AttentionArgs& args, Tensor* dsinks) override {
    AttentionArgs wide = args;
    wide.window = 0;
    return inner_.attention_backward(dz, q, k, v, forward, batch, wide, dsinks);
  }
};

struct SoftcapSlopeForgotten final : Passing {
  using Passing::Passing;
  Tensor lm_head_backward(const Tensor& dlogits, const Tensor& logits, const Tensor& x, const Weight& weight, double,
                          Tensor* dw) override {
    return inner_.lm_head_backward(dlogits, logits, x, weight, 0.0, dw);
  }
};

/// Turns the gradient the way the forward turned: right for position 0 only.
struct RopeTurnedAgain final : Passing {
  using Passing::Passing;
  Tensor rope_backward(const Tensor& dy, std::span<const std::int32_t> positions, const RopeTable& table) override {
    return ops_.rope(dy, positions, table);
  }
};

/// The norm's scale is taken for a constant.
struct NormTermForgotten final : Passing {
  using Passing::Passing;
  Tensor rms_norm_backward(const Tensor& dy, const Tensor& x, const Weight& weight, double epsilon,
                           Tensor* dw) override {
    inner_.rms_norm_backward(dy, x, weight, epsilon, dw);
    return ops_.rms_norm(dy, weight, epsilon);
  }
};

/// Rows that were taken several times keep the last gradient.
struct DuplicatesOverwrite final : Passing {
  using Passing::Passing;
  Tensor select_rows_backward(const Tensor& dy, std::span<const std::int32_t> rows, std::int64_t total_rows) override {
    Tensor dx = zeros({total_rows, dy.shape().width()});
    const std::int64_t width = dy.shape().width();
    for (std::size_t i = 0; i < rows.size(); ++i)
      std::copy_n(dy.as<double>() + static_cast<std::int64_t>(i) * width, width, dx.as<double>() + rows[i] * width);
    return dx;
  }
};

/// p instead of p - 1 at the target.
struct TargetForgotten final : Passing {
  using Passing::Passing;
  HeadResult head(const Tensor& x, const Weight& weight, double softcap, std::span<const std::int32_t> targets,
                  std::span<const double> coefficients, Tensor* dw) override {
    HeadResult result = inner_.head(x, weight, softcap, targets, coefficients, dw);
    if (result.dx.empty()) return result;
    for (std::size_t t = 0; t < targets.size(); ++t)
      for (std::int64_t i = 0; i < weight.shape[1]; ++i)
        result.dx.as<double>()[static_cast<std::int64_t>(t) * weight.shape[1] + i] -=
            coefficients[t] * weight.tensor.as<double>()[targets[t] * weight.shape[1] + i];
    return result;
  }
};

/// Steering is seen through as if nothing had been edited.
struct EditIgnored final : Passing {
  using Passing::Passing;
  Tensor primitive_backward(const Tensor& dy, const Tensor&, const Primitive&, std::span<const std::int32_t>) override {
    return dy;
  }
};

/// A gradient that is no number must not pass as "not larger than the bound".
struct NotANumber final : Passing {
  using Passing::Passing;
  Tensor activation_backward(const Tensor& dy, const Tensor& x, Activation activation) override {
    Tensor dx = inner_.activation_backward(dy, x, activation);
    dx.as<double>()[0] = std::nan("");
    return dx;
  }
};

/// A sink's weight is taken for a key's: its gradient has the other sign.
struct SinkSignFlipped final : Passing {
  using Passing::Passing;
  AttentionGradients attention_backward(const Tensor& dz, const Tensor& q, const Tensor& k, const Tensor& v,
                                        const TrainingAttention& forward, const Batch& batch, const AttentionArgs& args,
                                        Tensor* dsinks) override {
    const AttentionGradients d = inner_.attention_backward(dz, q, k, v, forward, batch, args, dsinks);
    for (std::int64_t i = 0; i < args.heads; ++i) dsinks->as<double>()[i] *= -1.0;
    return d;
  }
};

/// Scores are made again without what ALiBi added.
struct AlibiForgotten final : Passing {
  using Passing::Passing;
  AttentionGradients attention_backward(const Tensor& dz, const Tensor& q, const Tensor& k, const Tensor& v,
                                        const TrainingAttention& forward, const Batch& batch, const AttentionArgs& args,
                                        Tensor* dsinks) override {
    AttentionArgs plain = args;
    plain.alibi_slopes.clear();
    return inner_.attention_backward(dz, q, k, v, forward, batch, plain, dsinks);
  }
};

/// The limit is forgotten on the way back.
struct ClampForgotten final : Passing {
  using Passing::Passing;
  Tensor clamp_backward(const Tensor& dy, const Tensor&, double) override { return dy; }
};

struct Overwriting final : Passing {
  using Passing::Passing;
  void linear_weight_backward(const Tensor& dy, const Tensor& x, Tensor& dw) override {
    std::memset(dw.data(), 0, size_bytes(dw.dtype(), dw.shape()).value());
    inner_.linear_weight_backward(dy, x, dw);
  }
};

struct Fault {
  const char* name;
  const char* gradient_case;
  std::unique_ptr<Gradients> (*plant)(Machine);
};
template <class T>
std::unique_ptr<Gradients> plant(Machine inner) {
  return std::make_unique<T>(inner);
}
void PrintTo(const Fault& fault, std::ostream* out) { *out << fault.name; }

const std::array kFaults{
    Fault{"SignFlipped", "linearRows5", plant<SignFlipped>},
    Fault{"OneElementOff", "linearRows43", plant<OneElementOff>},
    Fault{"GroupSumForgotten", "attentionGrouped", plant<GroupSumForgotten>},
    Fault{"DocumentMaskForgotten", "attentionDocuments", plant<DocumentMaskForgotten>},
    Fault{"WindowForgotten", "attentionWindow", plant<WindowForgotten>},
    Fault{"SoftcapSlopeForgotten", "lmHeadSoftcapRows5", plant<SoftcapSlopeForgotten>},
    Fault{"RopeTurnedAgain", "ropeHalf6", plant<RopeTurnedAgain>},
    Fault{"NormTermForgotten", "rmsNorm_43_17", plant<NormTermForgotten>},
    Fault{"DuplicatesOverwrite", "selectRows5", plant<DuplicatesOverwrite>},
    Fault{"TargetForgotten", "headRows5", plant<TargetForgotten>},
    Fault{"EditIgnored", "primitive_subspace_remove", plant<EditIgnored>},
    Fault{"SinkSignFlipped", "attentionSinks", plant<SinkSignFlipped>},
    Fault{"AlibiForgotten", "attentionAlibi", plant<AlibiForgotten>},
    Fault{"ClampForgotten", "clamp", plant<ClampForgotten>},
    Fault{"NotANumber", "activationSilu", plant<NotANumber>},
};

class PlantedFault : public testing::TestWithParam<Fault> {};
INSTANTIATE_TEST_SUITE_P(Faults, PlantedFault, testing::ValuesIn(kFaults),
                         [](const auto& param) { return param.param.name; });

TEST_P(PlantedFault, IsFoundByFiniteDifferences) {
  TrainingBench bench(reference_trainer());
  const GradientCase c = gradient_case(GetParam().gradient_case);
  const Machine sound = machine(bench);
  EXPECT_LE(worst_finite_difference(c, sound), 1e-8) << "without the fault";
  const std::unique_ptr<Gradients> faulty = GetParam().plant(sound);
  EXPECT_GE(worst_finite_difference(c, {bench.ops(), *faulty}), 1e-6);
}

TEST(PlantedFaults, AGradientThatOverwritesIsFoundByTheAccumulationCheckAlone) {
  TrainingBench bench(reference_trainer());
  const GradientCase c = gradient_case("linearRows5");
  Overwriting faulty(machine(bench));
  EXPECT_LE(worst_finite_difference(c, {bench.ops(), faulty}), 1e-8);
  EXPECT_GE(accumulation_error(c, {bench.ops(), faulty}), 0.1);
}

}  // namespace
}  // namespace vauban::test
