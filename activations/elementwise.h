// Activations that are one function of every element: one pass over memory forwards, one backwards.
#ifndef ACTIVATIONS_ELEMENTWISE_H_
#define ACTIVATIONS_ELEMENTWISE_H_

#include <ATen/core/Tensor.h>

#include <memory>

#include "activations/activation.h"
#include "activations/piecewise.h"
#include "activations/piecewise_export.h"

namespace activations {

// f of every element; shape, type and memory format are kept. float32, bfloat16 and float16 by the
// tables, float64 by the exact function. Saves x for backward, and nothing else. Differentiable
// twice; a third derivative is refused.
at::Tensor Apply(const std::shared_ptr<const Piecewise>& f, const at::Tensor& x);

// The same, where f depends on a `parameter` [1] by which its derivative is `by_parameter`, a
// function of x as well. Differentiable once, in both.
at::Tensor Apply(const std::shared_ptr<const Piecewise>& f,
                 const std::shared_ptr<const Piecewise>& by_parameter, const at::Tensor& x,
                 const at::Tensor& parameter);

// f of every element of a float32 tensor, or its slope, by LibTorch's operators: the form for GPUs.
at::Tensor EvaluateByOperators(const Piecewise& f, const at::Tensor& x, bool slope);

// Whether elements such as x, on a GPU, are mapped by kernels of our own (piecewise_gpu.h).
bool MapsByKernels(const Piecewise& f, const at::Tensor& x);

// 1 / sqrt(E[f(x)^2]) for x of standard normal distribution.
double GainOf(const Piecewise& f);

// An activation without parameters, from its function.
class Elementwise : public Activation {
 public:
  at::Tensor operator()(at::Tensor x) override { return Apply(f_, x); }
  double gain() const override { return GainOf(*f_); }
  double infimum() const override { return infimum_; }
  const Piecewise* piecewise() const override { return f_.get(); }
  pipeline::Symbol Export(const pipeline::Symbol& x) override {
    return activations::Export(*f_, x);
  }

 protected:
  Elementwise(std::shared_ptr<const Piecewise> f, double infimum)
      : f_(std::move(f)), infimum_(infimum) {}

 private:
  const std::shared_ptr<const Piecewise> f_;
  const double infimum_;
};

}  // namespace activations

#endif  // ACTIVATIONS_ELEMENTWISE_H_
