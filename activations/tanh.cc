// The hyperbolic tangent.
#include <ATen/core/Tensor.h>

#include "activations/activation.h"
#include "activations/tanh.pb.h"

namespace activations {

class Tanh : public Activation {
 public:
  explicit Tanh(const TanhOptions&) {}

  at::Tensor operator()(at::Tensor x) override { return x.tanh_(); }
  // 1 / sqrt(E[f(x)^2]) for x of standard normal distribution, by quadrature.
  double gain() const override { return 1.5925374; }
  double infimum() const override { return -1; }
  pipeline::Symbol Export(const pipeline::Symbol& x) override { return pipeline::Op("Tanh", {x}); }
};

REGISTER_PLUGIN(Activations, Tanh);

}  // namespace activations
