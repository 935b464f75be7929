#include "train/optim/lion.h"

#include "train/optim/kernels.h"

namespace vauban {

namespace {

template <class T>
T sign(T value) {
  return static_cast<T>(value > 0) - static_cast<T>(value < 0);
}

class Lion final : public Optimizer {
 public:
  Lion(const OptimizerConfig& config, ThreadPool& pool) : Optimizer(pool), config_(config) {}

  std::vector<StateSpec> state_layout(const ParameterSlot& parameter) const override {
    return {{"exp_avg", parameter.shape, parameter.dtype}};
  }

 protected:
  void update(const Update& u) override {
    optim::with_type(u.parameter.dtype, [&]<class T>(T) {
      const T scale = T(u.grad_scale), rate = T(u.lr);
      const T keep = T(1 - u.lr * (u.parameter.decay ? *config_.weight_decay : 0));
      const T beta1 = T(*config_.beta1), beta1_rest = T(1 - *config_.beta1);
      const T beta2 = T(*config_.beta2), beta2_rest = T(1 - *config_.beta2);
      T* __restrict p = optim::at<T>(u.parameter.value);
      const T* __restrict grad = optim::at<T>(u.parameter.grad);
      T* __restrict m = u.state[0].template as<T>();
      optim::for_elements(pool(), u.parameter.shape.elements(), [&](std::size_t begin, std::size_t end) {
        for (std::size_t i = begin; i < end; ++i) {
          const T g = scale * grad[i];
          p[i] = keep * p[i] - rate * sign(beta1 * m[i] + beta1_rest * g);
          m[i] = beta2 * m[i] + beta2_rest * g;
        }
      });
    });
  }

 private:
  OptimizerConfig config_;
};

}  // namespace

std::unique_ptr<Optimizer> make_lion(const OptimizerConfig& config, ThreadPool& pool) {
  return std::make_unique<Lion>(config, pool);
}

}  // namespace vauban
