#include "train/optim/adam_variants.h"

#include <cmath>

#include "train/optim/kernels.h"

namespace vauban {

namespace {

/// Both variants move by  p -= (grad_rate g + mean_rate m) / (sqrt(v) root_scale + epsilon),  or by  mean_rate m alone.
template <class T>
struct Step {
  T grad_scale, l2, beta1, beta1_rest, beta2, beta2_rest;
  T grad_rate, mean_rate, root_scale, epsilon;
};

/// Updates the moments of one element and gives the gradient that was used.
template <class T>
inline T moments(const Step<T>& s, T raw, T p, T& m, T& v) {
  const T g = s.grad_scale * raw + s.l2 * p;
  m = s.beta1 * m + s.beta1_rest * g;
  v = s.beta2 * v + s.beta2_rest * g * g;
  return g;
}

template <class T>
void adaptive_loop(T* __restrict p, const T* __restrict grad, T* __restrict m, T* __restrict v, std::size_t n,
                   const Step<T> s) {
  for (std::size_t i = 0; i < n; ++i) {
    const T g = moments(s, grad[i], p[i], m[i], v[i]);
    p[i] -= (s.grad_rate * g + s.mean_rate * m[i]) / (std::sqrt(v[i]) * s.root_scale + s.epsilon);
  }
}

template <class T>
void plain_loop(T* __restrict p, const T* __restrict grad, T* __restrict m, T* __restrict v, std::size_t n,
                const Step<T> s) {
  for (std::size_t i = 0; i < n; ++i) {
    moments(s, grad[i], p[i], m[i], v[i]);
    p[i] -= s.mean_rate * m[i];
  }
}

class AdamVariant : public Optimizer {
 public:
  AdamVariant(const OptimizerConfig& config, ThreadPool& pool) : Optimizer(pool), config_(config) {}

  std::vector<StateSpec> state_layout(const ParameterSlot& parameter) const override {
    return {{"exp_avg", parameter.shape, parameter.dtype}, {"exp_avg_sq", parameter.shape, parameter.dtype}};
  }

 protected:
  struct Rates {
    double grad = 0, mean = 0, root_scale = 1;
    bool adaptive = true;
  };
  virtual Rates rates(std::int64_t step, double lr) = 0;

  void update(const Update& u) override {
    const Rates r = rates(u.step, u.lr);
    optim::with_type(u.parameter.dtype, [&]<class T>(T) {
      const Step<T> step = numbers<T>(u, r);
      T* p = optim::at<T>(u.parameter.value);
      const T* g = optim::at<T>(u.parameter.grad);
      T *m = u.state[0].template as<T>(), *v = u.state[1].template as<T>();
      optim::for_elements(pool(), u.parameter.shape.elements(), [&](std::size_t begin, std::size_t end) {
        const auto loop = r.adaptive ? adaptive_loop<T> : plain_loop<T>;
        loop(p + begin, g + begin, m + begin, v + begin, end - begin, step);
      });
    });
  }

  OptimizerConfig config_;

 private:
  template <class T>
  Step<T> numbers(const Update& u, const Rates& r) const {
    return {.grad_scale = T(u.grad_scale),
            .l2 = T(u.parameter.decay ? *config_.weight_decay : 0),
            .beta1 = T(*config_.beta1),
            .beta1_rest = T(1 - *config_.beta1),
            .beta2 = T(*config_.beta2),
            .beta2_rest = T(1 - *config_.beta2),
            .grad_rate = T(r.grad),
            .mean_rate = T(r.mean),
            .root_scale = T(r.root_scale),
            .epsilon = T(*config_.epsilon)};
  }
};

class NAdam final : public AdamVariant {
 public:
  using AdamVariant::AdamVariant;

 private:
  double mu(std::int64_t step) const {
    return *config_.beta1 * (1 - 0.5 * std::pow(0.96, static_cast<double>(step) * *config_.momentum_decay));
  }

  /// mu(1) ... mu(step), multiplied in that order so that a resumed run has the bits of an undisturbed one.
  double product(std::int64_t step) {
    if (step < product_step_) {
      product_ = 1;
      product_step_ = 0;
    }
    while (product_step_ < step) product_ *= mu(++product_step_);
    return product_;
  }

  Rates rates(std::int64_t step, double lr) override {
    const double next = mu(step + 1), so_far = product(step);
    return {.grad = lr * (1 - mu(step)) / (1 - so_far),
            .mean = lr * next / (1 - so_far * next),
            .root_scale = 1 / std::sqrt(1 - std::pow(*config_.beta2, static_cast<double>(step)))};
  }

  double product_ = 1;
  std::int64_t product_step_ = 0;
};

class RAdam final : public AdamVariant {
 public:
  using AdamVariant::AdamVariant;

 private:
  Rates rates(std::int64_t step, double lr) override {
    const double t = static_cast<double>(step), power = std::pow(*config_.beta2, t);
    const double rate = lr / (1 - std::pow(*config_.beta1, t));
    const double limit = 2 / (1 - *config_.beta2) - 1;
    const double length = limit - 2 * t * power / (1 - power);
    if (length <= 5) return {.mean = rate, .adaptive = false};  // the variance is not tractable yet
    const double rectified = std::sqrt((length - 4) * (length - 2) * limit / ((limit - 4) * (limit - 2) * length));
    return {.mean = rate * rectified * std::sqrt(1 - power)};
  }
};

}  // namespace

std::unique_ptr<Optimizer> make_nadam(const OptimizerConfig& config, ThreadPool& pool) {
  return std::make_unique<NAdam>(config, pool);
}
std::unique_ptr<Optimizer> make_radam(const OptimizerConfig& config, ThreadPool& pool) {
  return std::make_unique<RAdam>(config, pool);
}

}  // namespace vauban
