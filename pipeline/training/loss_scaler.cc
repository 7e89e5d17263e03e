// The rule of torch's _amp_update_scale_.
#include "pipeline/training/loss_scaler.h"

#include <ATen/TensorOperators.h>

#include <cmath>

#include "pipeline/count.h"

namespace pipeline {
at::Tensor LossScaler::Scale(const at::Tensor& loss) const { return loss.to(at::kFloat) * scale_; }

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
  const bool sound = scale > 0 && std::isfinite(scale) && IsCount(good_steps);
  if (!sound) return absl::DataLossError("scaler.scale is no scale and count of steps");
  scale_ = scale;
  good_steps_ = static_cast<int64_t>(good_steps);
  return absl::OkStatus();
}

}  // namespace pipeline
