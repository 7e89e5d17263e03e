// Fusions of losses, and the weights of their labels.
#include "losses/fusion.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/randint.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <cmath>
#include <cstdlib>
#include <limits>

#include "kernels/simd.h"
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
  pipeline::SeedGenerators(5);
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
  pipeline::SeedGenerators(6);
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
  pipeline::SeedGenerators(7);
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
