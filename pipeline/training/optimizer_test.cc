// Rates at the edges of schedules; gradients that are not finite, and their norm.
#include "pipeline/training/optimizer.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/full.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/ones_like.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>
#include <gtest/gtest.h>
#include <libtorch_context.h>

#include <cmath>
#include <limits>

namespace pipeline {
namespace {

Train Cosine(int epochs, double warmup) {
  Train options;
  options.set_epochs(epochs);
  options.set_learning_rate(0.1);
  options.set_schedule(Train::COSINE);
  options.set_warmup_epochs(warmup);
  return options;
}

TEST(LearningRate, OfACosineReachesItsEndWhateverIsLeftAfterTheWarmUp) {
  // Half an epoch of warm-up, half of cosine: a quarter of the way to its end is 1/8 epoch.
  EXPECT_NEAR(LearningRate(Cosine(1, 0.5), 0, 500, 1000), 0.1, 1e-12);
  EXPECT_NEAR(LearningRate(Cosine(1, 0.5), 0, 750, 1000), 0.05, 1e-12);
  EXPECT_LT(LearningRate(Cosine(1, 0.5), 0, 999, 1000), 1e-6);
  EXPECT_NEAR(LearningRate(Cosine(3, 2.5), 2, 750, 1000), 0.05, 1e-12);
  EXPECT_LT(LearningRate(Cosine(3, 2.5), 2, 999, 1000), 1e-6);
  // Nothing is left: the warm-up alone.
  EXPECT_NEAR(LearningRate(Cosine(2, 2), 1, 999, 1000), 0.1, 1e-12);
  EXPECT_NEAR(LearningRate(Cosine(2, 4), 1, 999, 1000), 0.05, 1e-12);
}

// An optimizer over parameters with these gradients.
Optimizer WithGradients(const std::vector<at::Tensor>& gradients, double clip_norm = 0) {
  std::vector<at::Tensor> parameters;
  for (const at::Tensor& gradient : gradients) {
    parameters.push_back(at::zeros_like(gradient).requires_grad_());
    parameters.back().mutable_grad() = gradient;
  }
  parameters.push_back(at::zeros({3}).requires_grad_());  // without one
  Train options;
  options.set_clip_norm(clip_norm);
  return Optimizer(options, parameters);
}

TEST(Optimizer, GivesTheNormOfTheWholeGradient) {
  EXPECT_EQ(WithGradients({}).GradientNorm(), 0);
  EXPECT_DOUBLE_EQ(WithGradients({at::tensor({3.0F}), at::tensor({0.0F, 4.0F})}).GradientNorm(), 5);
  // Of several blocks and threads, in another layout, in doubles, and in no dense memory.
  at::manual_seed(2);
  const std::vector<at::Tensor> gradients = {
      at::randn({100000}), at::randn({8, 9, 5, 5}).contiguous(at::MemoryFormat::ChannelsLast),
      at::randn({7}, at::kDouble), at::randn({6, 8}).slice(1, 0, 8, 2)};
  double squares = 0;
  for (const at::Tensor& gradient : gradients) {
    squares += gradient.to(at::kDouble).square().sum().item<double>();
  }
  EXPECT_NEAR(WithGradients(gradients).GradientNorm(), std::sqrt(squares), 1e-5);
  // Sixteen million equal numbers: floats would stop counting.
  EXPECT_NEAR(WithGradients({at::full({1 << 24}, 0.1F)}).GradientNorm(), 4096 * 0.1F, 5e-3);
}

TEST(Optimizer, GivesANormThatIsNotFiniteWhereAnyGradientIsNot) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  EXPECT_TRUE(std::isfinite(WithGradients({at::full({2000}, 1e30F)}).GradientNorm()));
  EXPECT_NEAR(WithGradients({at::full({4}, 1e30F)}).GradientNorm(), 2e30, 1e24);
  for (const float bad : {kInfinity, -kInfinity, std::nanf("")}) {
    for (const int64_t place : {0, 777, 99999}) {
      at::Tensor gradient = at::ones({100000});
      gradient[place] = bad;
      const Optimizer optimizer = WithGradients({at::ones({5}), gradient, at::ones({3})});
      const double norm = optimizer.GradientNorm();
      EXPECT_EQ(std::isnan(norm), std::isnan(bad));
      EXPECT_FALSE(std::isfinite(norm));
    }
  }
}

TEST(Optimizer, RefusesToClipWhatIsNotFinite) {
  for (const float bad : {std::numeric_limits<float>::infinity(), std::nanf("")}) {
    const at::Tensor parameter = at::ones({2}).requires_grad_();
    parameter.mutable_grad() = at::tensor({bad, 1.0F});
    Train options;
    options.set_clip_norm(1);
    Optimizer optimizer(options, {parameter});
    EXPECT_THROW(optimizer.Step(0.1, optimizer.GradientNorm()), c10::Error);
    EXPECT_TRUE(parameter.equal(at::ones({2})));
  }
}

TEST(Optimizer, ClipsByTheNormThatIsGiven) {
  const at::Tensor parameter = at::zeros({1}).requires_grad_();
  parameter.mutable_grad() = at::ones({1});
  Train options;
  options.set_optimizer(Train::SGD);
  options.set_clip_norm(1);
  Optimizer optimizer(options, {parameter});
  optimizer.Step(1, /*gradient_norm=*/10);
  EXPECT_NEAR(parameter.item<double>(), -1.9 * 0.1, 1e-6);
}

// One step of Adam at 0.1 with this gradient, of `scale` times a loss of this value.
struct Stepped {
  Optimizer::Taken taken;
  at::Tensor parameter;
};

Stepped StepWith(const at::Tensor& gradient, double loss, double scale, double clip_norm = 0) {
  Train options;
  options.set_clip_norm(clip_norm);
  const at::Tensor parameter = at::ones_like(gradient, at::kFloat).requires_grad_();
  parameter.mutable_grad() = gradient.to(at::kFloat);
  Optimizer optimizer(options, {parameter});
  const Optimizer::Taken taken = optimizer.StepIfFinite(0.1, at::full({}, loss), scale);
  return {taken, parameter};
}

TEST(Optimizer, StepsIfLossAndGradientAreFinite) {
  const Stepped good = StepWith(at::tensor({3.0F, -4.0F}), 7, 1);
  EXPECT_EQ(good.taken.loss, 7);
  EXPECT_EQ(good.taken.gradient_norm, 5);
  EXPECT_TRUE(good.taken.finite());
  EXPECT_TRUE(good.parameter.allclose(at::tensor({0.9F, 1.1F})));
  for (const float bad : {std::numeric_limits<float>::infinity(), std::nanf("")}) {
    const Stepped gradient = StepWith(at::tensor({3.0F, bad}), 7, 1);
    EXPECT_FALSE(gradient.taken.finite());
    EXPECT_TRUE(gradient.parameter.equal(at::ones({2}))) << bad;
    const Stepped loss = StepWith(at::tensor({3.0F, -4.0F}), bad, 1);
    EXPECT_FALSE(loss.taken.finite());
    EXPECT_TRUE(loss.parameter.equal(at::ones({2}))) << bad;
  }
}

// A clipped gradient is a thousandth of epsilon, so that the step shows its size.
TEST(Optimizer, TakesTheScaleOutOfTheGradient) {
  const at::Tensor gradient = at::tensor({3.0F, -4.0F});
  const Stepped plain = StepWith(gradient, 7, 1, 1e-9);
  const Stepped scaled = StepWith(gradient * 65536, 7, 65536, 1e-9);
  EXPECT_EQ(scaled.taken.gradient_norm, 5);
  EXPECT_TRUE(scaled.parameter.equal(plain.parameter));
  EXPECT_FALSE(plain.parameter.allclose(at::tensor({0.9F, 1.1F}))) << "the step shows its size";
}

}  // namespace
}  // namespace pipeline
