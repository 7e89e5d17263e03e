// Convolutions of 3x3 against LibTorch's in float64, in every shape; threads, batches and autocast.
#include "models/convolution.h"

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/conv2d.h>
#include <ATen/ops/randn.h>
#include <gtest/gtest.h>

#include <vector>

#include "kernels/winograd.h"
#include "pipeline/precision.h"
#include "pipeline/training/device.h"
#include "torch/csrc/autograd/autograd.h"

namespace {

using models::Convolve;
using torch::autograd::variable_list;

struct Shape {
  int64_t images, in, out, height, width;
};

struct Layer {
  explicit Layer(const Shape& s)
      : x(at::randn({s.images, s.in, s.height, s.width})
              .contiguous(at::MemoryFormat::ChannelsLast)),
        weight(at::randn({s.out, s.in, 3, 3})),
        bias(at::randn({s.out})) {}

  variable_list Leaves(at::ScalarType type) const {
    variable_list leaves;
    for (const at::Tensor& tensor : {x, weight, bias}) {
      leaves.push_back(tensor.to(type).requires_grad_());
    }
    return leaves;
  }

  at::Tensor x, weight, bias;
};

at::Tensor Exact(const variable_list& leaves) {
  return at::conv2d(leaves[0], leaves[1], leaves[2], /*stride=*/1, /*padding=*/1);
}

// The largest difference, in shares of the largest exact value.
double Apart(const at::Tensor& ours, const at::Tensor& exact) {
  if (!exact.any().item<bool>()) return ours.any().item<bool>() ? 1 : 0;
  return ((ours.to(at::kDouble) - exact).abs().max() / exact.abs().max()).item<double>();
}

// Float32 has 24 bits, and a plain sum over 512 channels of 9 products loses 5 of them at most; the
// tiles' transformations lose 2 more.
constexpr double kTolerance = 8e-6;

class EveryShape : public testing::TestWithParam<Shape> {};

TEST_P(EveryShape, IsAConvolution) {
  pipeline::SeedGenerators(1);
  const Layer layer(GetParam());
  const variable_list leaves = layer.Leaves(at::kFloat), exact = layer.Leaves(at::kDouble);
  const at::Tensor y = Convolve(leaves[0], leaves[1], leaves[2]), truth = Exact(exact);
  ASSERT_EQ(y.sizes(), truth.sizes());
  EXPECT_LT(Apart(y, truth), kTolerance);

  const at::Tensor incoming = at::randn(y.sizes());
  const variable_list ours = torch::autograd::grad({y}, leaves, {incoming});
  const variable_list theirs = torch::autograd::grad({truth}, exact, {incoming.to(at::kDouble)});
  for (size_t i = 0; i < ours.size(); ++i) {
    ASSERT_EQ(ours[i].sizes(), theirs[i].sizes());
    EXPECT_LT(Apart(ours[i], theirs[i]), kTolerance) << "gradient " << i;
  }
}

INSTANTIATE_TEST_SUITE_P(
    Shapes, EveryShape,
    testing::Values(Shape{1, 16, 32, 1, 70}, Shape{1, 16, 32, 8, 8}, Shape{2, 16, 48, 5, 17},
                    Shape{3, 48, 16, 2, 40}, Shape{2, 32, 64, 8, 9}, Shape{1, 64, 32, 30, 3},
                    Shape{7, 80, 16, 9, 9}, Shape{1, 512, 512, 14, 14}, Shape{2, 16, 32, 65, 66},
                    Shape{9, 16, 32, 33, 31},
                    // No images; and what is LibTorch's: other channels, small maps.
                    Shape{2, 3, 32, 9, 9}, Shape{2, 1, 32, 9, 8}, Shape{2, 16, 8, 9, 9},
                    Shape{2, 32, 32, 4, 4}, Shape{0, 16, 32, 8, 8}));

TEST(Convolution, OfOneByOneIsThatOfLibTorch) {
  const at::Tensor x = at::randn({2, 16, 5, 5}), weight = at::randn({16, 16, 1, 1});
  const at::Tensor bias = at::randn({16});
  EXPECT_TRUE(Convolve(x, weight, bias).equal(at::conv2d(x, weight, bias)));
}

TEST(Convolution, TakesImagesInAnyFormat) {
  const Layer layer({2, 16, 32, 9, 10});
  const at::Tensor rows = layer.x.contiguous();
  EXPECT_TRUE(
      Convolve(rows, layer.weight, layer.bias).equal(Convolve(layer.x, layer.weight, layer.bias)));
}

// What follows takes channels side by side, without a copy.
TEST(Convolution, MakesPixelsOfOneChannel) {
  const Layer layer({2, 1, 32, 9, 10});
  const at::Tensor y = Convolve(layer.x.contiguous(), layer.weight, layer.bias);
  EXPECT_EQ(y.stride(1), 1);
}

// So several processes get what one gets, and a batch's order changes nothing.
TEST(Convolution, DoesNotDependOnTheOtherImages) {
  const Layer layer({5, 32, 32, 17, 19});
  const at::Tensor all = Convolve(layer.x, layer.weight, layer.bias);
  for (int64_t i = 0; i < 5; ++i) {
    EXPECT_TRUE(
        Convolve(layer.x.narrow(0, i, 1), layer.weight, layer.bias).equal(all.narrow(0, i, 1)));
  }
}

variable_list OutputAndGradients(const Layer& layer, int threads) {
  const int before = at::get_num_threads();
  at::set_num_threads(threads);
  const variable_list leaves = layer.Leaves(at::kFloat);
  const at::Tensor y = Convolve(leaves[0], leaves[1], leaves[2]);
  variable_list all = torch::autograd::grad({y}, {leaves[0], leaves[1]}, {y.detach()});
  all.push_back(y);
  at::set_num_threads(before);
  return all;
}

TEST(Convolution, DoesNotDependOnThreads) {
  if (!kernels::WinogradTakes(48, 32)) GTEST_SKIP() << "LibTorch's here: no AVX2";
  const Layer layer({6, 48, 32, 33, 35});
  const variable_list one = OutputAndGradients(layer, 1);
  for (const int threads : {2, 3, 8}) {
    const variable_list more = OutputAndGradients(layer, threads);
    for (size_t i = 0; i < one.size(); ++i) EXPECT_TRUE(more[i].equal(one[i])) << i;
  }
}

TEST(Convolution, IsAutocastAsLibTorchsIs) {
  const Layer layer({1, 16, 32, 8, 8});
  const pipeline::PrecisionScope scope(pipeline::Train::BF16, "cpu");
  EXPECT_EQ(Convolve(layer.x, layer.weight, layer.bias).scalar_type(), at::kBFloat16);
}

TEST(Convolution, FrozenWeightsGetNoGradient) {
  const Layer layer({1, 16, 32, 8, 8});
  const at::Tensor x = layer.x.clone().requires_grad_();
  const at::Tensor y = Convolve(x, layer.weight, layer.bias);
  EXPECT_TRUE(torch::autograd::grad({y.sum()}, {x})[0].defined());
  EXPECT_FALSE(Convolve(layer.x, layer.weight, layer.bias).requires_grad());
}

TEST(Convolution, GradientsHaveGradients) {
  const Layer layer({2, 16, 32, 8, 9});
  const auto penalty = [](const at::Tensor& y, const variable_list& leaves) {
    const at::Tensor slope =
        torch::autograd::grad({y.square().sum()}, {leaves[1]}, {}, true, /*create_graph=*/true)[0];
    return torch::autograd::grad({slope.square().sum()}, leaves);
  };
  const variable_list leaves = layer.Leaves(at::kFloat), exact = layer.Leaves(at::kDouble);
  const variable_list ours = penalty(Convolve(leaves[0], leaves[1], leaves[2]), leaves);
  const variable_list theirs = penalty(Exact(exact), exact);
  // Of the fourth power of rounded numbers.
  for (size_t i = 0; i < ours.size(); ++i) EXPECT_LT(Apart(ours[i], theirs[i]), 4 * kTolerance);
}

}  // namespace
