// Dynamic scaling of the loss, so that gradients of half precision neither vanish nor overflow.
#ifndef PIPELINE_TRAINING_LOSS_SCALER_H_
#define PIPELINE_TRAINING_LOSS_SCALER_H_

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "absl/status/status.h"
#include "pipeline/state.h"

namespace pipeline {

// As torch.amp.GradScaler, with its defaults. A step is:
//   scaler.Scale(loss).backward();
//   const bool finite = optimizer.StepIfFinite(rate, loss, scaler.scale()).finite();
//   scaler.Update(finite);
class LossScaler {
 public:
  struct Options {
    double initial = 65536;
    double growth = 2;     // of the scale after `interval` good steps in a row
    double backoff = 0.5;  // of the scale after a bad one
    int64_t interval = 2000;
  };

  LossScaler() : LossScaler(Options{}) {}
  explicit LossScaler(const Options& options) : options_(options), scale_(options.initial) {}

  // The loss as float32 (in half precision the scale itself would be infinite), times the scale.
  at::Tensor Scale(const at::Tensor& loss) const;

  // After a step: whether its gradients were finite. A scale that float32 cannot hold is not grown
  // into. Scales are rounded to float32, as torch keeps them.
  void Update(bool finite);

  double scale() const { return scale_; }
  int64_t good_steps() const { return good_steps_; }

  // Under "scaler.". Load leaves the scaler as it is where the state is missing or cannot be (a
  // scale that is not positive and finite, a negative count).
  void Save(State* state) const;
  absl::Status Load(const State& state);

 private:
  const Options options_;
  double scale_;
  int64_t good_steps_ = 0;  // since the scale last changed
};

}  // namespace pipeline

#endif  // PIPELINE_TRAINING_LOSS_SCALER_H_
