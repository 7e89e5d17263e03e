// Features of frozen backbones: computed once, and those of the image alone.
#include "plugins/frozen_features.h"

#include <ATen/ops/allclose.h>
#include <ATen/ops/rand.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

namespace {

using plugins::FrozenFeatures;

// Sums of channels, and how many images a call has.
struct Backbone {
  int64_t calls = 0, largest = 0, smallest = 1000;
  at::Tensor operator()(const at::Tensor& images) {
    ++calls;
    largest = std::max(largest, images.size(0));
    smallest = std::min(smallest, images.size(0));
    return images.sum({2, 3});
  }
};

TEST(FrozenFeatures, AreComputedOnceForEachImage) {
  FrozenFeatures features(1e9);
  Backbone backbone;
  const auto ask = [&](const at::Tensor& images) {
    return features.Of(images, [&](const at::Tensor& batch) { return backbone(batch); });
  };
  const at::Tensor images = at::rand({20, 2, 4, 4});
  EXPECT_TRUE(at::allclose(ask(images), images.sum({2, 3})));
  EXPECT_EQ(features.computed(), 20);
  // Every call has as many images, so that an image's features do not depend on the others.
  EXPECT_EQ(backbone.calls, 2);
  EXPECT_EQ(backbone.smallest, FrozenFeatures::kBatch);
  EXPECT_EQ(backbone.largest, FrozenFeatures::kBatch);
  const at::Tensor again = at::rand({20, 2, 4, 4});
  again[3].copy_(images[7]);
  EXPECT_TRUE(at::allclose(ask(again), again.sum({2, 3})));
  EXPECT_EQ(features.computed(), 39);
  EXPECT_EQ(features.asked(), 40);
}

TEST(FrozenFeatures, KeepNoMoreThanTheyMay) {
  FrozenFeatures features(3 * 2 * sizeof(float));  // three images of two features
  Backbone backbone;
  const at::Tensor images = at::rand({5, 2, 4, 4});
  for (int again = 0; again < 2; ++again) {
    EXPECT_TRUE(
        at::allclose(features.Of(images, [&](const at::Tensor& batch) { return backbone(batch); }),
                     images.sum({2, 3})));
  }
  EXPECT_EQ(features.computed(), 5 + 2);
}

}  // namespace
