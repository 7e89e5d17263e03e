// GELU.
#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/gelu.h>

#include "activations/activation.h"
#include "activations/gelu.pb.h"

namespace activations {

class Gelu : public Activation {
 public:
  explicit Gelu(const GeluOptions& options)
      : approximate_(options.approximate() == GeluOptions::TANH ? "tanh" : "none") {}

  at::Tensor operator()(at::Tensor x) override { return at::gelu(x, approximate_); }
  // 1 / sqrt(E[f(x)^2]) for x of standard normal distribution, by quadrature.
  double gain() const override { return 1.5335304; }
  // At x = -0.7518.
  double infimum() const override { return approximate_ == "none" ? -0.16997121 : -0.17004075; }

 private:
  const std::string approximate_;
};

REGISTER_PLUGIN(Activations, Gelu);

}  // namespace activations
