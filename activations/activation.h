// What an activation is: a function on tensors that keeps shape, type and memory format.
#ifndef ACTIVATIONS_ACTIVATION_H_
#define ACTIVATIONS_ACTIVATION_H_

#include <ATen/core/Tensor.h>

#include <limits>
#include <memory>

#include "pipeline/operator_graph.h"
#include "pipeline/registry.h"

namespace torch::nn {
class Module;
}

namespace activations {

class Piecewise;

class Activation {
 public:
  virtual ~Activation() = default;
  // The function on every element, or over dimension 1 (softmax). Differentiable. `x` is the
  // caller's temporary, which it will not read again: the function may be computed in place.
  virtual at::Tensor operator()(at::Tensor x) = 0;
  // By how much a linear layer before it must scale unit-variance weights so that the variance of
  // the signal is kept: He's sqrt(2) for ReLU.
  virtual double gain() const = 0;
  // A number that no value is below, the largest where it is known; -infinity where there is none.
  virtual double infimum() const { return -std::numeric_limits<double>::infinity(); }
  // Log-probabilities [N, C, ...] of scores z of the same shape, when the function takes softmax's
  // place at a model's output: p_c is proportional to g(z_c) - inf g + 1e-6. Needs an infimum.
  virtual at::Tensor LogProbabilities(const at::Tensor& z);
  // The function in ONNX's operators, with the parameters as they are now; refused unless written.
  virtual pipeline::Symbol Export(const pipeline::Symbol& x);
  virtual pipeline::Symbol ExportLogProbabilities(const pipeline::Symbol& z);
  // Parameters of its own; nullptr where there are none.
  virtual std::shared_ptr<torch::nn::Module> module() { return nullptr; }
  // The tables it is evaluated by; nullptr where LibTorch evaluates it.
  virtual const Piecewise* piecewise() const { return nullptr; }
};

using Activations = pipeline::Registry<Activation>;

}  // namespace activations

#endif  // ACTIVATIONS_ACTIVATION_H_
