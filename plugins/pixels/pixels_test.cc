// The loops over pixels against the same by tensor operators.
#include "plugins/pixels/pixels.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/rand.h>
#include <ATen/ops/randint.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/upsample_bilinear2d.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>
#include <libtorch_context.h>

#include "pipeline/stage.h"

namespace plugins {
namespace {

// Images as the loader gives them (channels last in memory), smooth enough to be interpolated.
at::Tensor Images(int64_t n, int64_t channels, int64_t height, int64_t width) {
  at::manual_seed(1);
  const at::Tensor coarse = at::rand({n, channels, 6, 5}) * 255;
  const at::Tensor fine = at::upsample_bilinear2d(coarse, {height, width}, false);
  return fine.round().to(at::kByte).permute({0, 2, 3, 1}).contiguous().permute({0, 3, 1, 2});
}

// Crops, flips, turns and jitter of every kind.
at::Tensor Motion(int64_t n) {
  at::manual_seed(2);
  at::Tensor motion = at::rand({n, kMotion}) * 2.4 - 1.2;
  motion.slice(1, 6) = motion.slice(1, 6) * 0.3 + 1;
  return motion;
}

// The share of values that differ, and by how much at most.
std::pair<double, int64_t> Difference(const at::Tensor& a, const at::Tensor& b) {
  EXPECT_EQ(a.sizes(), b.sizes());
  const at::Tensor difference = (a.to(at::kLong) - b.to(at::kLong)).abs();
  return {(difference > 0).to(at::kDouble).mean().item<double>(), difference.max().item<int64_t>()};
}

TEST(Pixels, GrayEqualsOperators) {
  const at::Tensor images = at::randint(256, {3, 9, 37, 3}, at::kByte).permute({0, 3, 1, 2});
  EXPECT_TRUE(Gray(images).equal(GrayByOperators(images)));
  EXPECT_TRUE(Gray(images.contiguous()).equal(GrayByOperators(images))) << "planes";
  EXPECT_TRUE(Gray(images.flip({3})).equal(GrayByOperators(images.flip({3}))));
  const at::Tensor one = images.slice(1, 0, 1).expand({-1, 3, -1, -1});
  EXPECT_TRUE(Gray(one).equal(GrayByOperators(one))) << "one channel that is seen as three";
  EXPECT_EQ(Gray(images.slice(0, 0, 0)).size(0), 0);
}

TEST(Pixels, MovedEqualsOperatorsButForTies) {
  for (const int64_t channels : {1, 3, 4}) {
    for (const auto& [height, width] :
         std::vector<std::pair<int64_t, int64_t>>{{64, 64}, {31, 70}}) {
      const at::Tensor images = Images(16, channels, height, width), motion = Motion(16);
      const auto [share, most] =
          Difference(Moved(images, motion), MovedByOperators(images, motion));
      // Positions and sums are float32: 1e-5 of a pixel and 1e-4 gray levels apart, which is a tie
      // of the rounding in about so many values.
      EXPECT_LE(most, 1) << channels;
      EXPECT_LT(share, 1e-3) << channels;
    }
  }
}

TEST(Pixels, RepeatedChannelsStayEqual) {
  const at::Tensor images = Images(4, 1, 20, 30).expand({-1, 3, -1, -1}), motion = Motion(4);
  const at::Tensor moved = Moved(images, motion);
  EXPECT_TRUE(moved.select(1, 0).equal(moved.select(1, 2)));
  EXPECT_LE(Difference(moved, MovedByOperators(images, motion)).second, 1);
}

TEST(Pixels, SurvivesMapsThatLeadNowhere) {
  at::Tensor motion = Motion(3);
  motion[0].slice(0, 0, 6).fill_(1e30);
  motion[1].slice(0, 0, 6).fill_(-1e30);
  motion[2].slice(0, 0, 6).fill_(NAN);
  const at::Tensor images = Images(3, 1, 8, 8);
  Moved(images, motion);
  MovedMasks(at::zeros({3, 8, 8}, at::kLong), motion);
}

TEST(Pixels, MasksEqualOperatorsButForTies) {
  at::Tensor masks = at::randint(5, {16, 40, 50}, at::kLong);
  masks[0][3].fill_(pipeline::kIgnoredLabel);
  const at::Tensor motion = Motion(16);
  const at::Tensor ours = MovedMasks(masks, motion), theirs = MovedMasksByOperators(masks, motion);
  EXPECT_GT((ours == pipeline::kIgnoredLabel).sum().item<int64_t>(), 100);
  // A position within 1e-5 of the border between two pixels.
  EXPECT_LT((ours != theirs).to(at::kDouble).mean().item<double>(), 1e-3);
}

TEST(Pixels, ScaledEqualsOperators) {
  const at::Tensor images = at::randint(256, {3, 9, 37, 3}, at::kByte).permute({0, 3, 1, 2});
  const at::Tensor factor = at::tensor({0.01F, -0.02F, 0.017F}),
                   shift = at::tensor({1.F, 2.F, -2.F});
  for (const at::Tensor& form :
       {images, images.contiguous(), images.flip({3}),
        images.slice(1, 0, 1).expand({-1, 3, -1, -1}), images.slice(3, 3, 20)}) {
    const at::Tensor ours = Scaled(form, factor, shift);
    // One rounding more or less of values up to 6.
    EXPECT_LE((ours - ScaledByOperators(form, factor, shift)).abs().max().item<double>(), 1e-6);
  }
  EXPECT_TRUE(Scaled(images, factor, shift).is_contiguous(at::MemoryFormat::ChannelsLast));
  EXPECT_TRUE(Scaled(images.contiguous(), factor, shift).is_contiguous());
}

}  // namespace
}  // namespace plugins
