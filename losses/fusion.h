// Weighted sums of losses over one batch, with gradients: losses that offer a block form are
// computed together, block by block, as one autograd node; the others through LibTorch's operators.
#ifndef LOSSES_FUSION_H_
#define LOSSES_FUSION_H_

#include <vector>

#include "absl/status/status.h"
#include "losses/loss.h"
#include "pipeline/processes.h"

namespace losses {

// A loss and its factor in the sum.
struct Term {
  Loss* loss = nullptr;
  double weight = 1;
};

// What the labels of a batch weigh: 0 where ignored, else the class's weight (1 without
// `class_weights`). `weight` is undefined where every label weighs 1. A label outside [0, classes)
// that is not pipeline::kIgnoredLabel is an error. On a GPU, which is not waited for, `weight` is
// always defined, and NaN for such a label, so that the loss is.
absl::Status WeighLabels(const at::Tensor& labels, int64_t classes,
                         const std::vector<double>& class_weights, at::Tensor* weight);

struct FusedValue {
  at::Tensor total;  // scalar: sum of weight * mean, differentiable
  // float64 [2, terms], where the logits are (a GPU is not waited for): each term's sum, weighted
  // as by LossValue, and the weights' sum; mean = sum / amount, 0 where amount is 0.
  at::Tensor account;
};

// logits: [N, C] or [N, C, H, W]. labels: int64 [N] or [N, H, W], checked by WeighLabels. weight:
// of the labels' shape and the logits' (widened) type, or undefined.
//
// The block form needs float32 (or half precision, which is widened) on the processor; its value
// does not depend on the number of threads. A GPU has its own (fusion_gpu.h). They have no second
// derivative and say so. With `use_blocks` false every loss takes its tensor form.
//
// With `processes` the batch is that of all of them, and they call this together: total and account
// are the batch's, the same to the bit on all; the total's gradient is that of the own rows, so
// that gradients of parameters are to be added up over the processes.
FusedValue Fuse(const pipeline::Step& step, const at::Tensor& logits, const at::Tensor& labels,
                const at::Tensor& weight, const std::vector<Term>& terms, bool use_blocks = true,
                const pipeline::Processes* processes = nullptr);

// The sum's gradient with respect to the logits, of their shape. Terms may weigh 0: a GPU's kernel
// is made for all of a fusion, and serves for each of them.
at::Tensor Gradient(const pipeline::Step& step, const at::Tensor& logits, const at::Tensor& labels,
                    const at::Tensor& weight, const std::vector<Term>& terms,
                    const pipeline::Processes* processes = nullptr);

}  // namespace losses

#endif  // LOSSES_FUSION_H_
