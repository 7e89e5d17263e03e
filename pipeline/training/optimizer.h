// The optimizers of `train` and the learning rate over time.
#ifndef PIPELINE_TRAINING_OPTIMIZER_H_
#define PIPELINE_TRAINING_OPTIMIZER_H_

#include <ATen/core/Tensor.h>

#include <vector>

#include "absl/status/status.h"
#include "pipeline/pipeline.pb.h"
#include "pipeline/state.h"

namespace pipeline {

// ADAM (Kingma and Ba 2015; betas 0.9, 0.999, epsilon 1e-8), ADAMW (Loshchilov and Hutter 2019) and
// SGD with Nesterov momentum 0.9, as torch.optim defines them. On a CPU each update is one pass
// over the parameters' memory: LibTorch's own ten passes cost several percent of a step where the
// model has large linear layers.
class Optimizer {
 public:
  // `parameters` are float32 leaves; those without a gradient stay as they are.
  Optimizer(const Train& options, std::vector<at::Tensor> parameters);

  void ZeroGradients();
  // The norm of all gradients together; NaN or infinite where one of them is not finite.
  double GradientNorm() const;
  // Updates the parameters with the gradients, whose norm is `norm`: scaled down first where that
  // exceeds clip_norm.
  void Step(double learning_rate, double norm);

  // Under "optimizer.".
  void Save(State* state) const;
  absl::Status Load(const State& state);

 private:
  const Train options_;
  const std::vector<at::Tensor> parameters_;
  // Per parameter; made at its first update. SGD has `first_` alone, its momentum.
  std::vector<at::Tensor> first_, second_;
  std::vector<int64_t> steps_;
};

// The learning rate at `step` of `steps` in `epoch`, without PLATEAU's part: warm-up, then the
// schedule. A pure function, so a resumed run continues on the same curve.
double LearningRate(const Train& options, int64_t epoch, int64_t step, int64_t steps);

// PLATEAU's factor after the VAL monitors of the epochs so far.
double PlateauFactor(const std::vector<double>& monitors);

}  // namespace pipeline

#endif  // PIPELINE_TRAINING_OPTIMIZER_H_
