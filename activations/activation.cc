// An activation at a model's output.
#include "activations/activation.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/full.h>

namespace activations {
namespace {

constexpr double kLeast = 1e-6;  // keeps log p finite where g is at its infimum

}  // namespace

at::Tensor Activation::LogProbabilities(const at::Tensor& z) {
  const at::Tensor g = (*this)(z.clone());
  const at::Tensor mass = (g - infimum()).clamp_min(0) + kLeast;
  return mass.log() - mass.sum(1, /*keepdim=*/true).log();
}

pipeline::Symbol Activation::Export(const pipeline::Symbol& x) {
  x.graph->Refuse("has no form in ONNX's operators");
  return x;
}

pipeline::Symbol Activation::ExportLogProbabilities(const pipeline::Symbol& z) {
  const pipeline::Symbol mass = pipeline::Op("Relu", {Export(z) - infimum()}) + kLeast;
  const pipeline::Symbol channels = z.graph->Constant(at::full({1}, 1, at::kLong));
  return pipeline::Op("Log", {mass}) -
         pipeline::Op("Log", {pipeline::Op("ReduceSum", {mass, channels})});
}

}  // namespace activations
