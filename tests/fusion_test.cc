// Losses in block form against their tensor form, and fusions of them.
#include "losses/fusion.h"

#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/rand.h>
#include <ATen/ops/rand_like.h>
#include <ATen/ops/randint.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/randn_like.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <cmath>
#include <cstdlib>
#include <limits>

#include "kernels/simd.h"
#include "tests/oracle.h"

namespace {

using losses::Fuse;
using losses::FusedValue;
using losses::Loss;
using losses::Term;
using testing_support::PluginOf;

const pipeline::Step kStep;

std::unique_ptr<Loss> Make(const std::string& name, const std::string& options = "") {
  auto made = losses::Losses::Get().Create(PluginOf("losses/" + name, options));
  EXPECT_TRUE(made.ok()) << made.status();
  return *std::move(made);
}

struct Batch {
  at::Tensor logits, labels, weight;  // float64
};

// With ignored labels, if `ignored`, and weights of 0.5 to 1.5, if `weighted`.
Batch RandomBatch(const std::vector<int64_t>& shape, double scale, bool ignored, bool weighted) {
  std::vector<int64_t> label_shape = shape;
  label_shape.erase(label_shape.begin() + 1);
  Batch batch = {at::randn(shape, at::kDouble) * scale,
                 at::randint(shape[1], label_shape, at::kLong), at::Tensor()};
  if (weighted) batch.weight = at::rand(label_shape, at::kDouble) + 0.5;
  if (ignored) {
    const at::Tensor out = at::rand(label_shape) < 0.2;
    batch.labels.masked_fill_(out, pipeline::kIgnoredLabel);
    if (!weighted) batch.weight = at::ones(label_shape, at::kDouble);
    batch.weight = batch.weight.masked_fill(out, 0);
  }
  return batch;
}

struct Result {
  double total = 0;
  at::Tensor gradient;
  FusedValue value;
};

Result RunFusion(const Batch& batch, const std::vector<Term>& terms, at::ScalarType type,
                 bool use_blocks, at::MemoryFormat format = at::MemoryFormat::Contiguous) {
  const at::Tensor leaf =
      batch.logits.to(type).contiguous(format).detach().clone(format).requires_grad_();
  const at::Tensor weight = batch.weight.defined() ? batch.weight.to(type) : batch.weight;
  Result result;
  result.value = Fuse(kStep, leaf, batch.labels, weight, terms, use_blocks);
  result.total = result.value.total.item<double>();
  result.gradient = torch::autograd::grad({result.value.total}, {leaf})[0];
  return result;
}

double RelativeError(const at::Tensor& a, const at::Tensor& b) {
  const at::Tensor expected = b.to(at::kDouble);
  return ((a.to(at::kDouble) - expected).norm() / expected.norm().clamp_min(1e-30)).item<double>();
}

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
    at::manual_seed(3);
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
            EXPECT_NEAR(found.value.amounts[0], expected.value.amounts[0],
                        1e-5 * expected.value.amounts[0]);
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
    EXPECT_EQ(one.value.sums, many.value.sums);
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

// ---- fusions ----

const char* const kSeven[] = {"Tversky", "SmoothL1",           "Focal", "CategoricalCrossEntropy",
                              "Mse",     "BinaryCrossEntropy", "Dice"};

// All sets of one, two or three of the seven.
std::vector<std::vector<int>> Fusions() {
  std::vector<std::vector<int>> sets;
  for (int a = 0; a < 7; ++a) {
    sets.push_back({a});
    for (int b = a + 1; b < 7; ++b) {
      sets.push_back({a, b});
      for (int c = b + 1; c < 7; ++c) sets.push_back({a, b, c});
    }
  }
  return sets;
}

TEST(Fusions, AreTheWeightedSumOfTheirTerms) {
  at::manual_seed(5);
  std::vector<std::unique_ptr<Loss>> losses;
  for (const char* name : kSeven) losses.push_back(Make(name));
  const auto fusions = Fusions();
  ASSERT_EQ(fusions.size(), 63);
  for (const auto& shape : std::vector<std::vector<int64_t>>{{9, 4}, {2, 3, 12, 11}}) {
    const Batch batch = RandomBatch(shape, 2, true, true);
    for (const std::vector<int>& fusion : fusions) {
      std::vector<Term> terms;
      double total = 0;
      at::Tensor gradient = at::zeros_like(batch.logits);
      for (const int i : fusion) {
        terms.push_back({losses[i].get(), 0.5 + i});
        const Result alone = RunFusion(batch, {terms.back()}, at::kDouble, false);
        total += alone.total;
        gradient += alone.gradient;
      }
      const Result exact = RunFusion(batch, terms, at::kDouble, false);
      EXPECT_NEAR(exact.total, total, 1e-10);
      EXPECT_LT(RelativeError(exact.gradient, gradient), 1e-10);
      const Result fast = RunFusion(batch, terms, at::kFloat, true);
      EXPECT_TRUE(std::isfinite(fast.total));
      EXPECT_NEAR(fast.total, total, 2e-6 * total);
      EXPECT_LT(RelativeError(fast.gradient, gradient), 1e-5);
    }
  }
}

// A loss as an author first writes it.
class TensorFormAlone : public Loss {
 public:
  losses::LossValue operator()(const losses::LossInput& input) override {
    return losses::PerSample(input, (1 - losses::AtTarget(input, input.probabilities())).square());
  }
};

TEST(Fusions, MixBothForms) {
  at::manual_seed(6);
  const auto fast = Make("Dice");
  const auto slow = std::make_unique<TensorFormAlone>();
  const Batch batch = RandomBatch({2, 3, 6, 7}, 1, true, true);
  const std::vector<Term> terms = {{fast.get(), 2}, {slow.get(), 1}};
  const Result expected = RunFusion(batch, terms, at::kDouble, false);
  const Result found = RunFusion(batch, terms, at::kFloat, true);
  EXPECT_NEAR(found.total, expected.total, 1e-6);
  EXPECT_LT(RelativeError(found.gradient, expected.gradient), 1e-6);
}

TEST(Fusions, WidenHalfPrecision) {
  at::manual_seed(7);
  const auto loss = Make("Mse");
  const at::Tensor logits = at::randn({6, 3}).to(at::kBFloat16);
  const at::Tensor labels = at::randint(3, {6}, at::kLong);
  const at::Tensor narrow = logits.clone().requires_grad_();
  const auto value = Fuse(kStep, narrow, labels, {}, {{loss.get(), 1}});
  EXPECT_EQ(value.total.scalar_type(), at::kFloat);
  EXPECT_EQ(value.total.item<float>(),
            Fuse(kStep, logits.to(at::kFloat), labels, {}, {{loss.get(), 1}}).total.item<float>());
  EXPECT_EQ(torch::autograd::grad({value.total}, {narrow})[0].scalar_type(), at::kBFloat16);
}

// Logits further apart than floats' exponents reach.
TEST(BlockForms, SmoothLabelsWithWeightsOfClasses) {
  at::manual_seed(8);
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
      batch.weight = batch.weight * table.index({batch.labels.clamp_min(0)});
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

TEST(Fusions, GiveNaNForNaN) {
  const auto loss = Make("CategoricalCrossEntropy");
  at::Tensor logits = at::zeros({4, 3});
  logits[1][2] = std::numeric_limits<float>::quiet_NaN();
  const auto value = Fuse(kStep, logits, at::zeros({4}, at::kLong), {}, {{loss.get(), 1}});
  EXPECT_TRUE(std::isnan(value.total.item<float>()));
}

TEST(Fusions, AreZeroForAnEmptyBatch) {
  const auto loss = Make("Dice");
  const at::Tensor logits = at::zeros({0, 3, 4, 4}).requires_grad_();
  const auto value = Fuse(kStep, logits, at::zeros({0, 4, 4}, at::kLong), {}, {{loss.get(), 1}});
  EXPECT_EQ(value.total.item<float>(), 0);
}

TEST(InstructionSet, IsAtMostWhatTheEnvironmentAsksFor) {
  const char* const asked = std::getenv("LOSSFUSION_INSTRUCTION_SET");
  if (asked == nullptr) GTEST_SKIP() << "LOSSFUSION_INSTRUCTION_SET is not set";
  const auto most = std::string(asked) == "baseline" ? kernels::InstructionSet::kBaseline
                                                     : kernels::InstructionSet::kAvx2;
  EXPECT_LE(kernels::ChosenInstructionSet(), most);
}

// ---- labels ----

TEST(WeighLabels, IsNothingWhereAllWeighOne) {
  at::Tensor weight;
  ASSERT_TRUE(losses::WeighLabels(at::tensor({0, 1, 2}, at::kLong), 3, {}, &weight).ok());
  EXPECT_FALSE(weight.defined());
}

TEST(WeighLabels, FoldsIgnoredLabelsAndClasses) {
  at::Tensor weight;
  const at::Tensor labels = at::tensor({0, -100, 2, 1}, at::kLong);
  ASSERT_TRUE(losses::WeighLabels(labels, 3, {}, &weight).ok());
  EXPECT_TRUE(weight.equal(at::tensor({1.F, 0.F, 1.F, 1.F})));
  ASSERT_TRUE(losses::WeighLabels(labels, 3, {0.5, 2, 4}, &weight).ok());
  EXPECT_TRUE(weight.equal(at::tensor({0.5F, 0.F, 4.F, 2.F})));
}

TEST(WeighLabels, RefusesWhatIsNoClass) {
  at::Tensor weight;
  for (const int64_t wrong : {3, -1, -99, 1 << 30}) {
    const auto status =
        losses::WeighLabels(at::tensor({int64_t{0}, wrong}, at::kLong), 3, {}, &weight);
    EXPECT_EQ(status.message(),
              "labels must be in [0, 3) or -100 (ignored); got " + std::to_string(wrong));
  }
}

}  // namespace
