// What an activation is: a function on tensors that keeps shape, type and memory format.
#ifndef ACTIVATIONS_ACTIVATION_H_
#define ACTIVATIONS_ACTIVATION_H_

#include <ATen/core/Tensor.h>

#include <memory>

#include "pipeline/registry.h"

namespace torch::nn {
class Module;
}

namespace activations {

class Activation {
 public:
  virtual ~Activation() = default;
  // The function on every element, or over dimension 1 (softmax). Differentiable. `x` is the
  // caller's temporary, which it will not read again: the function may be computed in place.
  virtual at::Tensor operator()(at::Tensor x) = 0;
  // By how much a linear layer before it must scale unit-variance weights so that the variance of
  // the signal is kept: He's sqrt(2) for ReLU.
  virtual double gain() const = 0;
  // Parameters of its own; nullptr where there are none.
  virtual std::shared_ptr<torch::nn::Module> module() { return nullptr; }
};

using Activations = pipeline::Registry<Activation>;

}  // namespace activations

#endif  // ACTIVATIONS_ACTIVATION_H_
