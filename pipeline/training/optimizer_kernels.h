// Updates of parameters in one pass over memory, on the CPU.
#ifndef PIPELINE_TRAINING_OPTIMIZER_KERNELS_H_
#define PIPELINE_TRAINING_OPTIMIZER_KERNELS_H_

#include <cstdint>

namespace pipeline {

// The numbers of one update; the same for every element.
struct UpdateRule {
  float gradient_factor;  // clipping
  float penalty;          // added to the gradient: penalty * parameter
  float shrink;           // the parameter is first multiplied by this
  float rate;             // learning rate; for Adam divided by its first bias correction
  float second_scale;     // Adam: 1 / sqrt of its second bias correction
};

// Adam on `n` elements: p, m (mean of gradients), v (mean of squares) are updated from g.
void UpdateAdam(const UpdateRule& rule, int64_t n, const float* g, float* p, float* m, float* v);

// Nesterov momentum; `first` is whether the momentum starts here, as the gradient itself.
void UpdateSgd(const UpdateRule& rule, bool first, int64_t n, const float* g, float* p, float* m);

// Sum of squares, in double.
double SumOfSquares(int64_t n, const float* g);

}  // namespace pipeline

#endif  // PIPELINE_TRAINING_OPTIMIZER_KERNELS_H_
