// An activation at a model's output.
#include "activations/activation.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>

namespace activations {

at::Tensor Activation::LogProbabilities(const at::Tensor& z) {
  constexpr double kLeast = 1e-6;  // keeps log p finite where g is at its infimum
  const at::Tensor g = (*this)(z.clone());
  const at::Tensor mass = (g - infimum()).clamp_min(0) + kLeast;
  return mass.log() - mass.sum(1, /*keepdim=*/true).log();
}

}  // namespace activations
