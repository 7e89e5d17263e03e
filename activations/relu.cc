// The rectifier.
#include <ATen/core/Tensor.h>

#include <cmath>

#include "activations/activation.h"
#include "activations/relu.pb.h"

namespace activations {

class Relu : public Activation {
 public:
  explicit Relu(const ReluOptions&) {}

  at::Tensor operator()(at::Tensor x) override { return x.relu_(); }
  // Half the variance is cut off (He et al. 2015).
  double gain() const override { return std::sqrt(2.0); }
  double infimum() const override { return 0; }
  pipeline::Symbol Export(const pipeline::Symbol& x) override { return pipeline::Op("Relu", {x}); }
};

REGISTER_PLUGIN(Activations, Relu);

}  // namespace activations
