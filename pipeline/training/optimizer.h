// The optimizers of `train` and the learning rate over time.
#ifndef PIPELINE_TRAINING_OPTIMIZER_H_
#define PIPELINE_TRAINING_OPTIMIZER_H_

#include <ATen/core/Tensor.h>

#include <cmath>
#include <vector>

#include "absl/status/status.h"
#include "pipeline/pipeline.pb.h"
#include "pipeline/state.h"

namespace pipeline {

// ADAM (Kingma and Ba 2015; betas 0.9, 0.999, epsilon 1e-8), ADAMW (Loshchilov and Hutter 2019) and
// SGD with Nesterov momentum 0.9, as torch.optim defines them. On a CPU each update is one pass
// over the parameters' memory: LibTorch's own ten passes cost several percent of a step where the
// model has large linear layers. On a GPU Adam is LibTorch's single kernel.
class Optimizer {
 public:
  // What a step saw: it was taken if both are finite.
  struct Taken {
    double loss = 0, gradient_norm = 0;
    bool finite() const { return std::isfinite(loss) && std::isfinite(gradient_norm); }
  };

  // `parameters` are float32 leaves; those without a gradient stay as they are.
  Optimizer(const Train& options, std::vector<at::Tensor> parameters);

  void ZeroGradients();

  // The 2-norm over all gradients, added up in double: NaN or infinite if any of them is, and only
  // then. One pass over their memory.
  double GradientNorm() const;

  // Steps unless the loss or the gradients' norm is NaN or infinite: then nothing changes.
  // Gradients are taken for those of `scale` times the loss. A GPU is waited for once, for the
  // answer, when all is launched.
  Taken StepIfFinite(double learning_rate, const at::Tensor& loss, double scale = 1);

  // Updates the parameters with the gradients, scaled down first where their common norm,
  // `gradient_norm`, exceeds clip_norm. Throws c10::Error, with nothing updated, if the norm is not
  // finite.
  void Step(double learning_rate, double gradient_norm);

  // Under "optimizer.". The state of another kind of optimizer is a new beginning.
  void Save(State* state) const;
  absl::Status Load(const State& state);

 private:
  // Makes the state of parameter i at its first update, and counts it; false without a gradient.
  bool Begin(size_t i);
  // Whether LibTorch's kernel serves, which can be told on the GPU to change nothing.
  bool Fuses() const;
  // The norm as a float64 scalar on the GPU.
  at::Tensor NormOnGpu() const;
  // Gradients are divided by `divisor`; where `skip` is 1 nothing changes. Both are float32 scalars
  // on the GPU.
  void StepFused(double learning_rate, const at::Tensor& divisor, const at::Tensor& skip);
  void StepEach(double learning_rate, double factor);
  // Step, with gradients of `scale` times the loss; the norm is that of the loss itself.
  void Step(double learning_rate, double gradient_norm, double scale);

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
