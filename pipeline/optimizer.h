// The optimizers of `train` and the learning rate over time.
#ifndef PIPELINE_OPTIMIZER_H_
#define PIPELINE_OPTIMIZER_H_

#include <ATen/core/Tensor.h>

#include <memory>
#include <vector>

#include "pipeline/pipeline.pb.h"

namespace torch::optim {
class Optimizer;
}

namespace pipeline {

class Optimizer {
 public:
  Optimizer(const Train& options, std::vector<at::Tensor> parameters);
  ~Optimizer();

  void ZeroGradients();
  // Clips the gradients if options say so, then updates the parameters.
  void Step(double learning_rate);

 private:
  const Train options_;
  const std::vector<at::Tensor> parameters_;
  std::unique_ptr<torch::optim::Optimizer> optimizer_;
};

// The learning rate at `step` of `steps` in `epoch`, without PLATEAU's part: warm-up, then the
// schedule. A pure function, so a resumed run continues on the same curve.
double LearningRate(const Train& options, int64_t epoch, int64_t step, int64_t steps);

// PLATEAU's factor after the VAL monitors of the epochs so far.
double PlateauFactor(const std::vector<double>& monitors);

}  // namespace pipeline

#endif  // PIPELINE_OPTIMIZER_H_
