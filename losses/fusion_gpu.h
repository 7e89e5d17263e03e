// Fused losses on a GPU: all of a fusion and their gradient together, by kernels that are made for
// the fusion.
#ifndef LOSSES_FUSION_GPU_H_
#define LOSSES_FUSION_GPU_H_

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "kernels/gpu_check.h"
#include "kernels/gpu_program.h"
#include "losses/block.h"
#include "pipeline/processes.h"

namespace losses {

// One of both forms is set.
struct GpuTerm {
  const PixelLoss* pixel = nullptr;
  const RatioLoss* ratio = nullptr;
  double weight = 1;
  // The loss's statements for GPUs; empty where it has none.
  std::string Form() const { return pixel != nullptr ? pixel->gpu_form() : ratio->gpu_form(); }
};

// The source of the kernels (fusion_kernel.cu, completed), and the parameters that they take at an
// epoch.
struct GpuSource {
  std::string source;
  std::vector<float> parameters;
  bool has_ratios = false;
};
// Parameters have room for so many floats.
constexpr size_t kMostGpuParameters = 900;
// `for_gpu`: with what CUDA lacks; else for kernels/gpu_on_cpu.h. Empty where a term has no form
// for GPUs, or where there are too many classes or parameters.
GpuSource MakeGpuSource(const std::vector<GpuTerm>& terms, int64_t classes, int64_t epoch,
                        bool for_gpu = true);

struct FusedOnGpu {
  at::Tensor total;    // float32 scalar, differentiable; undefined where no kernel can be made
  at::Tensor account;  // float64 [2, terms]: sums and amounts
};

// logits: float32 [N, C] or [N, C, H, W] on a GPU; labels: int64; weight: float32 of the labels'
// shape, or undefined. The GPU is not waited for, but once: where there are `operators`, the
// kernels are compared with them before their first use on a card for a layout of logits
// (kernels/gpu_check.h); those that differ are not used. With `processes` the batch is that of all
// of them, as in block_fusion.h; kernels that one of them does not use, none does.
//
// `operators` give the fusion of one term alone, with weight 1.
using Operators = std::function<FusedOnGpu(const at::Tensor& logits, const at::Tensor& labels,
                                           const at::Tensor& weight, size_t term)>;
FusedOnGpu FuseOnGpu(const at::Tensor& logits, const at::Tensor& labels, const at::Tensor& weight,
                     int64_t epoch, const std::vector<GpuTerm>& terms,
                     const Operators* operators = nullptr,
                     const pipeline::Processes* processes = nullptr);

// What runs the kernels of a source: a card, or a test on the processor.
class KernelRunner {
 public:
  virtual ~KernelRunner() = default;
  // As GpuProgram has them.
  virtual bool Launch(const std::string& kernel, const kernels::GpuProgram::Shape& shape,
                      void** arguments) = 0;
  virtual uint32_t Blocks(int64_t count, int64_t each) const = 0;
};

// The kernels' calls of FuseOnGpu, for logits that are dense and weights in place.
FusedOnGpu RunKernels(KernelRunner* runner, const at::Tensor& logits, const at::Tensor& labels,
                      const at::Tensor& weight, const GpuSource& program, int64_t terms,
                      const pipeline::Processes* processes);

// What they are compared on, in memory: logits from 0 to hundreds apart, some labels that do not
// count, classes that weigh differently.
struct CheckedBatch {
  at::Tensor logits, labels, weight;
};
// Of the layout of `like`.
CheckedBatch BatchToCheck(const at::Tensor& like);

// What a kernel's total, account [2] and gradient for term `k` may differ by, from operators'.
std::vector<kernels::Expected> ExpectedOf(const FusedOnGpu& fused, const at::Tensor& logits,
                                          size_t k);

}  // namespace losses

#endif  // LOSSES_FUSION_GPU_H_
