// The rule of torch's _amp_update_scale_, and gradients by operators.
#include "pipeline/training/loss_scaler.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <cmath>

namespace pipeline {
namespace {

// The one number of `name`; undefined where there is none.
at::Tensor NumberOf(const std::map<std::string, at::Tensor>& state, const std::string& name) {
  const auto found = state.find(name);
  return found != state.end() && found->second.numel() == 1 ? found->second : at::Tensor();
}

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

std::map<std::string, at::Tensor> LossScaler::State() const {
  return {{"scale", at::scalar_tensor(scale_, at::kDouble)},
          {"good_steps", at::scalar_tensor(good_steps_, at::kLong)}};
}

bool LossScaler::Load(const std::map<std::string, at::Tensor>& state) {
  const at::Tensor scale = NumberOf(state, "scale"), good_steps = NumberOf(state, "good_steps");
  if (!scale.defined() || !good_steps.defined()) return false;
  const auto value = scale.item<double>();
  const auto count = good_steps.item<int64_t>();
  if (!(value > 0) || !std::isfinite(value) || count < 0) return false;
  scale_ = value;
  good_steps_ = count;
  return true;
}

}  // namespace pipeline
