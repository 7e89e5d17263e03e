// Losses in block form, computed together. See block.h for what a loss gives.
#ifndef LOSSES_BLOCK_FUSION_H_
#define LOSSES_BLOCK_FUSION_H_

#include <ATen/core/Tensor.h>

#include <vector>

#include "losses/block.h"
#include "pipeline/processes.h"

namespace losses {

// One of both forms is set.
struct BlockTerm {
  const PixelLoss* pixel = nullptr;
  const RatioLoss* ratio = nullptr;
  double weight = 1;
};

struct BlockResult {
  at::Tensor gradient;  // of the logits' shape and layout, if it was asked for
  std::vector<double> sums, amounts;
};

// logits: float32 on the processor, [N, C] or [N, C, H, W]; contiguous or channels-last are read in
// place. labels: int64, contiguous, negative where ignored. weight: float32, contiguous, or
// undefined (all 1; then no label may be ignored). Sums are of floats within blocks of a fixed size
// and of doubles across, in order: the number of threads changes nothing. With `processes` the
// batch is that of all of them: sums, amounts and the gradient's denominators are its, the gradient
// is of the own rows.
BlockResult FuseBlocks(const at::Tensor& logits, const at::Tensor& labels, const at::Tensor& weight,
                       int64_t epoch, const std::vector<BlockTerm>& terms, bool with_gradient,
                       const pipeline::Processes* processes = nullptr);

}  // namespace losses

#endif  // LOSSES_BLOCK_FUSION_H_
