// GELU.
#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/gelu.h>

#include <cmath>

#include "activations/activation.h"
#include "activations/gelu.pb.h"

namespace activations {

class Gelu : public Activation {
 public:
  explicit Gelu(const GeluOptions& options)
      : approximate_(options.approximate() == GeluOptions::TANH ? "tanh" : "none") {}

  at::Tensor operator()(at::Tensor x) override {
    at::Tensor y = at::gelu(x, approximate_);
    // Where the values lie in rows, LibTorch 1.13 asks oneDNN for the derivative in bfloat16, and a
    // gradient that lies otherwise, as one from a convolution does, then gives garbage.
    if (y.requires_grad() && y.is_contiguous()) {
      y.register_hook([](const at::Tensor& gradient) { return gradient.contiguous(); });
    }
    return y;
  }
  // 1 / sqrt(E[f(x)^2]) for x of standard normal distribution, by quadrature.
  double gain() const override { return 1.5335304; }
  // At x = -0.7518.
  double infimum() const override { return approximate_ == "none" ? -0.16997121 : -0.17004075; }
  pipeline::Symbol Export(const pipeline::Symbol& x) override {
    if (approximate_ == "none") return x * 0.5 * (pipeline::Op("Erf", {x * M_SQRT1_2}) + 1);
    // sqrt(2 / pi) (x + 0.044715 x^3), as LibTorch has it.
    const pipeline::Symbol inner = x * ((x * x * 0.044715 + 1) * (M_2_SQRTPI * M_SQRT1_2));
    return x * 0.5 * (pipeline::Op("Tanh", {inner}) + 1);
  }

 private:
  const std::string approximate_;
};

REGISTER_PLUGIN(Activations, Gelu);

}  // namespace activations
