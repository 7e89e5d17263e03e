// Shared views of a batch, and reduction per sample.
#include "losses/loss.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/log1p.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros_like.h>

#include <limits>

#include "absl/strings/str_cat.h"

namespace losses {
namespace {

// Logits without weight become 0: not even an infinity there may reach a gradient.
at::Tensor Seen(const at::Tensor& logits, const at::Tensor& weight) {
  return logits.masked_fill((weight == 0).unsqueeze(1), 0);
}

}  // namespace

at::Tensor Widened(const at::Tensor& logits) {
  const bool half = logits.scalar_type() == at::kHalf || logits.scalar_type() == at::kBFloat16;
  return half ? logits.to(at::kFloat) : logits;
}

LossInput::LossInput(const pipeline::Step& step, const at::Tensor& logits, at::Tensor target,
                     at::Tensor weight)
    : step_(step),
      logits_(Seen(Widened(logits), weight)),
      target_(std::move(target)),
      weight_(std::move(weight)) {}

absl::StatusOr<std::vector<double>> BalancedWeights(const Classes& classes) {
  if (classes.images.empty()) {
    return absl::InvalidArgumentError("this dataset does not count its classes");
  }
  double all = 0;
  for (const int64_t count : classes.images) all += static_cast<double>(count);
  std::vector<double> weights;
  for (size_t c = 0; c < classes.images.size(); ++c) {
    if (classes.images[c] == 0) {
      const std::string name =
          c < classes.names.size() ? absl::StrCat("\"", classes.names[c], "\"") : absl::StrCat(c);
      return absl::InvalidArgumentError(absl::StrCat("class ", name, " has no training images"));
    }
    weights.push_back(all / static_cast<double>(classes.count * classes.images[c]));
  }
  return weights;
}

const at::Tensor& LossInput::log_probabilities() const {
  if (!log_probabilities_.defined()) log_probabilities_ = logits_.log_softmax(1);
  return log_probabilities_;
}

const at::Tensor& LossInput::probabilities() const {
  if (!probabilities_.defined()) probabilities_ = log_probabilities().exp();
  return probabilities_;
}

const at::Tensor& LossInput::log_complements() const {
  if (log_complements_.defined()) return log_complements_;
  // At most one class has p > 1/2. For it 1 - p cancels, so its complement is the sum of the
  // others; for the rest log1p(-p) is exact, and it must not see that class, whose slope there is
  // infinite.
  const at::Tensor& log_p = log_probabilities();
  const at::Tensor top =
      at::zeros_like(log_p, at::kBool).scatter_(1, log_p.argmax(1, /*keepdim=*/true), true);
  const double none = -std::numeric_limits<double>::infinity();
  const at::Tensor others = log_p.masked_fill(top, none).logsumexp(1, /*keepdim=*/true);
  const at::Tensor small = probabilities().masked_fill(top, 0);
  log_complements_ = at::where(top, others, at::log1p(-small));
  return log_complements_;
}

const at::Tensor& LossInput::one_hot() const {
  if (!one_hot_.defined()) {
    one_hot_ = at::zeros_like(logits_).scatter_(1, target_.unsqueeze(1), 1);
  }
  return one_hot_;
}

at::Tensor AtTarget(const LossInput& input, const at::Tensor& values) {
  return values.gather(1, input.target().unsqueeze(1)).squeeze(1);
}

LossValue PerSample(const LossInput& input, const at::Tensor& values) {
  const at::Tensor& weight = input.weight();
  // Where nothing weighs, not even an infinity may count: infinity * 0 is NaN.
  const at::Tensor weighted = at::where(weight == 0, at::zeros_like(values), values * weight);
  const int64_t images = weight.size(0);
  return {weighted.reshape({images, -1}).sum(1), weight.reshape({images, -1}).sum(1)};
}

}  // namespace losses
