/// What the gradient contract tests share: the list of backends that train, one case per operation and shape, and the
/// checkers. A checker returns a number, so that a test of the checker can ask that it is too large.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "contract/ops_bench.h"
#include "ops/gradients.h"

namespace vauban::test {

/// One way to train, and how far from the reference it may be (NMSE): 0 for the reference itself.
struct Trainer {
  std::string name;
  std::function<Result<std::unique_ptr<Ops>>(const Context&)> make;
  double bound;
};
/// To add one: a line here.
std::vector<Trainer> all_trainers();
Trainer reference_trainer();
inline void PrintTo(const Trainer& trainer, std::ostream* out) { *out << trainer.name; }

/// A context with its own pool, and one training backend on it.
class TrainingBench : TestContext {
 public:
  explicit TrainingBench(const Trainer& trainer, int threads = 1);
  Ops& ops() { return *ops_; }
  Gradients& gradients() { return *ops_->gradients(); }

 private:
  std::unique_ptr<Ops> ops_;
};

/// Where a case runs. The gradients may be a wrapper around those of the ops (planted faults).
struct Machine {
  Ops& ops;
  Gradients& gradients;
};
inline Machine machine(TrainingBench& bench) { return {bench.ops(), bench.gradients()}; }

using Arrays = std::vector<std::vector<double>>;
using Tensors = std::vector<Tensor>;

struct Operands {
  Tensors x;
  std::vector<Weight> w;
};

/// One operation at one shape: y = f(x; w), and what the backend says of its derivative.
struct GradientCase {
  std::string name;  ///< letters and digits
  std::vector<Shape> x, w;
  std::function<Tensor(const Machine&, const Operands&)> forward;
  /// Returns the gradients by x, and adds those by w to dw (null where frozen). `y` is what forward returned.
  std::function<Tensors(const Machine&, const Operands&, const Tensor& y, const Tensor& dy,
                        const std::vector<Tensor*>& dw)>
      backward;
  double kink = 0.0;     ///< keeps inputs this far from +-kink_at, where the function has no derivative
  double kink_at = 0.0;
};
std::vector<GradientCase> all_gradient_cases();
/// Products large enough that a backend may rearrange their operands, in sizes that are whole in no block of it. Too many
/// numbers for finite differences.
std::vector<GradientCase> large_gradient_cases();
/// The case of that name; the test fails when there is none.
GradientCase gradient_case(const std::string& name);
inline void PrintTo(const GradientCase& c, std::ostream* out) { *out << c.name; }

/// Operand values of a case: seeded, so every backend starts from the same numbers.
struct CaseValues {
  Arrays x, w;
};
CaseValues values_of(const GradientCase& c);

/// A parameter of the backend that holds `values`, handed over in f64 to the reference and in f32 to others.
Weight parameter(const Machine& m, const Shape& shape, const std::vector<double>& values);

struct CaseResult {
  std::vector<double> y;
  Arrays dx, dw;
  std::string bits;  ///< of all of them
};
enum class Parameters { trained, frozen };
/// Runs forward and backward once, the backward `passes` times on the same dw; dy is seeded.
CaseResult run_case(const GradientCase& c, const Machine& m, Parameters parameters = Parameters::trained,
                    int passes = 1);

/// The largest |central difference - <gradient, v>| over the gradient's length, over every operand and three random
/// directions v each. The differences are of fourth order with step 1e-3: truncation and rounding both stay near 1e-11.
double worst_finite_difference(const GradientCase& c, const Machine& m);
/// NMSE of what two backward passes accumulate against twice one pass.
double accumulation_error(const GradientCase& c, const Machine& m);

/// Documents of these lengths, one behind the other, without pages.
Batch documents(const std::vector<std::int32_t>& lengths);

}  // namespace vauban::test
