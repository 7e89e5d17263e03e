// Losses in block form against their tensor form.
#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/full.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/rand_like.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/randn_like.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "losses/fusion.h"
#include "pipeline/training/device.h"
#include "tests/fusions.h"

namespace {

using losses::Fuse;
using losses::Loss;
using losses::Term;
using testing_support::Batch;
using testing_support::kStep;
using testing_support::Make;
using testing_support::RandomBatch;
using testing_support::RelativeError;
using testing_support::Result;
using testing_support::RunFusion;

struct Variant {
  const char* loss;
  const char* options;
};

// Every option that changes the block form.
const Variant kVariants[] = {
    {"BinaryCrossEntropy", ""},
    {"Calibration", ""},
    {"CategoricalCrossEntropy", ""},
    {"CategoricalCrossEntropy", "label_smoothing: 0.1"},
    {"Dice", ""},
    {"Dice", "squared: true"},
    {"Dice", "sums: PER_BATCH smooth_numerator: 1 smooth_denominator: 1"},
    {"Dice", "empty: SKIP"},
    {"Dice", "empty: CLEAN squared: true"},
    {"Focal", ""},
    {"Focal", "gamma: 0"},
    {"Focal", "gamma: 0.25"},
    {"Focal", "gamma: 1"},
    {"Focal", "gamma: 0.5 alpha: 0.25"},
    {"Focal", "gamma: 5"},
    {"Mse", ""},
    {"SmoothL1", ""},
    {"SmoothL1", "beta: 0.1"},
    {"SmoothL1", "beta: 0"},
    {"Tversky", ""},
    {"Tversky", "alpha: 0.3 beta: 0.7 gamma: 0.75"},
    {"Tversky", "sums: PER_BATCH gamma: 2"},
};

class BlockForm : public testing::TestWithParam<Variant> {
 protected:
  void SetUp() override {
    pipeline::SeedGenerators(3);
    loss_ = Make(GetParam().loss, GetParam().options);
  }
  std::unique_ptr<Loss> loss_;
};

TEST_P(BlockForm, EqualsTheTensorForm) {
  const std::vector<std::vector<int64_t>> shapes = {
      {64, 7}, {5, 2}, {1500, 3}, {3, 7, 30, 41}, {2, 2, 50, 50}, {2, 19, 16, 16}, {1, 3, 1, 1}};
  for (const auto& shape : shapes) {
    for (const double scale : {1.0, 8.0}) {
      for (const bool ignored : {false, true}) {
        for (const bool weighted : {false, true}) {
          const Batch batch = RandomBatch(shape, scale, ignored, weighted);
          const std::vector<Term> terms = {{loss_.get(), 1.5}};
          const Result expected = RunFusion(batch, terms, at::kDouble, false);
          std::vector<at::MemoryFormat> formats = {at::MemoryFormat::Contiguous};
          if (shape.size() == 4) formats.push_back(at::MemoryFormat::ChannelsLast);
          for (const auto format : formats) {
            const Result found = RunFusion(batch, terms, at::kFloat, true, format);
            // Rounding of logits and sums to 24 bits; derivatives by exp multiply it by |logit|.
            EXPECT_NEAR(found.total, expected.total, 2e-6 * std::max(1.0, expected.total))
                << shape << " " << scale << ignored << weighted;
            // Where the terms of a pixel's gradient cancel, an error of their size is left.
            const double left = 1.5e-7 / static_cast<double>(batch.labels.numel()) /
                                expected.gradient.norm().item<double>();
            EXPECT_LT(RelativeError(found.gradient, expected.gradient), 1e-5 + left)
                << shape << " " << scale << ignored << weighted;
            const auto amount = expected.value.account[1][0].item<double>();
            EXPECT_NEAR(found.value.account[1][0].item<double>(), amount, 1e-5 * amount);
          }
        }
      }
    }
  }
}

TEST_P(BlockForm, IsFiniteForHugeLogits) {
  for (const double scale : {1e2, 1e4}) {
    const Batch batch = RandomBatch({4, 3, 9, 5}, scale, true, true);
    for (const bool use_blocks : {false, true}) {
      const Result found = RunFusion(batch, {{loss_.get(), 1}}, at::kFloat, use_blocks);
      EXPECT_TRUE(std::isfinite(found.total)) << use_blocks;
      EXPECT_TRUE(found.gradient.isfinite().all().item<bool>()) << use_blocks;
    }
  }
}

TEST_P(BlockForm, DoesNotSeeIgnoredPixels) {
  for (const auto& shape : std::vector<std::vector<int64_t>>{{40, 3}, {2, 3, 30, 20}}) {
    Batch batch = RandomBatch(shape, 2, true, false);
    const Result before = RunFusion(batch, {{loss_.get(), 1}}, at::kFloat, true);
    const at::Tensor ignored = (batch.labels < 0).unsqueeze(1);
    batch.logits = batch.logits + ignored * at::randn_like(batch.logits) * 100;
    batch.logits.masked_fill_(ignored & (at::rand_like(batch.logits) < 0.1),
                              std::numeric_limits<double>::infinity());
    const Result after = RunFusion(batch, {{loss_.get(), 1}}, at::kFloat, true);
    EXPECT_EQ(before.total, after.total);
    EXPECT_TRUE(before.gradient.equal(after.gradient));
    EXPECT_EQ(after.gradient.masked_select(ignored).abs().sum().item<double>(), 0);
  }
}

TEST_P(BlockForm, IsZeroWhereEverythingIsIgnored) {
  Batch batch = RandomBatch({2, 3, 8, 8}, 2, false, false);
  batch.labels.fill_(pipeline::kIgnoredLabel);
  batch.weight = at::zeros({2, 8, 8}, at::kDouble);
  const Result found = RunFusion(batch, {{loss_.get(), 1}}, at::kFloat, true);
  EXPECT_EQ(found.total, 0);
  EXPECT_EQ(found.gradient.abs().sum().item<double>(), 0);
}

TEST_P(BlockForm, DoesNotSeeWeightsOfOne) {
  Batch batch = RandomBatch({3, 4, 9, 7}, 2, false, false);
  const Result without = RunFusion(batch, {{loss_.get(), 1}}, at::kFloat, true);
  batch.weight = at::ones({3, 9, 7}, at::kDouble);
  const Result with = RunFusion(batch, {{loss_.get(), 1}}, at::kFloat, true);
  EXPECT_EQ(without.total, with.total);
  EXPECT_TRUE(without.gradient.equal(with.gradient));
}

TEST_P(BlockForm, DoesNotDependOnThreads) {
  const Batch batch = RandomBatch({3, 5, 64, 50}, 2, true, true);
  const int before = at::get_num_threads();
  at::set_num_threads(1);
  const Result one = RunFusion(batch, {{loss_.get(), 1}}, at::kFloat, true);
  for (const int threads : {2, 3}) {
    at::set_num_threads(threads);
    const Result many = RunFusion(batch, {{loss_.get(), 1}}, at::kFloat, true);
    if (loss_->pixel_form() == nullptr && loss_->ratio_form() == nullptr) continue;
    EXPECT_TRUE(one.value.account.equal(many.value.account));
    EXPECT_TRUE(one.gradient.equal(many.gradient));
  }
  at::set_num_threads(before);
}

TEST_P(BlockForm, SaysThatItHasNoSecondDerivative) {
  if (loss_->pixel_form() == nullptr && loss_->ratio_form() == nullptr) return;
  const at::Tensor leaf = at::randn({4, 3}).requires_grad_();
  const auto value = Fuse(kStep, leaf, at::zeros({4}, at::kLong), {}, {{loss_.get(), 1}});
  try {
    torch::autograd::grad({value.total}, {leaf}, {}, true, /*create_graph=*/true);
    FAIL() << "no error";
  } catch (const c10::Error& error) {
    EXPECT_THAT(error.what_without_backtrace(),
                testing::HasSubstr("the block form of a loss has no second derivative"));
  }
}

TEST_P(BlockForm, PassesOnTheIncomingGradient) {
  const Batch batch = RandomBatch({6, 4}, 1, false, false);
  const at::Tensor leaf = batch.logits.to(at::kFloat).requires_grad_();
  const auto value = Fuse(kStep, leaf, batch.labels, {}, {{loss_.get(), 1}});
  const auto once = torch::autograd::grad({value.total}, {leaf}, {}, true)[0];
  const auto thrice = torch::autograd::grad({value.total * 3}, {leaf})[0];
  EXPECT_LT(RelativeError(thrice, once * 3), 1e-6);
}

INSTANTIATE_TEST_SUITE_P(Variants, BlockForm, testing::ValuesIn(kVariants));

TEST(BlockForms, ExistForAllSevenLosses) {
  for (const char* name : {"Tversky", "SmoothL1", "Focal", "CategoricalCrossEntropy", "Mse", "Dice",
                           "BinaryCrossEntropy"}) {
    const auto loss = Make(name);
    EXPECT_TRUE(loss->pixel_form() != nullptr || loss->ratio_form() != nullptr) << name;
  }
}

TEST(BlockForms, SmoothLabelsWithWeightsOfClasses) {
  pipeline::SeedGenerators(8);
  const auto smooth = Make("CategoricalCrossEntropy", "label_smoothing: 0.3"), dice = Make("Dice"),
             square = Make("Mse");
  losses::Classes classes;
  classes.count = 4;
  classes.weights = {0.5, 3, 0, 1};
  ASSERT_TRUE(smooth->Prepare(classes).ok());
  const at::Tensor table = at::tensor(classes.weights, at::kDouble);
  // With nothing else, with a loss that has slopes of its own, and with one that takes a first
  // pass.
  const std::vector<std::vector<Term>> fusions = {
      {{smooth.get(), 2}},
      {{smooth.get(), 2}, {square.get(), 1}},
      {{smooth.get(), 2}, {dice.get(), 1}, {square.get(), 1}}};
  for (const auto& shape : std::vector<std::vector<int64_t>>{{70, 4}, {2, 4, 40, 30}}) {
    for (const double scale : {1.0, 30.0}) {
      Batch batch = RandomBatch(shape, scale, true, true);
      batch.weight = batch.weight * table.take(batch.labels.clamp_min(0));
      for (const auto& terms : fusions) {
        const Result expected = RunFusion(batch, terms, at::kDouble, false);
        std::vector<at::MemoryFormat> formats = {at::MemoryFormat::Contiguous};
        if (shape.size() == 4) formats.push_back(at::MemoryFormat::ChannelsLast);
        for (const auto format : formats) {
          const Result found = RunFusion(batch, terms, at::kFloat, true, format);
          EXPECT_NEAR(found.total, expected.total, 2e-6 * expected.total) << shape << scale;
          EXPECT_LT(RelativeError(found.gradient, expected.gradient), 1e-5) << shape << scale;
        }
      }
    }
  }
}

// Logits further apart than floats' exponents reach.
TEST(BlockForms, HaveNoCapForDistantLogits) {
  const std::pair<const char*, const char*> kinds[] = {
      {"BinaryCrossEntropy", ""},
      {"CategoricalCrossEntropy", ""},
      {"CategoricalCrossEntropy", "label_smoothing: 0.1"}};
  for (const auto& [name, options] : kinds) {
    const auto loss = Make(name, options);
    for (const double gap : {40.0, 63.0, 66.0, 79.0, 81.0, 100.0, 110.0, 300.0, 2e4}) {
      Batch batch;
      batch.logits = at::tensor({0.0, -gap, -gap - 2, 0.0, -gap, -2 * gap, 0.0, -1.0, -gap,  //
                                 -gap, -gap / 2, 0.0, 0.0, 0.0, -gap},
                                at::kDouble)
                         .reshape({5, 3});
      for (const int64_t label : {0, 1, 2}) {
        batch.labels = at::full({5}, label, at::kLong);
        const Result expected = RunFusion(batch, {{loss.get(), 1}}, at::kDouble, false);
        const Result found = RunFusion(batch, {{loss.get(), 1}}, at::kFloat, true);
        EXPECT_NEAR(found.total, expected.total, 2e-6 * std::max(1.0, expected.total))
            << name << " " << gap << " " << label;
        EXPECT_LT(RelativeError(found.gradient, expected.gradient), 1e-5)
            << name << " " << gap << " " << label;
      }
    }
  }
}

}  // namespace
