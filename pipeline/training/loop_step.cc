// What a TRAIN step leaves behind: gradients, gathered over a group of batches, and the optimizer's
// step.
#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/zeros.h>

#include <cmath>

#include "absl/strings/str_cat.h"
#include "pipeline/clock.h"
#include "pipeline/exceptions.h"
#include "pipeline/training/loop.h"

namespace pipeline {

absl::Status Loop::Learn(const Step& step, double* loss) {
  const at::Tensor total = graph_.Output(options_.minimize());
  // In training a GPU is asked once for all, at the end of the step.
  const bool later = step.phase == TRAIN && !total.is_cpu();
  if (!later) {
    *loss = total.item<double>();
    if (!std::isfinite(*loss)) return BadLoss(step, *loss);
  }
  return step.phase == TRAIN ? Update(step, total, loss) : absl::OkStatus();
}

absl::Status Loop::BadLoss(const Step& step, double loss) {
  // A GPU is asked after backward.
  if (step.phase == TRAIN && !graph_.Output(options_.minimize()).is_cpu()) group_ = Group();
  return Bad(step, absl::StrCat(graph_.Describe(options_.minimize()), ": ", options_.minimize(),
                                " is ", BadName(loss)));
}

bool Loop::StepsAfter(const Step& step) const {
  const int64_t next = step.index + 1;
  return next % options_.accumulate() == 0 || next == step.steps;
}

absl::Status Loop::Update(const Step& step, const at::Tensor& total, double* loss) {
  const absl::Status added = Caught([&] {
    if (group_.batches == 0) optimizer_.ZeroGradients();
    const auto images = static_cast<double>(Images(step));
    if (group_.batches == 0) group_.images = images;
    // Of the mean over all images of the group; near 1, so that half precision stands it.
    const double share = images / group_.images;
    const bool last = StepsAfter(step);
    const double backward = Now();
    if (gradients_ != nullptr && last) gradients_->Begin();
    const at::Tensor scaled = scaler_.has_value() ? scaler_->Scale(total) : total;
    (share == 1 ? scaled : scaled * share).backward();
    graph_.profile().Add(step.phase, "backward", backward);
    if (gradients_ != nullptr && last) AwaitGradients(step.phase);
    ++group_.batches;
    group_.weight += share;
    return absl::OkStatus();
  });
  if (!added.ok()) {
    return absl::Status(added.code(),
                        absl::StrCat(StepName(step), ", backward: ", added.message()));
  }
  return StepsAfter(step) ? Apply(step, total, loss) : Await(step, total, loss);
}

absl::Status Loop::Await(const Step& step, const at::Tensor& total, double* loss) {
  *loss = total.item<double>();
  if (!std::isfinite(*loss)) return BadLoss(step, *loss);
  // The scaler's overflows are seen, and answered, at the optimizer's step.
  const double norm = scaler_.has_value() ? 0 : optimizer_.GradientNorm();
  return std::isfinite(norm) ? absl::OkStatus() : BadGradient(step, norm, *loss);
}

absl::Status Loop::Apply(const Step& step, const at::Tensor& total, double* loss) {
  Optimizer::Taken taken;
  const absl::Status learned = Caught([&] {
    learning_rate_ = Rate(step);
    // A gradient that is not finite would leave no weight as it was.
    const double scale = scaler_.has_value() ? scaler_->scale() : 1;
    const double begin = Now();
    taken = optimizer_.StepIfFinite(learning_rate_, total, scale * group_.weight);
    graph_.profile().Add(step.phase, "optimizer", begin);
    return absl::OkStatus();
  });
  group_ = Group();
  if (!learned.ok()) {
    return absl::Status(learned.code(),
                        absl::StrCat(StepName(step), ", optimizer: ", learned.message()));
  }
  *loss = taken.loss;
  if (!std::isfinite(taken.loss)) return BadLoss(step, taken.loss);
  if (scaler_.has_value()) scaler_->Update(taken.finite());
  // A scale that was too large is halved until it fits; at 1 it was not the scale.
  const bool overflowed = scaler_.has_value() && scaler_->scale() >= 1;
  if (taken.finite() && average_.has_value()) average_->Update(counters_.steps + 1);
  if (taken.finite() || overflowed) return absl::OkStatus();
  return BadGradient(step, taken.gradient_norm, *loss);
}

absl::Status Loop::ApplyLeft(const Step& step) {
  if (step.phase != TRAIN || group_.batches == 0 || !StepsAfter(step)) return absl::OkStatus();
  if (gradients_ != nullptr) {
    const absl::Status summed = Caught([&] {
      gradients_->Begin();
      AwaitGradients(step.phase);
      return absl::OkStatus();
    });
    if (!summed.ok()) return summed;
  }
  double loss = 0;
  return Apply(step, at::zeros({}), &loss);
}

absl::Status Loop::BadGradient(const Step& step, double norm, double loss) {
  group_ = Group();
  return Bad(step, absl::StrCat("backward: the gradient of ", BadGradientName(graph_), " is ",
                                BadName(norm), " although ", options_.minimize(), " is ", loss));
}

}  // namespace pipeline
