// Layers that see more than their own row, where several processes have a part of the batch each.
#ifndef MODELS_SHARED_BATCH_H_
#define MODELS_SHARED_BATCH_H_

#include <ATen/core/Tensor.h>
#include <torch/nn/modules/batchnorm.h>

#include "pipeline/processes.h"

namespace models {

// While it lives, layers in training on this thread take their input for this process's share of a
// batch (Processes::share).
class SharedBatch {
 public:
  // nullptr changes nothing. Without `sync_norms` batch norms see this process's part alone.
  explicit SharedBatch(const pipeline::Processes* processes, bool sync_norms = true);
  SharedBatch(const SharedBatch&) = delete;
  ~SharedBatch();
};

// Dropout in training. What is drawn is drawn for the whole batch, so that each row meets what it
// would meet in one process; LibTorch's own where there is one.
at::Tensor Dropout(const at::Tensor& x, double rate);

// Batch norm in training, by the statistics of the whole batch, as LibTorch computes them and keeps
// their averages: sums are added up over the processes once forward and once backward. LibTorch's
// own where there is one process, or norms are not in sync.
at::Tensor BatchNorm(torch::nn::BatchNorm2dImpl& norm, const at::Tensor& x);

}  // namespace models

#endif  // MODELS_SHARED_BATCH_H_
