// The rule of torch's _amp_update_scale_, and gradients by operators.
#include "pipeline/training/loss_scaler.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/_amp_foreach_non_finite_check_and_unscale.h>
#include <ATen/ops/aminmax.h>
#include <ATen/ops/full.h>
#include <ATen/ops/zeros.h>
#include <c10/core/GradMode.h>

#include <cmath>

namespace pipeline {
namespace {

bool UnscaleInOneKernel(const std::vector<at::Tensor>& gradients, double factor) {
  const at::TensorOptions number = gradients[0].options().dtype(at::kFloat);
  at::Tensor found = at::zeros({1}, number);
  at::_amp_foreach_non_finite_check_and_unscale_(gradients, found, at::full({1}, factor, number));
  return found.item<float>() == 0;
}

}  // namespace

at::Tensor LossScaler::Scale(const at::Tensor& loss) const { return loss.to(at::kFloat) * scale_; }

bool LossScaler::Unscale(const std::vector<at::Tensor>& parameters) const {
  const c10::NoGradGuard no_gradients;
  std::vector<at::Tensor> gradients;
  for (const at::Tensor& parameter : parameters) {
    const at::Tensor& gradient = parameter.grad();
    if (gradient.defined() && gradient.numel() > 0) gradients.push_back(gradient);
  }
  if (gradients.empty()) return true;
  if (gradients[0].is_cuda()) return UnscaleInOneKernel(gradients, 1 / scale_);
  bool finite = true;
  for (at::Tensor& gradient : gradients) {
    gradient.mul_(1 / scale_);
    const auto [least, most] = at::aminmax(gradient);  // NaN where any is
    finite = finite && std::isfinite(least.item<double>()) && std::isfinite(most.item<double>());
  }
  return finite;
}

void LossScaler::Update(bool finite) {
  if (!finite) {
    scale_ = static_cast<float>(scale_ * options_.backoff);
    good_steps_ = 0;
    return;
  }
  if (++good_steps_ < options_.interval) return;
  const auto grown = static_cast<float>(scale_ * options_.growth);
  if (std::isfinite(grown)) scale_ = grown;
  good_steps_ = 0;
}

void LossScaler::Save(State* state) const {
  state->Put("scaler.scale", {scale_, static_cast<double>(good_steps_)});
}

absl::Status LossScaler::Load(const State& state) {
  const auto numbers = state.Numbers("scaler.scale", 2);
  if (!numbers.ok()) return numbers.status();
  const double scale = (*numbers)[0], good_steps = (*numbers)[1];
  const bool sound = scale > 0 && std::isfinite(scale) && good_steps >= 0;
  if (!sound) return absl::DataLossError("scaler.scale is no scale and count of steps");
  scale_ = scale;
  good_steps_ = static_cast<int64_t>(good_steps);
  return absl::OkStatus();
}

}  // namespace pipeline
