// Losses that are means over pixels on a GPU: all of a fusion and their gradient in one pass, by a
// kernel that is made for the fusion.
#ifndef LOSSES_PIXEL_GPU_H_
#define LOSSES_PIXEL_GPU_H_

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <vector>

#include "losses/block.h"

namespace losses {

struct PixelTerm {
  const PixelLoss* loss = nullptr;
  double weight = 1;
};

// The source of the kernels (pixel_kernel.cu, completed), and the parameters that they take at an
// epoch.
struct PixelProgram {
  std::string source;
  std::vector<float> parameters;
};
// Parameters have room for so many floats.
constexpr size_t kMostPixelParameters = 900;
// `for_gpu`: with what CUDA lacks; else for kernels/gpu_on_cpu.h. Empty where a term has no form
// for GPUs, or where there are too many classes or parameters.
PixelProgram PixelSource(const std::vector<PixelTerm>& terms, int64_t classes, int64_t epoch,
                         bool for_gpu = true);

struct FusedPixels {
  at::Tensor total;    // float32 scalar, differentiable; undefined where no kernel can be made
  at::Tensor account;  // float64 [2, terms]: sums and amounts
};

// logits: float32 [N, C] or [N, C, H, W] on a GPU; labels: int64; weight: float32 of the labels'
// shape, or undefined. The GPU is not waited for.
FusedPixels FuseOnGpu(const at::Tensor& logits, const at::Tensor& labels, const at::Tensor& weight,
                      int64_t epoch, const std::vector<PixelTerm>& terms);

}  // namespace losses

#endif  // LOSSES_PIXEL_GPU_H_
