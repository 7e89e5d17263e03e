// Loss scaling against what torch's own tests and documentation say of GradScaler.
#include "pipeline/training/loss_scaler.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/full.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/tensor.h>
#include <gtest/gtest.h>
#include <torch/autograd.h>

#include <cmath>
#include <limits>

namespace pipeline {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

// test_grad_scaling_update_scale of PyTorch's test_cuda.py: growth 2, backoff 0.25, interval 2,
// from 4.
TEST(LossScaler, MovesItsScaleAsTorchDoes) {
  LossScaler scaler({4, 2, 0.25, 2});
  scaler.Update(true);
  EXPECT_EQ(scaler.good_steps(), 1);
  EXPECT_EQ(scaler.scale(), 4);
  scaler.Update(true);
  EXPECT_EQ(scaler.good_steps(), 0);
  EXPECT_EQ(scaler.scale(), 8);
  scaler.Update(false);
  EXPECT_EQ(scaler.good_steps(), 0);
  EXPECT_EQ(scaler.scale(), 2);
}

TEST(LossScaler, HasTheDefaultsOfTorch) {
  LossScaler scaler;
  EXPECT_EQ(scaler.scale(), 65536);
  for (int i = 0; i < 1999; ++i) scaler.Update(true);
  EXPECT_EQ(scaler.scale(), 65536);
  scaler.Update(true);
  EXPECT_EQ(scaler.scale(), 131072);
  for (int i = 0; i < 1999; ++i) scaler.Update(true);
  scaler.Update(false);
  EXPECT_EQ(scaler.scale(), 65536) << "a bad step starts the count anew";
  for (int i = 0; i < 1999; ++i) scaler.Update(true);
  EXPECT_EQ(scaler.scale(), 65536);
  scaler.Update(true);
  EXPECT_EQ(scaler.scale(), 131072);
}

TEST(LossScaler, DoesNotGrowPastFloats) {
  LossScaler scaler({std::ldexp(1.0, 127), 2, 0.5, 1});
  scaler.Update(true);
  EXPECT_EQ(scaler.scale(), std::ldexp(1.0, 127));
  scaler.Update(false);
  EXPECT_EQ(scaler.scale(), std::ldexp(1.0, 126));
}

TEST(LossScaler, GivesTheGradientBack) {
  const LossScaler scaler;
  const at::Tensor x = at::tensor({1.5F, -2.0F}).requires_grad_(), unused = at::ones({2});
  const at::Tensor scaled = scaler.Scale((x * x).sum());
  EXPECT_EQ(scaled.item<float>(), 6.25F * 65536);
  scaled.backward();
  EXPECT_TRUE(x.grad().equal(at::tensor({3.0F * 65536, -4.0F * 65536})));
  EXPECT_TRUE(scaler.Unscale({x, unused}));
  EXPECT_TRUE(x.grad().equal(at::tensor({3.0F, -4.0F})));
  EXPECT_TRUE(scaler.Unscale({unused})) << "no gradient is finite";
}

// Half precision ends at 2^-24 and 65504: a gradient of 2^-26 is too small, 2^15 times it is not,
// and a scale of 65536 is too large.
TEST(LossScaler, KeepsSmallGradientsOfHalfPrecision) {
  const auto slope = [](const LossScaler& scaler, bool finite) {
    const at::Tensor x = at::ones({1}).requires_grad_();
    scaler
        .Scale((x.to(at::kHalf) * std::ldexp(1.0, -13) * std::ldexp(1.0, -13)).to(at::kFloat).sum())
        .backward();
    EXPECT_EQ(scaler.Unscale({x}), finite);
    return x.grad().item<float>();
  };
  EXPECT_EQ(slope(LossScaler({1, 2, 0.5, 2000}), true), 0);
  EXPECT_EQ(slope(LossScaler({32768, 2, 0.5, 2000}), true), std::ldexp(1.0, -26));
  slope(LossScaler(), false);
}

TEST(LossScaler, FindsWhatIsNotFinite) {
  const LossScaler scaler;
  for (const float bad : {kInfinity, -kInfinity, kNaN}) {
    for (const int64_t place : {0, 500, 999}) {
      at::Tensor good = at::ones({3}).requires_grad_(), other = at::ones({1000}).requires_grad_();
      good.mutable_grad() = at::ones({3});
      other.mutable_grad() = at::ones({1000});
      other.mutable_grad()[place] = bad;
      EXPECT_FALSE(scaler.Unscale({good, other})) << bad << " " << place;
      EXPECT_FALSE(scaler.Unscale({other, good})) << bad << " " << place;
    }
  }
  at::Tensor large = at::ones({4}).requires_grad_();
  large.mutable_grad() = at::full({4}, 3e38F);
  EXPECT_TRUE(scaler.Unscale({large})) << "large numbers are finite";
}

TEST(LossScaler, GoesOnFromItsState) {
  LossScaler first({4, 2, 0.25, 3}), second({4, 2, 0.25, 3});
  for (const bool finite : {true, false, true, true}) first.Update(finite);
  State state;
  first.Save(&state);
  ASSERT_TRUE(second.Load(state).ok());
  for (const bool finite : {true, true, false, true}) {
    first.Update(finite);
    second.Update(finite);
    EXPECT_EQ(second.scale(), first.scale());
    EXPECT_EQ(second.good_steps(), first.good_steps());
  }
}

TEST(LossScaler, RefusesStatesThatCannotBe) {
  LossScaler scaler;
  EXPECT_EQ(scaler.Load({}).message(), "no scaler.scale");
  for (const std::vector<double>& wrong :
       {std::vector<double>{0, 1}, {kNaN, 1}, {kInfinity, 1}, {-2, 1}, {2, -1}}) {
    State state;
    state.Put("scaler.scale", wrong);
    EXPECT_EQ(scaler.Load(state).message(), "scaler.scale is no scale and count of steps");
  }
  State state;
  state.Put("scaler.scale", std::vector<double>{2});
  EXPECT_EQ(scaler.Load(state).message(), "scaler.scale does not hold 2 numbers");
  EXPECT_EQ(scaler.scale(), 65536);
}

}  // namespace
}  // namespace pipeline
