// The stage that sums losses: values by hand, weights as they change, and what does not fit.
#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/full.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/nn/module.h>

#include "tests/stages.h"

namespace {

using pipeline::Specs;
using pipeline::Step;
using pipeline::TensorSpec;
using testing_support::Built;
using testing_support::RunOnce;
using testing_support::TrainStep;

const TensorSpec kLabels{at::kLong, {-1}, 50};

// `counts`: images of each class in TRAIN.
pipeline::DataInfo DataOf(const std::vector<int64_t>& counts) {
  pipeline::DataInfo data;
  data.class_counts[0] = counts;
  return data;
}

Built Build(const std::string& url, const std::string& options, const Specs& in,
            const std::vector<int64_t>& counts = {}) {
  return testing_support::Build(url, options, in, DataOf(counts));
}

std::string BuildError(const std::string& url, const std::string& options, const Specs& in,
                       const std::vector<int64_t>& counts = {}) {
  return testing_support::BuildError(url, options, in, DataOf(counts));
}

const Specs kClassify = {{"logits", {at::kFloat, {-1, 3}, 2}}, {"labels", kLabels}};
constexpr char kTwoTerms[] =
    "term { [losses/CategoricalCrossEntropy] {} } term { [losses/SmoothL1] {} } "
    "loss_weights: [2, 0.5]";

TEST(FusedLoss, IsTheWeightedSumOfItsTerms) {
  const Built fused = Build("plugins/FusedLoss", kTwoTerms, kClassify);
  const at::Tensor logits = at::tensor({1.0F, 2.0F, 3.0F, 0.0F, 0.0F, 0.0F}).reshape({2, 3});
  const at::Tensor labels = at::tensor({2, 0}, at::kLong);
  const double total =
      RunOnce(*fused.stage, {{"logits", logits}, {"labels", labels}}).at("total").item<double>();
  // By hand: -log softmax and half the mean squared distance to the one-hot target.
  const double z = std::exp(1) + std::exp(2) + std::exp(3);
  const double p[3] = {std::exp(1) / z, std::exp(2) / z, std::exp(3) / z};
  const double entropy = (-std::log(p[2]) + std::log(3.0)) / 2;
  const double first = (p[0] * p[0] + p[1] * p[1] + (1 - p[2]) * (1 - p[2])) / 6;
  const double second = (4.0 / 9 + 1.0 / 9 + 1.0 / 9) / 6;
  EXPECT_NEAR(total, 2 * entropy + 0.5 * (first + second) / 2, 1e-6);  // float32
}

TEST(FusedLoss, ReportsTermsWeightsAndShares) {
  const Built fused = Build("plugins/FusedLoss", kTwoTerms, kClassify);
  const at::Tensor logits = at::randn({4, 3}).requires_grad_();
  RunOnce(*fused.stage, {{"logits", logits}, {"labels", at::tensor({0, 1, 2, 0}, at::kLong)}});
  pipeline::Report report;
  fused.stage->EndPhase(Step{}, "loss", &report);
  EXPECT_NEAR(
      report.Find("loss.total"),
      2 * report.Find("loss.categorical_cross_entropy") + 0.5 * report.Find("loss.smooth_l1"),
      1e-9);
  EXPECT_EQ(report.Find("weight.categorical_cross_entropy"), 2);
  EXPECT_EQ(report.Find("weight.smooth_l1"), 0.5);
  EXPECT_NEAR(report.Find("gradient_share.categorical_cross_entropy") +
                  report.Find("gradient_share.smooth_l1"),
              1, 1e-9);
  EXPECT_GT(report.Find("gradient_share.categorical_cross_entropy"), 0.8);
}

TEST(FusedLoss, NumbersTermsOfOneKind) {
  const Built fused =
      Build("plugins/FusedLoss",
            "term { [losses/SmoothL1] {} } term { [losses/SmoothL1] { beta: 0 } }", kClassify);
  pipeline::Report report;
  fused.stage->EndPhase(Step{}, "loss", &report);
  EXPECT_FALSE(std::isnan(report.Find("loss.smooth_l1_2")));
}

TEST(FusedLoss, IgnoresIgnoredLabels) {
  const Built fused = Build("plugins/FusedLoss", kTwoTerms, kClassify);
  const at::Tensor logits = at::randn({4, 3});
  const auto total = [&](const at::Tensor& z, const at::Tensor& y) {
    return RunOnce(*fused.stage, {{"logits", z}, {"labels", y}}).at("total").item<float>();
  };
  const float cropped = total(logits.slice(0, 0, 2), at::tensor({1, 2}, at::kLong));
  EXPECT_FLOAT_EQ(total(logits, at::tensor({1, 2, -100, -100}, at::kLong)), cropped);
  EXPECT_EQ(total(logits, at::full({4}, -100, at::kLong)), 0);
}

TEST(FusedLoss, RefusesLabelsOutOfRange) {
  const Built fused = Build("plugins/FusedLoss", kTwoTerms, kClassify);
  for (const int64_t wrong : {int64_t{3}, int64_t{-1}, int64_t{1} << 40}) {
    pipeline::Tensors out;
    const absl::Status status = fused.stage->Run(
        Step{}, {{"logits", at::randn({2, 3})}, {"labels", at::full({2}, wrong, at::kLong)}}, &out);
    EXPECT_EQ(status.message(),
              "labels must be in [0, 3) or -100 (ignored); got " + std::to_string(wrong));
  }
}

TEST(FusedLoss, RefusesShapesThatDoNotFit) {
  Specs specs = kClassify;
  specs["labels"].shape = {-1, 8, 6};
  EXPECT_EQ(BuildError("plugins/FusedLoss", kTwoTerms, specs),
            "labels of shape [-1, 8, 6] do not fit logits of shape [-1, 3]");
  EXPECT_EQ(BuildError("plugins/FusedLoss", "", kClassify),
            "[plugins/FusedLoss] needs at least one term");
}

// The total for logits log(p), so that p are the probabilities.
double TotalOf(const Built& fused, const at::Tensor& p, const at::Tensor& labels,
               const Step& step = {}) {
  return RunOnce(*fused.stage, {{"logits", p.log()}, {"labels", labels}}, step)
      .at("total")
      .item<double>();
}

// Probabilities of three classes for three samples of class 0: right, wrong, and very wrong.
const at::Tensor kThree =
    at::tensor({0.7F, 0.2F, 0.1F, 0.3F, 0.6F, 0.1F, 0.1F, 0.05F, 0.85F}).reshape({3, 3});
const at::Tensor kZeros = at::zeros({3}, at::kLong);

constexpr double kFloatError = 1e-6;

TEST(FusedLoss, WeighsSamplesWithALikelyWrongClass) {
  const char kTerm[] = "term { [losses/CategoricalCrossEntropy] {} } difficulty_weight: 1.5 ";
  const double easy = -std::log(0.7), wrong = -std::log(0.3), worst = -std::log(0.1);
  const auto total = [&](const std::string& threshold) {
    const Built fused = Build("plugins/FusedLoss", kTerm + threshold, kClassify);
    return TotalOf(fused, kThree, kZeros);
  };
  EXPECT_NEAR(total(""), (easy + 2.5 * wrong + 2.5 * worst) / 6, kFloatError);
  EXPECT_NEAR(total("hard_negative_threshold: 0.8"), (easy + wrong + 2.5 * worst) / 4.5,
              kFloatError);
  EXPECT_NEAR(total("hard_negative_threshold: 1"), (easy + wrong + worst) / 3, kFloatError);
  EXPECT_NEAR(total("hard_negative_threshold: 0"), (easy + wrong + worst) / 3, kFloatError);
}

TEST(FusedLoss, DoesNotLookForHardSamplesAmongTheIgnored) {
  const Built fused =
      Build("plugins/FusedLoss",
            "term { [losses/CategoricalCrossEntropy] {} } difficulty_weight: 1", kClassify);
  EXPECT_NEAR(TotalOf(fused, kThree, at::tensor({0, 0, -100}, at::kLong)),
              (-std::log(0.7) - 2 * std::log(0.3)) / 3, kFloatError);
}

TEST(FusedLoss, LetsTheFocalTermFade) {
  const Built fused = Build("plugins/FusedLoss",
                            "term { [losses/Focal] { gamma: 0 focal_weight_decay: 0.9 } } "
                            "term { [losses/Mse] {} } loss_weights: [2, 0]",
                            kClassify);
  const double entropy = -(std::log(0.7) + std::log(0.3) + std::log(0.1)) / 3;
  for (const int64_t epoch : {0, 1, 7}) {
    const double weight = 2 * std::pow(0.9, static_cast<double>(epoch));
    EXPECT_NEAR(TotalOf(fused, kThree, kZeros, TrainStep({0, 1, 2}, epoch)), weight * entropy,
                2 * kFloatError);
    pipeline::Report report;
    fused.stage->EndPhase(TrainStep({}, epoch), "loss", &report);
    EXPECT_NEAR(report.Find("weight.focal"), weight, 1e-12);
    EXPECT_NEAR(report.Find("loss.focal"), entropy, kFloatError) << "without its weight";
  }
}

TEST(FusedLoss, LetsGammaGrowUpToABound) {
  const Built fused =
      Build("plugins/FusedLoss",
            "term { [losses/Focal] { gamma: 1 adaptive_gamma: true epoch_scaling_factor: 0.5 "
            "max_gamma: 3 } }",
            kClassify);
  for (const auto& [epoch, gamma] :
       std::vector<std::pair<int64_t, double>>{{0, 1}, {1, 1.5}, {3, 2.5}, {4, 3}, {100, 3}}) {
    double mean = 0;
    for (const double p : {0.7, 0.3, 0.1}) mean -= std::pow(1 - p, gamma) * std::log(p) / 3;
    EXPECT_NEAR(TotalOf(fused, kThree, kZeros, TrainStep({0, 1, 2}, epoch)), mean, kFloatError)
        << epoch;
  }
}

TEST(FusedLoss, TakesAlphaFromTheTrainingSet) {
  const Built fused =
      Build("plugins/FusedLoss", "term { [losses/Focal] { gamma: 0 auto_alpha: true } }", kClassify,
            {10, 20, 70});
  EXPECT_NEAR(TotalOf(fused, kThree.slice(0, 0, 1), at::tensor({0}, at::kLong)),
              -std::log(0.7) * 100 / 3 / 10, 1e-5);
  EXPECT_NEAR(TotalOf(fused, kThree.slice(0, 0, 1), at::tensor({2}, at::kLong)),
              -std::log(0.1) * 100 / 3 / 70, 1e-5);
}

TEST(FusedLoss, WeighsClasses) {
  const at::Tensor labels = at::tensor({0, 1, 2}, at::kLong);
  const double entropy[] = {-std::log(0.7), -std::log(0.6), -std::log(0.85)};
  const auto expect = [&](const std::string& options, const std::vector<double>& weights) {
    const Built fused =
        Build("plugins/FusedLoss", "term { [losses/CategoricalCrossEntropy] {} } " + options,
              kClassify, {10, 20, 70});
    double sum = 0, amount = 0;
    for (int c = 0; c < 3; ++c) {
      sum += weights[c] * entropy[c];
      amount += weights[c];
    }
    EXPECT_NEAR(TotalOf(fused, kThree, labels), sum / amount, kFloatError) << options;
  };
  expect("class_weight: [1, 0, 3]", {1, 0, 3});
  expect("class_weights: BALANCED", {1.0 / 10, 1.0 / 20, 1.0 / 70});
  // Cui et al. 2019: 1 / effective number, (1 - b^n) / (1 - b).
  const auto effective = [](double b, double n) { return (1 - b) / (1 - std::pow(b, n)); };
  expect("class_weights: EFFECTIVE_NUMBER effective_number_beta: 0.9",
         {effective(0.9, 10), effective(0.9, 20), effective(0.9, 70)});
  expect("class_weights: EFFECTIVE_NUMBER",
         {effective(0.999, 10), effective(0.999, 20), effective(0.999, 70)});
}

TEST(FusedLoss, RefusesClassWeightsThatCannotBe) {
  const char kTerm[] = "term { [losses/CategoricalCrossEntropy] {} } ";
  EXPECT_EQ(BuildError("plugins/FusedLoss", std::string(kTerm) + "class_weights: BALANCED",
                       kClassify, {3, 0, 1}),
            "class_weights: class 1 has no training images");
  pipeline::DataInfo named = DataOf({3, 0, 1});
  named.classes = {"cat", "dog", "owl"};
  EXPECT_EQ(
      testing_support::BuildError("plugins/FusedLoss",
                                  std::string(kTerm) + "class_weights: BALANCED", kClassify, named),
      "class_weights: class \"dog\" has no training images");
  EXPECT_EQ(
      BuildError("plugins/FusedLoss", std::string(kTerm) + "class_weights: BALANCED", kClassify),
      "class_weights: this dataset does not count its classes");
}

TEST(FusedLoss, TakesASumAsOneTerm) {
  const Built fused =
      Build("plugins/FusedLoss",
            "term { [losses/Sum] { term { [losses/Focal] { gamma: 0 focal_weight_decay: 0.5 } } "
            "term { [losses/Mse] {} } loss_weights: [1, 3] } } loss_weights: [2]",
            kClassify);
  const double entropy = -(std::log(0.7) + std::log(0.3) + std::log(0.1)) / 3;
  double square = 0;
  for (int i = 0; i < 3; ++i) {
    for (int c = 0; c < 3; ++c) {
      square += std::pow(kThree[i][c].item<double>() - (c == 0 ? 1 : 0), 2) / 9;
    }
  }
  const double sum = 0.25 * entropy + 3 * square;
  EXPECT_NEAR(TotalOf(fused, kThree, kZeros, TrainStep({0, 1, 2}, 2)), 2 * sum, 4 * kFloatError);
  pipeline::Report report;
  fused.stage->EndPhase(TrainStep({}, 2), "loss", &report);
  EXPECT_NEAR(report.Find("loss.focal+mse"), sum, 2 * kFloatError);
  EXPECT_EQ(report.Find("weight.focal+mse"), 2);
}

// torch.nn.functional.cross_entropy(z, y, weight, label_smoothing=0.1), of its documentation: the
// smooth part weighs each class; both parts are divided by the weights of the labels.
TEST(FusedLoss, WeighsClassesInsideSmoothedLabelsAsTorchDoes) {
  const Built fused = Build("plugins/FusedLoss",
                            "term { [losses/CategoricalCrossEntropy] { label_smoothing: 0.1 } } "
                            "class_weight: [0.5, 3, 1]",
                            kClassify);
  const double w[] = {0.5, 3, 1};
  const int labels[] = {1, 0, 2};
  double sum = 0, amount = 0;
  for (int i = 0; i < 3; ++i) {
    sum -= 0.9 * w[labels[i]] * std::log(kThree[i][labels[i]].item<double>());
    for (int c = 0; c < 3; ++c) sum -= 0.1 / 3 * w[c] * std::log(kThree[i][c].item<double>());
    amount += w[labels[i]];
  }
  EXPECT_NEAR(TotalOf(fused, kThree, at::tensor({1, 0, 2}, at::kLong)), sum / amount, kFloatError);
}

// With d total / d s of -exp(-s) L + 1/2 at s = 0, by Kendall et al.
TEST(FusedLoss, LearnsUncertainties) {
  const Built fused =
      Build("plugins/FusedLoss", std::string(kTwoTerms) + " dynamic_loss_weighting: UNCERTAINTY",
            kClassify);
  const auto parameters = fused.stage->module()->parameters();
  ASSERT_EQ(parameters.size(), 1);
  const at::Tensor total =
      RunOnce(*fused.stage, {{"logits", kThree.log()}, {"labels", kZeros}}).at("total");
  const at::Tensor slope = torch::autograd::grad({total}, {parameters[0]})[0];
  pipeline::Report report;
  fused.stage->EndPhase(Step{}, "loss", &report);
  EXPECT_NEAR(slope[0].item<double>(), 0.5 - 2 * report.Find("loss.categorical_cross_entropy"),
              1e-5);
  EXPECT_NEAR(slope[1].item<double>(), 0.5 - 0.5 * report.Find("loss.smooth_l1"), 1e-5);
}

TEST(FusedLoss, WeighsOutsideTrainingAsInTheLastStep) {
  const Built fused = Build(
      "plugins/FusedLoss", std::string(kTwoTerms) + " dynamic_loss_weighting: GRADNORM", kClassify);
  RunOnce(*fused.stage, {{"logits", kThree.log().requires_grad_()}, {"labels", kZeros}},
          TrainStep({0, 1, 2}));
  pipeline::Report train, val;
  fused.stage->EndPhase(TrainStep({}), "loss", &train);
  EXPECT_EQ(train.Find("weight.smooth_l1"), 0.5) << "factors begin at 1";
  Step step;
  step.phase = pipeline::VAL;
  RunOnce(*fused.stage, {{"logits", kThree.log()}, {"labels", kZeros}}, step);
  fused.stage->EndPhase(step, "loss", &val);
  EXPECT_GT(val.Find("weight.smooth_l1"), 0.5) << "the weaker gradient gains";
  EXPECT_LT(val.Find("weight.categorical_cross_entropy"), 2);
}

}  // namespace
