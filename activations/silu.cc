// SiLU.
#include <ATen/core/Tensor.h>
#include <ATen/ops/silu.h>

#include "activations/activation.h"
#include "activations/silu.pb.h"

namespace activations {

class Silu : public Activation {
 public:
  explicit Silu(const SiluOptions&) {}

  at::Tensor operator()(at::Tensor x) override { return at::silu(x); }
  // 1 / sqrt(E[f(x)^2]) for x of standard normal distribution, by quadrature.
  double gain() const override { return 1.6765325; }
  // At x = -1.2785.
  double infimum() const override { return -0.27846455; }
  pipeline::Symbol Export(const pipeline::Symbol& x) override {
    return x * pipeline::Op("Sigmoid", {x});
  }
};

REGISTER_PLUGIN(Activations, Silu);

}  // namespace activations
