// Loss scaling against what torch's own tests and documentation say of GradScaler.
#include "pipeline/training/loss_scaler.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/tensor.h>
#include <gtest/gtest.h>

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

TEST(LossScaler, ScalesTheLossInFloats) {
  const LossScaler scaler;
  const at::Tensor x = at::tensor({1.5F, -2.0F}).to(at::kHalf);
  EXPECT_EQ(scaler.Scale((x * x).sum()).item<float>(), 6.25F * 65536);
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
