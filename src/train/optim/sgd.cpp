#include "train/optim/sgd.h"

#include "train/optim/kernels.h"

namespace vauban {

namespace {

template <class T>
struct Step {
  T grad_scale, l2, rate;
  T momentum, grad_weight;   // buffer = momentum buffer + grad_weight g
  T from_grad, from_buffer;  // p -= rate (from_grad g + from_buffer buffer)
};

template <class T>
void plain_loop(T* __restrict p, const T* __restrict grad, std::size_t n, const Step<T> s) {
  for (std::size_t i = 0; i < n; ++i) p[i] -= s.rate * (s.grad_scale * grad[i] + s.l2 * p[i]);
}

template <class T>
void momentum_loop(T* __restrict p, const T* __restrict grad, T* __restrict buffer, std::size_t n, const Step<T> s) {
  for (std::size_t i = 0; i < n; ++i) {
    const T g = s.grad_scale * grad[i] + s.l2 * p[i];
    buffer[i] = s.momentum * buffer[i] + s.grad_weight * g;
    p[i] -= s.rate * (s.from_grad * g + s.from_buffer * buffer[i]);
  }
}

class Sgd final : public Optimizer {
 public:
  Sgd(const OptimizerConfig& config, ThreadPool& pool) : Optimizer(pool), config_(config) {}

  std::vector<StateSpec> state_layout(const ParameterSlot& parameter) const override {
    if (*config_.momentum == 0) return {};
    return {{"momentum_buffer", parameter.shape, parameter.dtype}};
  }

 protected:
  void update(const Update& u) override {
    optim::with_type(u.parameter.dtype, [&]<class T>(T) {
      const Step<T> step = numbers<T>(u);
      T* p = optim::at<T>(u.parameter.value);
      const T* g = optim::at<T>(u.parameter.grad);
      T* buffer = u.state.empty() ? nullptr : u.state[0].template as<T>();
      optim::for_elements(pool(), u.parameter.shape.elements(), [&](std::size_t begin, std::size_t end) {
        if (buffer == nullptr) return plain_loop(p + begin, g + begin, end - begin, step);
        momentum_loop(p + begin, g + begin, buffer + begin, end - begin, step);
      });
    });
  }

 private:
  template <class T>
  Step<T> numbers(const Update& u) const {
    const bool first = u.step == 1;  // the buffer starts as the gradient itself, undampened
    return {.grad_scale = T(u.grad_scale),
            .l2 = T(u.parameter.decay ? *config_.weight_decay : 0),
            .rate = T(u.lr),
            .momentum = T(*config_.momentum),
            .grad_weight = T(first ? 1 : 1 - *config_.dampening),
            .from_grad = T(*config_.nesterov ? 1 : 0),
            .from_buffer = T(*config_.nesterov ? *config_.momentum : 1)};
  }

  OptimizerConfig config_;
};

}  // namespace

std::unique_ptr<Optimizer> make_sgd(const OptimizerConfig& config, ThreadPool& pool) {
  return std::make_unique<Sgd>(config, pool);
}

}  // namespace vauban
