// Shared views of a batch, and reduction per sample.
#include "losses/loss.h"

#include <ATen/ATen.h>

namespace losses {
namespace {

at::Tensor Widened(const at::Tensor& logits) {
  const bool half = logits.scalar_type() == at::kHalf || logits.scalar_type() == at::kBFloat16;
  return half ? logits.to(at::kFloat) : logits;
}

}  // namespace

LossInput::LossInput(const pipeline::Step& step, at::Tensor logits, at::Tensor target,
                     at::Tensor weight)
    : step_(step),
      logits_(Widened(logits)),
      target_(std::move(target)),
      weight_(std::move(weight)) {}

const at::Tensor& LossInput::log_probabilities() const {
  if (!log_probabilities_.defined()) log_probabilities_ = logits_.log_softmax(1);
  return log_probabilities_;
}

const at::Tensor& LossInput::probabilities() const {
  if (!probabilities_.defined()) probabilities_ = log_probabilities().exp();
  return probabilities_;
}

const at::Tensor& LossInput::one_hot() const {
  if (!one_hot_.defined()) {
    one_hot_ = at::zeros_like(logits_).scatter_(1, target_.unsqueeze(1), 1);
  }
  return one_hot_;
}

LossValue PerSample(const LossInput& input, const at::Tensor& values) {
  const at::Tensor& weight = input.weight();
  // Where nothing weighs, not even an infinity may count: infinity * 0 is NaN.
  const at::Tensor weighted = at::where(weight == 0, at::zeros_like(values), values * weight);
  const int64_t images = weight.size(0);
  return {weighted.reshape({images, -1}).sum(1), weight.reshape({images, -1}).sum(1)};
}

}  // namespace losses
