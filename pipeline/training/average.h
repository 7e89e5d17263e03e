// The moving average of the weights that training makes, which is what train.ema_decay evaluates.
#ifndef PIPELINE_TRAINING_AVERAGE_H_
#define PIPELINE_TRAINING_AVERAGE_H_

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "pipeline/state.h"

namespace pipeline {

class WeightAverage {
 public:
  // Begins as the parameters are now.
  WeightAverage(double decay, std::vector<at::Tensor> parameters);

  // After the `steps`th step: average = d average + (1 - d) parameters, where d is the smaller of
  // the decay and (1 + steps) / (10 + steps), as in TensorFlow's ExponentialMovingAverage.
  void Update(int64_t steps);

  // Puts the average into the parameters and keeps what was there, or takes it back. Update wants
  // it back.
  void Use(bool average);
  bool used() const { return used_; }

  // Under "average.". A state without it leaves the average as it is.
  void Save(State* state) const;
  absl::Status Load(const State& state);

 private:
  const double decay_;
  const std::vector<at::Tensor> parameters_;
  std::vector<at::Tensor> others_;  // the average; while it is used, what was trained
  bool used_ = false;
};

}  // namespace pipeline

#endif  // PIPELINE_TRAINING_AVERAGE_H_
