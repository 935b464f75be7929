#include "train/optim/root_mean.h"

#include <cmath>

#include "train/optim/kernels.h"

namespace vauban {

namespace {

class Adagrad final : public Optimizer {
 public:
  Adagrad(const OptimizerConfig& config, ThreadPool& pool) : Optimizer(pool), config_(config) {}

  std::vector<StateSpec> state_layout(const ParameterSlot& parameter) const override {
    return {{"sum", parameter.shape, parameter.dtype}};
  }

 protected:
  void update(const Update& u) override {
    optim::with_type(u.parameter.dtype, [&]<class T>(T) {
      const T scale = T(u.grad_scale), l2 = T(u.parameter.decay ? *config_.weight_decay : 0);
      const T rate = T(u.lr / (1 + static_cast<double>(u.step - 1) * *config_.lr_decay)), epsilon = T(*config_.epsilon);
      T* __restrict p = optim::at<T>(u.parameter.value);
      const T* __restrict grad = optim::at<T>(u.parameter.grad);
      T* __restrict sum = u.state[0].template as<T>();
      optim::for_elements(pool(), u.parameter.shape.elements(), [&](std::size_t begin, std::size_t end) {
        for (std::size_t i = begin; i < end; ++i) {
          const T g = scale * grad[i] + l2 * p[i];
          sum[i] += g * g;
          p[i] -= rate * g / (std::sqrt(sum[i]) + epsilon);
        }
      });
    });
  }

 private:
  OptimizerConfig config_;
};

class RmsProp final : public Optimizer {
 public:
  RmsProp(const OptimizerConfig& config, ThreadPool& pool)
      : Optimizer(pool), config_(config), has_momentum_(*config.momentum > 0) {}

  std::vector<StateSpec> state_layout(const ParameterSlot& parameter) const override {
    std::vector<StateSpec> layout{{"square_avg", parameter.shape, parameter.dtype}};
    if (has_momentum_) layout.push_back({"momentum_buffer", parameter.shape, parameter.dtype});
    if (*config_.centered) layout.push_back({"grad_avg", parameter.shape, parameter.dtype});
    return layout;
  }

 protected:
  void update(const Update& u) override {
    optim::with_type(u.parameter.dtype, [&]<class T>(T) {
      optim::for_elements(pool(), u.parameter.shape.elements(),
                          [&](std::size_t begin, std::size_t end) { move<T>(u, begin, end); });
    });
  }

 private:
  template <class T>
  void move(const Update& u, std::size_t begin, std::size_t end) const {
    const T scale = T(u.grad_scale), l2 = T(u.parameter.decay ? *config_.weight_decay : 0), rate = T(u.lr);
    const T keep = T(*config_.smoothing), rest = T(1 - *config_.smoothing), epsilon = T(*config_.epsilon);
    const T momentum = T(*config_.momentum);
    T* p = optim::at<T>(u.parameter.value);
    const T* grad = optim::at<T>(u.parameter.grad);
    T* square = u.state[0].as<T>();
    T* buffer = has_momentum_ ? u.state[1].as<T>() : nullptr;
    T* mean = *config_.centered ? u.state.back().as<T>() : nullptr;
    for (std::size_t i = begin; i < end; ++i) {
      const T g = scale * grad[i] + l2 * p[i];
      square[i] = keep * square[i] + rest * g * g;
      if (mean != nullptr) mean[i] = keep * mean[i] + rest * g;
      const T variance = mean == nullptr ? square[i] : square[i] - mean[i] * mean[i];
      T move = g / (std::sqrt(variance) + epsilon);
      if (buffer != nullptr) move = buffer[i] = momentum * buffer[i] + move;
      p[i] -= rate * move;
    }
  }

  OptimizerConfig config_;
  bool has_momentum_;
};

}  // namespace

std::unique_ptr<Optimizer> make_adagrad(const OptimizerConfig& config, ThreadPool& pool) {
  return std::make_unique<Adagrad>(config, pool);
}
std::unique_ptr<Optimizer> make_rmsprop(const OptimizerConfig& config, ThreadPool& pool) {
  return std::make_unique<RmsProp>(config, pool);
}

}  // namespace vauban
