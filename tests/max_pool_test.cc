// Halving maps, against LibTorch's operator: bit for bit, ties and odd sizes included.
#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/max_pool2d.h>
#include <ATen/ops/randint.h>
#include <ATen/ops/randn.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <limits>
#include <vector>

#include "models/layers.h"
#include "pipeline/training/device.h"

namespace {

class EverySize : public testing::TestWithParam<std::vector<int64_t>> {};

void ExpectTheSame(const at::Tensor& x) {
  const at::Tensor ours = x.detach().clone().requires_grad_();
  // Without a format that it would be halved in by other code.
  const at::Tensor theirs = x.detach().contiguous().clone().requires_grad_();
  const at::Tensor y = models::MaxPool(ours), truth = at::max_pool2d(theirs, 2);
  ASSERT_TRUE(y.equal(truth));
  const at::Tensor incoming = at::randn(truth.sizes());
  const at::Tensor dx = torch::autograd::grad({y}, {ours}, {incoming})[0];
  EXPECT_TRUE(dx.equal(torch::autograd::grad({truth}, {theirs}, {incoming})[0]));
}

TEST_P(EverySize, IsHalvedAsByLibTorch) {
  pipeline::SeedGenerators(1);
  for (const auto format : {at::MemoryFormat::Contiguous, at::MemoryFormat::ChannelsLast}) {
    ExpectTheSame(at::randn(GetParam()).contiguous(format));
    // With ties everywhere.
    ExpectTheSame(at::randint(0, 2, GetParam(), at::kFloat).contiguous(format));
  }
}

INSTANTIATE_TEST_SUITE_P(
    Sizes, EverySize,
    testing::Values(std::vector<int64_t>{2, 16, 8, 8}, std::vector<int64_t>{1, 5, 9, 7},
                    std::vector<int64_t>{3, 1, 2, 3}, std::vector<int64_t>{1, 70, 3, 2},
                    std::vector<int64_t>{0, 4, 6, 6}, std::vector<int64_t>{9, 32, 65, 64}));

TEST(MaxPool, OfNaNIsNaN) {
  for (int place = 0; place < 4; ++place) {
    at::Tensor x = at::randn({1, 16, 2, 2});
    x.select(2, place / 2).select(2, place % 2).fill_(std::numeric_limits<float>::quiet_NaN());
    EXPECT_TRUE(models::MaxPool(x).isnan().all().item<bool>()) << place;
  }
}

TEST(MaxPool, OfOtherNumbersIsThatOfLibTorch) {
  const at::Tensor x = at::randn({2, 3, 6, 6});
  for (const auto type : {at::kDouble, at::kBFloat16}) {
    EXPECT_TRUE(models::MaxPool(x.to(type)).equal(at::max_pool2d(x.to(type), 2)));
  }
}

TEST(MaxPool, GradientsHaveGradients) {
  const at::Tensor x = at::randn({1, 3, 4, 5}).requires_grad_();
  const auto penalty = [&](const at::Tensor& y) {
    const at::Tensor slope = torch::autograd::grad({y.pow(3).sum()}, {x}, {}, true, true)[0];
    return torch::autograd::grad({slope.square().sum()}, {x})[0];
  };
  EXPECT_TRUE(penalty(models::MaxPool(x)).equal(penalty(at::max_pool2d(x, 2))));
}

TEST(MaxPool, DoesNotDependOnThreads) {
  const at::Tensor x = at::randn({7, 32, 64, 64});
  const int before = at::get_num_threads();
  at::set_num_threads(1);
  const at::Tensor one = models::MaxPool(x);
  at::set_num_threads(4);
  EXPECT_TRUE(models::MaxPool(x).equal(one));
  at::set_num_threads(before);
}

}  // namespace
