// Exact statistics of batch normalisation, and what is left where they could not be gathered.
#include "pipeline/training/norms.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/full.h>
#include <c10/core/GradMode.h>
#include <gtest/gtest.h>
#include <torch/nn/modules/batchnorm.h>

namespace {

class NormCalibration : public testing::Test {
 protected:
  NormCalibration() {
    norm_->train();
    Run(0, 1);
    Run(1, 2);
  }
  // A batch of constant images, half of them above and half below this mean.
  void Run(double mean, double deviation, int64_t images = 2) {
    const c10::NoGradGuard no_gradients;
    const at::Tensor batch = at::full({images, 1, 3, 3}, mean);
    batch.narrow(0, 0, images / 2).add_(deviation);
    batch.narrow(0, images / 2, images / 2).sub_(deviation);
    norm_(batch);
  }
  double mean() const { return norm_->running_mean.item<double>(); }
  double variance() const { return norm_->running_var.item<double>(); }

  torch::nn::BatchNorm2d norm_{torch::nn::BatchNormOptions(1)};
};

TEST_F(NormCalibration, WeighsBatchesByTheirImages) {
  {
    pipeline::NormCalibration calibration({norm_.get()});
    calibration.Expect(6);
    Run(2, 0, 6);
    calibration.Expect(2);
    Run(10, 1, 2);
    calibration.Keep();
  }
  EXPECT_NEAR(mean(), (6 * 2 + 2 * 10) / 8.0, 1e-6);
  EXPECT_NEAR(variance(), 2 * 18.0 / 17 / 8, 1e-6);
}

TEST_F(NormCalibration, IsTheAverageOfBatches) {
  {
    pipeline::NormCalibration calibration({norm_.get()});
    calibration.Expect(2);
    Run(2, 1);
    calibration.Expect(2);
    Run(4, 3);
    calibration.Keep();
  }
  EXPECT_NEAR(mean(), 3, 1e-6);  // rounding of float32
  // Unbiased variances of 18 values: (1 + 9) / 2 x 18 / 17.
  EXPECT_NEAR(variance(), 5.0 * 18 / 17, 1e-5);
  const double before = mean();
  Run(0, 1);
  EXPECT_NEAR(mean(), before * 0.9, 1e-6) << "moving averages again";
}

TEST_F(NormCalibration, IsUndoneWhereItDidNotEnd) {
  const double mean_before = mean(), variance_before = variance();
  {
    pipeline::NormCalibration calibration({norm_.get()});
    calibration.Expect(2);
    Run(2, 1);
  }
  EXPECT_EQ(mean(), mean_before);
  EXPECT_EQ(variance(), variance_before);
  EXPECT_EQ(norm_->num_batches_tracked.item<int64_t>(), 2);
}

}  // namespace
