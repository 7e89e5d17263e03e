// Gradients on their way to the other processes while backward makes more of them.
#ifndef PIPELINE_PARALLEL_BUCKETS_H_
#define PIPELINE_PARALLEL_BUCKETS_H_

#include <ATen/core/Tensor.h>

#include <functional>
#include <memory>
#include <vector>

#include "pipeline/processes.h"

namespace pipeline {

// Begins to add a tensor up over the processes, in place; what it returns waits for the end.
using StartSum = std::function<std::function<void()>(const at::Tensor& tensor)>;

// Buckets of gradients are made once, from the last parameter to the first, and sent in that order
// whatever comes first: sums have one order, so that a run that goes on ends as one that was never
// cut. (c10d's Reducer deals gradients to buckets anew after its first step.) Afterwards gradients
// lie in the buckets.
std::unique_ptr<GradientSum> SumInBuckets(std::vector<at::Tensor> parameters, StartSum start);

}  // namespace pipeline

#endif  // PIPELINE_PARALLEL_BUCKETS_H_
