#include "contract/gradients_bench.h"

#include <cctype>
#include <numeric>

#include "backends/cpu/cpu_target.h"
#include "backends/cpu/training/training_backend.h"
#include "backends/reference/reference_ops.h"
#include "backends/torch_loader.h"

namespace vauban::test {
namespace {

constexpr double kStep = 1e-3;
constexpr std::uint64_t kGradientStream = 900, kDirectionStream = 950;

Operands operands_of(const GradientCase& c, const Machine& m, const CaseValues& values) {
  Operands operands;
  for (std::size_t i = 0; i < c.x.size(); ++i) operands.x.push_back(activation(m.ops, c.x[i], values.x[i]));
  for (std::size_t i = 0; i < c.w.size(); ++i) operands.w.push_back(parameter(m, c.w[i], values.w[i]));
  return operands;
}

void end_cleanly(const GradientCase& c, Ops& ops) {
  const Result<void> status = ops.end_step();
  EXPECT_TRUE(status.has_value()) << c.name << ": " << describe(status.error());
}

double dot(const std::vector<double>& a, const std::vector<double>& b) {
  EXPECT_EQ(a.size(), b.size());
  return std::inner_product(a.begin(), a.end(), b.begin(), 0.0);
}

/// The loss that the checkers differentiate: <dy, f(x; w)>.
double loss(const GradientCase& c, const Machine& m, const CaseValues& values) {
  m.ops.begin_step();
  const std::vector<double> y = to_f64(c.forward(m, operands_of(c, m, values)));
  end_cleanly(c, m.ops);
  return dot(y, normals(y.size(), kGradientStream));
}

double difference(const GradientCase& c, const Machine& m, const CaseValues& values, std::vector<double>& operand,
                  const std::vector<double>& v) {
  const std::vector<double> start = operand;
  const auto at = [&](double step) {
    for (std::size_t i = 0; i < v.size(); ++i) operand[i] = start[i] + step * v[i];
    return loss(c, m, values);
  };
  const double near = at(kStep) - at(-kStep), far = at(2 * kStep) - at(-2 * kStep);
  operand = start;
  return (8.0 * near - far) / (12.0 * kStep);
}

/// The larger of two errors; one that is no number is the largest.
double worse(double a, double b) { return std::isnan(b) ? std::numeric_limits<double>::infinity() : std::max(a, b); }

double worst_of_operand(const GradientCase& c, const Machine& m, const CaseValues& values, std::vector<double>& operand,
                        const std::vector<double>& gradient) {
  double worst = 0.0;
  const double length = std::sqrt(dot(gradient, gradient));
  for (std::uint64_t trial = 0; trial < 3; ++trial) {
    const std::vector<double> v = normals(operand.size(), kDirectionStream + trial);
    const double error = std::abs(difference(c, m, values, operand, v) - dot(gradient, v));
    if (error != 0.0) worst = worse(worst, error / length);
  }
  return worst;
}

}  // namespace

Trainer reference_trainer() {
  return {"reference", [](const Context& context) { return make_reference_ops(context, "cpu:0"); }, 0.0};
}

namespace {

Trainer cpu_trainer(TrainingNumerics numerics, double bound) {
  return {"cpu_" + std::string(to_string(numerics)),
          [numerics](const Context& context) { return make_cpu_training_ops(context, numerics); }, bound};
}

/// The vector kernels of one instruction set; the factory takes the best one only.
Trainer cpu_trainer(CpuTarget target, double bound) {
  return {"cpu_" + std::string(to_string(target)),
          [target](const Context& context) -> Result<std::unique_ptr<Ops>> {
            VB_TRY(const cpu::Kernels* kernels, cpu::kernels_for(target));
            return std::make_unique<cpu::CpuTrainingOps>(context.pool, *kernels, TrainingNumerics::f32);
          },
          bound};
}

/// Gradients come on every device of LibTorch; the factory hands them out where training can happen, in host memory.
Result<std::unique_ptr<Ops>> make_trainer(const Place& place, const Context& context, std::string_view numerics) {
  if (place.device.empty()) return make_training_backend(place.backend, context, {}, numerics);
  return make_torch_ops(context, {.device = place.device, .numerics = numerics, .training = true});
}

}  // namespace

std::vector<Trainer> all_trainers() {
  // Operands are rounded to 2^-24, 2^-9 or 2^-12, squared here; a softcap's slope near its ends multiplies that by ten.
  constexpr double kF32 = 1e-11, kBf16 = 1e-3, kF16 = 1e-5;
  std::vector<Trainer> trainers{
      reference_trainer(),
      cpu_trainer(TrainingNumerics::f32, kF32),
      cpu_trainer(TrainingNumerics::bf16, kBf16),
      cpu_trainer(TrainingNumerics::f16, kF16),
  };
  for (const Place& place : places_here()) {
    if (place.backend == "reference" || place.backend == "cpu") continue;  // above
    for (const auto& [numerics, bound] : {std::pair("f32", kF32), std::pair("bf16", kBf16), std::pair("f16", kF16)})
      trainers.push_back({place.name() + "_" + numerics,
                          [place, numerics](const Context& context) { return make_trainer(place, context, numerics); }, bound});
  }
  for (const CpuTarget target : available_cpu_targets())
    if (target != available_cpu_targets().back()) trainers.push_back(cpu_trainer(target, kF32));
  return trainers;
}

TrainingBench::TrainingBench(const Trainer& trainer, int threads) : TestContext(threads, 1) {
  auto made = trainer.make(context_);
  if (!made) ADD_FAILURE() << describe(made.error());
  ops_ = std::move(made).value();
  ops_->begin_step();
}

GradientCase gradient_case(const std::string& name) {
  for (GradientCase& c : all_gradient_cases())
    if (c.name == name) return c;
  ADD_FAILURE() << "no gradient case '" << name << "'";
  return {};
}

CaseValues values_of(const GradientCase& c) {
  CaseValues values;
  std::uint64_t stream = 700;
  for (const Shape& shape : c.x) {
    values.x.push_back(normals(static_cast<std::size_t>(shape.elements()), stream++));
    for (double& value : values.x.back()) {
      const double size = std::abs(value);
      value = std::copysign(1.0, value) * (size + std::copysign(c.kink, size - c.kink_at));
    }
  }
  for (const Shape& shape : c.w) values.w.push_back(normals(static_cast<std::size_t>(shape.elements()), stream++));
  return values;
}

Weight parameter(const Machine& m, const Shape& shape, const std::vector<double>& values) {
  const bool wide = m.ops.activation_dtype() == DType::f64;
  const Tensor source = make_host_tensor(wide ? DType::f64 : DType::f32, shape);
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (wide)
      source.as<double>()[i] = values[i];
    else
      source.as<float>()[i] = static_cast<float>(values[i]);
  }
  const std::size_t size = size_bytes(source.dtype(), shape).value();
  auto made = m.gradients.make_parameter("w", {source.dtype(), shape, {source.data(), size}});
  if (!made) ADD_FAILURE() << describe(made.error());
  return made.value_or(Weight{});
}

CaseResult run_case(const GradientCase& c, const Machine& m, Parameters parameters, int passes) {
  m.ops.begin_step();
  const Operands operands = operands_of(c, m, values_of(c));
  const Tensor y = c.forward(m, operands);
  // The head's log-probabilities are f64 on every backend; their gradient is rounded like any other.
  const auto n = static_cast<std::size_t>(y.shape().elements());
  const Tensor dy = activation(m.ops, y.shape(), normals(n, kGradientStream));
  Tensors dw;
  for (const Shape& shape : c.w) dw.push_back(m.gradients.zeros(shape));
  std::vector<Tensor*> targets;
  for (Tensor& gradient : dw) targets.push_back(parameters == Parameters::frozen ? nullptr : &gradient);
  Tensors dx;
  for (int pass = 0; pass < passes; ++pass) dx = c.backward(m, operands, y, dy, targets);
  CaseResult result{.y = to_f64(y), .dx = {}, .dw = {}, .bits = bits(y)};
  for (const Tensor& gradient : dx) result.dx.push_back(to_f64(gradient)), result.bits += bits(gradient);
  for (const Tensor& gradient : dw) result.dw.push_back(to_f64(gradient)), result.bits += bits(gradient);
  EXPECT_EQ(dx.size(), c.x.size()) << c.name;
  for (std::size_t i = 0; i < std::min(dx.size(), c.x.size()); ++i) EXPECT_EQ(dx[i].shape(), c.x[i]) << c.name;
  end_cleanly(c, m.ops);
  return result;
}

double worst_finite_difference(const GradientCase& c, const Machine& m) {
  CaseValues values = values_of(c);
  const CaseResult result = run_case(c, m);
  double worst = 0.0;
  for (std::size_t i = 0; i < c.x.size(); ++i)
    worst = worse(worst, worst_of_operand(c, m, values, values.x[i], result.dx[i]));
  for (std::size_t i = 0; i < c.w.size(); ++i)
    worst = worse(worst, worst_of_operand(c, m, values, values.w[i], result.dw[i]));
  return worst;
}

double accumulation_error(const GradientCase& c, const Machine& m) {
  const CaseResult once = run_case(c, m), twice = run_case(c, m, Parameters::trained, 2);
  double worst = 0.0;
  for (std::size_t i = 0; i < once.dw.size(); ++i) {
    std::vector<double> doubled = once.dw[i];
    for (double& value : doubled) value *= 2.0;
    worst = worse(worst, nmse(twice.dw[i], doubled));
  }
  return worst;
}

Batch documents(const std::vector<std::int32_t>& lengths) {
  Batch batch;
  std::int32_t row = 0;
  for (const std::int32_t length : lengths) {
    batch.sequences.push_back({.first_row = row, .rows = length, .past = 0, .pages = {}});
    for (std::int32_t position = 0; position < length; ++position) batch.positions.push_back(position);
    row += length;
  }
  batch.ids.assign(static_cast<std::size_t>(row), 0);
  return batch;
}

}  // namespace vauban::test
