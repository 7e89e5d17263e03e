// The convolution that nearly all of a model's time goes by in.
#ifndef MODELS_CONVOLUTION_H_
#define MODELS_CONVOLUTION_H_

#include <ATen/core/Tensor.h>

namespace models {

// [N, in, H, W] to [N, out, H, W] by `weight` [out, in, K, K], K odd, with zeros around the images,
// plus `bias` [out]. Of float32 on a CPU, with K = 3, maps of 64 pixels and more, and channels that
// kernels/winograd.h takes, by that; LibTorch's own else, and under autocast.
at::Tensor Convolve(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias);

}  // namespace models

#endif  // MODELS_CONVOLUTION_H_
