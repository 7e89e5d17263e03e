// Layers in ONNX's operators.
#ifndef MODELS_WRITTEN_LAYERS_H_
#define MODELS_WRITTEN_LAYERS_H_

#include <ATen/core/Tensor.h>
#include <torch/nn/modules/batchnorm.h>
#include <torch/nn/modules/conv.h>
#include <torch/nn/modules/linear.h>

#include "pipeline/operator_graph.h"

namespace models {

pipeline::Symbol WriteConvolution(const torch::nn::Conv2dImpl& layer, const pipeline::Symbol& x);
// As at inference, by the statistics that it has.
pipeline::Symbol WriteBatchNorm(const torch::nn::BatchNorm2dImpl& layer, const pipeline::Symbol& x);
pipeline::Symbol WriteLinear(const torch::nn::LinearImpl& layer, const pipeline::Symbol& x);
// Of 2x2 with stride 2; weight [in, out, 2, 2], bias [out].
pipeline::Symbol WriteUpConvolution(const at::Tensor& weight, const at::Tensor& bias,
                                    const pipeline::Symbol& x);

// [to, from]: by how much each of `from` pixels counts for each of `to`, where a row of pixels is
// enlarged.
at::Tensor InterpolationMatrix(int64_t from, int64_t to, const at::TensorOptions& options);

}  // namespace models

#endif  // MODELS_WRITTEN_LAYERS_H_
