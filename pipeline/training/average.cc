// Averages beside parameters, and their exchange.
#include "pipeline/training/average.h"

#include <ATen/core/Tensor.h>
#include <c10/core/GradMode.h>

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace pipeline {

WeightAverage::WeightAverage(double decay, std::vector<at::Tensor> parameters)
    : decay_(decay), parameters_(std::move(parameters)) {
  const c10::NoGradGuard no_gradients;
  for (const at::Tensor& parameter : parameters_) others_.push_back(parameter.detach().clone());
}

void WeightAverage::Update(int64_t steps) {
  const c10::NoGradGuard no_gradients;
  const auto count = static_cast<double>(steps);
  const double decay = std::min(decay_, (1 + count) / (10 + count));
  for (size_t i = 0; i < parameters_.size(); ++i) others_[i].lerp_(parameters_[i], 1 - decay);
}

void WeightAverage::Use(bool average) {
  if (used_ == average) return;
  const c10::NoGradGuard no_gradients;
  for (size_t i = 0; i < parameters_.size(); ++i) {
    const at::Tensor kept = parameters_[i].detach().clone();
    parameters_[i].copy_(others_[i]);
    others_[i].copy_(kept);
  }
  used_ = average;
}

void WeightAverage::Save(State* state) const {
  state->Put("average.used", {used_ ? 1.0 : 0.0});
  for (size_t i = 0; i < others_.size(); ++i) state->Put(absl::StrCat("average.", i), others_[i]);
}

absl::Status WeightAverage::Load(const State& state) {
  const auto used = state.Numbers("average.used", 1);
  if (absl::IsNotFound(used.status())) return absl::OkStatus();
  if (!used.ok()) return used.status();
  for (size_t i = 0; i < others_.size(); ++i) {
    const absl::Status copied = state.CopyTo(absl::StrCat("average.", i), others_[i]);
    if (!copied.ok()) return copied;
  }
  used_ = (*used)[0] != 0;
  return absl::OkStatus();
}

}  // namespace pipeline
