// ELU.
#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/elu.h>

#include <cmath>

#include "activations/activation.h"
#include "activations/elu.pb.h"

namespace activations {

class Elu : public Activation {
 public:
  explicit Elu(const EluOptions& options) : alpha_(options.alpha()) {}

  at::Tensor operator()(at::Tensor x) override { return at::elu(x, alpha_); }
  // 1 / sqrt(E[f(x)^2]) for x of standard normal distribution: a half from x >= 0; below,
  // E[(e^x - 1)^2; x < 0] = e^2 Q(2) - 2 sqrt(e) Q(1) + 1/2, Q being the upper tail.
  double gain() const override {
    const auto tail = [](double x) { return std::erfc(x / std::sqrt(2.0)) / 2; };
    const double below = std::exp(2) * tail(2) - 2 * std::exp(0.5) * tail(1) + 0.5;
    return 1 / std::sqrt(0.5 + alpha_ * alpha_ * below);
  }
  double infimum() const override { return -alpha_; }
  pipeline::Symbol Export(const pipeline::Symbol& x) override {
    return pipeline::Op("Elu", {x}, {{"alpha", alpha_}});
  }

 private:
  const double alpha_;
};

REGISTER_PLUGIN(Activations, Elu);

}  // namespace activations
