#include "train/optim/adam.h"

#include <algorithm>
#include <cmath>

#include "train/optim/kernels.h"

namespace vauban {

namespace {

/// The numbers of one step, so that the loop has one square root, one division and no branch.
template <class T>
struct Step {
  T grad_scale, l2, keep;  // g = grad_scale g + l2 p;  p = keep p - ...
  T beta1, beta1_rest, beta2, beta2_rest;
  T rate, root_scale, epsilon;  // lr / (1 - beta1^t), 1 / sqrt(1 - beta2^t)
};

template <class T>
struct Arrays {
  T* __restrict p;
  const T* __restrict g;
  T* __restrict m;
  T* __restrict v;
  T* __restrict largest;  // of v; null without AMSGrad
};

template <class T>
void adam_loop(const Arrays<T>& a, std::size_t begin, std::size_t end, const Step<T> s) {
  T* __restrict p = a.p;
  const T* __restrict grad = a.g;
  T* __restrict m = a.m;
  T* __restrict v = a.v;
  for (std::size_t i = begin; i < end; ++i) {
    const T g = s.grad_scale * grad[i] + s.l2 * p[i];
    const T mean = s.beta1 * m[i] + s.beta1_rest * g;
    const T square = s.beta2 * v[i] + s.beta2_rest * g * g;
    m[i] = mean;
    v[i] = square;
    p[i] = s.keep * p[i] - s.rate * mean / (std::sqrt(square) * s.root_scale + s.epsilon);
  }
}

template <class T>
void amsgrad_loop(const Arrays<T>& a, std::size_t begin, std::size_t end, const Step<T> s) {
  T* __restrict p = a.p;
  const T* __restrict grad = a.g;
  T* __restrict m = a.m;
  T* __restrict v = a.v;
  T* __restrict largest = a.largest;
  for (std::size_t i = begin; i < end; ++i) {
    const T g = s.grad_scale * grad[i] + s.l2 * p[i];
    const T mean = s.beta1 * m[i] + s.beta1_rest * g;
    const T square = s.beta2 * v[i] + s.beta2_rest * g * g;
    const T bound = std::max(largest[i], square);
    m[i] = mean;
    v[i] = square;
    largest[i] = bound;
    p[i] = s.keep * p[i] - s.rate * mean / (std::sqrt(bound) * s.root_scale + s.epsilon);
  }
}

class Adam final : public Optimizer {
 public:
  Adam(const OptimizerConfig& config, ThreadPool& pool, bool decoupled)
      : Optimizer(pool), config_(config), decoupled_(decoupled) {}

  std::vector<StateSpec> state_layout(const ParameterSlot& parameter) const override {
    std::vector<StateSpec> layout{{"exp_avg", parameter.shape, parameter.dtype},
                                  {"exp_avg_sq", parameter.shape, parameter.dtype}};
    if (*config_.amsgrad) layout.push_back({"max_exp_avg_sq", parameter.shape, parameter.dtype});
    return layout;
  }

 protected:
  void update(const Update& u) override {
    optim::with_type(u.parameter.dtype, [&]<class T>(T) {
      const Step<T> step = numbers<T>(u);
      const Arrays<T> arrays{.p = optim::at<T>(u.parameter.value),
                             .g = optim::at<T>(u.parameter.grad),
                             .m = u.state[0].template as<T>(),
                             .v = u.state[1].template as<T>(),
                             .largest = *config_.amsgrad ? u.state[2].template as<T>() : nullptr};
      optim::for_elements(pool(), u.parameter.shape.elements(), [&](std::size_t begin, std::size_t end) {
        arrays.largest != nullptr ? amsgrad_loop(arrays, begin, end, step) : adam_loop(arrays, begin, end, step);
      });
    });
  }

 private:
  template <class T>
  Step<T> numbers(const Update& u) const {
    const double beta1 = *config_.beta1, beta2 = *config_.beta2, t = static_cast<double>(u.step);
    const double decay = u.parameter.decay ? *config_.weight_decay : 0;
    return {.grad_scale = T(u.grad_scale),
            .l2 = T(decoupled_ ? 0 : decay),
            .keep = T(decoupled_ ? 1 - u.lr * decay : 1),
            .beta1 = T(beta1),
            .beta1_rest = T(1 - beta1),
            .beta2 = T(beta2),
            .beta2_rest = T(1 - beta2),
            .rate = T(u.lr / (1 - std::pow(beta1, t))),
            .root_scale = T(1 / std::sqrt(1 - std::pow(beta2, t))),
            .epsilon = T(*config_.epsilon)};
  }

  OptimizerConfig config_;
  bool decoupled_;
};

}  // namespace

std::unique_ptr<Optimizer> make_adamw(const OptimizerConfig& config, ThreadPool& pool) {
  return std::make_unique<Adam>(config, pool, true);
}
std::unique_ptr<Optimizer> make_adam(const OptimizerConfig& config, ThreadPool& pool) {
  return std::make_unique<Adam>(config, pool, false);
}

}  // namespace vauban
