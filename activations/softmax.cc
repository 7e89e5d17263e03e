// Softmax over channels as a hidden activation.
#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>

#include "activations/activation.h"
#include "activations/softmax.pb.h"

namespace activations {

class Softmax : public Activation {
 public:
  explicit Softmax(const SoftmaxOptions&) {}

  at::Tensor operator()(at::Tensor x) override {
    // LibTorch's softmax forgets the memory format.
    return (x.softmax(1) * static_cast<double>(x.size(1))).contiguous(x.suggest_memory_format());
  }
  // Outputs of unit mean: the second moment of a unit-variance signal's C softmax is e (the mean of
  // exp(2x) over the squared mean of exp(x), x normal), so the gain is 1 / sqrt(e).
  double gain() const override { return 0.6065306597126334; }
  double infimum() const override { return 0; }
  // Losses take the softmax of the logits themselves.
  at::Tensor LogProbabilities(const at::Tensor& z) override { return z; }
  pipeline::Symbol Export(const pipeline::Symbol& x) override {
    return pipeline::Op("Softmax", {x}, {{"axis", int64_t{1}}}) * static_cast<double>(x.size(1));
  }
  pipeline::Symbol ExportLogProbabilities(const pipeline::Symbol& z) override { return z; }
};

REGISTER_PLUGIN(Activations, Softmax);

}  // namespace activations
