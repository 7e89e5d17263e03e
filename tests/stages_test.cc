// The stages of the graph, one by one: values against OpenCV or by hand.
#include "tests/stages.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <torch/autograd.h>
#include <torch/nn/module.h>

#include "pipeline/stage.h"

namespace {

using pipeline::Specs;
using pipeline::Step;
using pipeline::Tensors;
using pipeline::TensorSpec;
using testing_support::Built;
using testing_support::RunOnce;
using testing_support::TrainStep;

const TensorSpec kRgb{at::kByte, {-1, 3, 8, 6}, 50};
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

at::Tensor RandomImages(int64_t n, int64_t channels, int64_t height, int64_t width) {
  return at::randint(256, {n, height, width, channels}, at::kByte).permute({0, 3, 1, 2});
}

TEST(Grayscale, EqualsPillow) {
  const Built gray = Build("plugins/Grayscale", "", {{"images", kRgb}});
  EXPECT_EQ(gray.specs.at("images").shape, (std::vector<int64_t>{-1, 1, 8, 6}));
  const auto oracle = testing_support::ReadOracle("tests/testdata/preprocess.json")["gray"];
  const at::Tensor rgb = testing_support::TensorOf<int64_t>(oracle["rgb"], {1, 1, 128, 3});
  const at::Tensor images = rgb.to(at::kByte).permute({0, 3, 1, 2});
  const at::Tensor out = RunOnce(*gray.stage, {{"images", images}}).at("images").flatten();
  const at::Tensor pillow = testing_support::TensorOf<int64_t>(oracle["pillow"], {128});
  const at::Tensor opencv = testing_support::TensorOf<int64_t>(oracle["opencv"], {128});
  EXPECT_TRUE(out.to(at::kLong).equal(pillow));
  // OpenCV's weights have other digits: a tie may round the other way.
  EXPECT_LE((out.to(at::kLong) - opencv).abs().max().item<int64_t>(), 1);
}

TEST(Grayscale, RepeatsTheChannelOnRequest) {
  const Built gray = Build("plugins/Grayscale", "channels: THREE", {{"images", kRgb}});
  const at::Tensor out = RunOnce(*gray.stage, {{"images", RandomImages(2, 3, 8, 6)}}).at("images");
  EXPECT_EQ(out.sizes(), at::IntArrayRef({2, 3, 8, 6}));
  EXPECT_TRUE(out.select(1, 0).equal(out.select(1, 2)));
}

TEST(Normalize, ScalesToUnit) {
  const Built normalize = Build("plugins/Normalize", "", {{"images", kRgb}});
  const at::Tensor images = at::arange(0, 144, at::kByte).reshape({1, 3, 8, 6});
  const at::Tensor out = RunOnce(*normalize.stage, {{"images", images}}).at("images");
  EXPECT_EQ(out.scalar_type(), at::kFloat);
  EXPECT_FLOAT_EQ(out[0][0][0][5].item<float>(), 5.0F / 255);
  EXPECT_FLOAT_EQ(out[0][2][7][5].item<float>(), 143.0F / 255);
}

TEST(Normalize, AppliesMeanAndStdPerChannel) {
  const Built normalize =
      Build("plugins/Normalize", "mean: [0.1, 0.2, 0.3] std: 0.5", {{"images", kRgb}});
  const at::Tensor out =
      RunOnce(*normalize.stage, {{"images", at::full({1, 3, 8, 6}, 255, at::kByte)}}).at("images");
  EXPECT_FLOAT_EQ(out[0][1][0][0].item<float>(), (1 - 0.2F) / 0.5F);
  EXPECT_FLOAT_EQ(out[0][2][0][0].item<float>(), (1 - 0.3F) / 0.5F);
  EXPECT_EQ(BuildError("plugins/Normalize", "mean: [0.1, 0.2]", {{"images", kRgb}}),
            "mean has 2 values for 3 channels");
}

TEST(Normalize, EqualsTorchvision) {
  const auto oracle = testing_support::ReadOracle("tests/testdata/preprocess.json")["normalize"];
  const Built normalize =
      Build("plugins/Normalize", "mean: [0.485, 0.456, 0.406] std: [0.229, 0.224, 0.225]",
            {{"images", kRgb}});
  const at::Tensor rgb = testing_support::TensorOf<int64_t>(oracle["rgb"], {1, 1, 128, 3});
  const at::Tensor images = rgb.to(at::kByte).permute({0, 3, 1, 2});
  const at::Tensor expected = testing_support::TensorOf<double>(oracle["values"], {1, 1, 128, 3});
  const at::Tensor out = RunOnce(*normalize.stage, {{"images", images}}).at("images");
  // One rounding of float32 values below 3.
  EXPECT_LE((out.permute({0, 2, 3, 1}) - expected).abs().max().item<double>(), 1e-6);
}

TEST(Normalize, StandardisesEachImage) {
  const Built normalize = Build("plugins/Normalize", "per_image: true", {{"images", kRgb}});
  at::Tensor images = RandomImages(3, 3, 8, 6);
  images[1] = images[1].to(at::kFloat).mul(0.25).add(30).to(at::kByte);
  images[2].fill_(200);
  const at::Tensor out = RunOnce(*normalize.stage, {{"images", images}}).at("images");
  for (int64_t i = 0; i < 2; ++i) {
    EXPECT_NEAR(out[i].mean().item<double>(), 0, 1e-5);
    EXPECT_NEAR(out[i].std(false).item<double>(), 1, 1e-5);
  }
  EXPECT_NEAR(out[2].abs().max().item<double>(), 0, 1e-3);  // rounding of the mean, times 255
  EXPECT_EQ(BuildError("plugins/Normalize", "per_image: true mean: 0.5", {{"images", kRgb}}),
            "per_image takes no mean and no std beside it");
}

constexpr char kStill[] =
    "crop: 1 aspect: 1 horizontal_flip: 0 vertical_flip: 0 rotation: 0 brightness: 0 contrast: 0 "
    "saturation: 0";

TEST(Augment, ChangesNothingWhenAllIsOff) {
  const Built augment = Build("plugins/Augment", kStill, {{"images", kRgb}, {"labels", kLabels}});
  const at::Tensor images = RandomImages(2, 3, 8, 6), labels = at::tensor({1, 0}, at::kLong);
  const Tensors out =
      RunOnce(*augment.stage, {{"images", images}, {"labels", labels}}, TrainStep({4, 9}));
  EXPECT_TRUE(out.at("images").equal(images));
  EXPECT_TRUE(out.at("labels").equal(labels));
}

TEST(Augment, FlipsImagesAndMasksTogether) {
  std::string options = kStill;
  options.replace(options.find("horizontal_flip: 0"), 18, "horizontal_flip: 1");
  const Built augment = Build("plugins/Augment", options,
                              {{"images", kRgb}, {"labels", {at::kLong, {-1, 8, 6}, 50}}});
  const at::Tensor images = RandomImages(2, 3, 8, 6);
  at::Tensor masks = at::randint(4, {2, 8, 6}, at::kLong);
  masks[0][0][0] = pipeline::kIgnoredLabel;
  const Tensors out =
      RunOnce(*augment.stage, {{"images", images}, {"labels", masks}}, TrainStep({0, 1}));
  EXPECT_TRUE(out.at("images").equal(images.flip({3})));
  EXPECT_TRUE(out.at("labels").equal(masks.flip({2})));
}

TEST(Augment, MasksFollowTheirImages) {
  // An image that shows its own mask must still do so after any motion; interpolation blurs the
  // image by at most half of the step between two classes, and borders come as black and ignored.
  const TensorSpec images_spec{at::kByte, {-1, 1, 64, 64}, 1};
  const Built augment = Build("plugins/Augment", "rotation: 40 crop: 0.6 brightness: 0 contrast: 0",
                              {{"images", images_spec}, {"labels", {at::kLong, {-1, 64, 64}, 1}}});
  at::Tensor masks = at::zeros({4, 64, 64}, at::kLong);
  masks.slice(1, 10, 40).slice(2, 20, 60).fill_(1);
  const at::Tensor images = (masks * 100 + 100).to(at::kByte).unsqueeze(1);
  const Tensors out =
      RunOnce(*augment.stage, {{"images", images}, {"labels", masks}}, TrainStep({3, 4, 5, 6}));
  const at::Tensor seen = out.at("images").squeeze(1).to(at::kLong);
  const at::Tensor labels = out.at("labels");
  const at::Tensor agree = ((labels == 1) & (seen >= 150)) | ((labels == 0) & (seen < 151)) |
                           (labels == pipeline::kIgnoredLabel);
  EXPECT_GT(agree.to(at::kFloat).mean().item<float>(), 0.995F);
  EXPECT_TRUE((labels == pipeline::kIgnoredLabel).any().item<bool>());
  EXPECT_GT((labels == 1).sum().item<int64_t>(), 1000);
}

TEST(Augment, DependsOnSeedEpochAndSampleAlone) {
  const Built augment = Build("plugins/Augment", "", {{"images", kRgb}, {"labels", kLabels}});
  const at::Tensor images = RandomImages(3, 3, 8, 6);
  const auto moved = [&](const at::Tensor& batch, const Step& step) {
    const at::Tensor labels = at::zeros({batch.size(0)}, at::kLong);
    return RunOnce(*augment.stage, {{"images", batch}, {"labels", labels}}, step).at("images");
  };
  const at::Tensor all = moved(images, TrainStep({7, 8, 9}));
  // The same sample alone, at another place in another batch.
  EXPECT_TRUE(moved(images.slice(0, 1, 2), TrainStep({8})).equal(all.slice(0, 1, 2)));
  EXPECT_FALSE(moved(images, TrainStep({7, 8, 9}, 1)).equal(all));
  EXPECT_FALSE(moved(images, TrainStep({7, 8, 9}, 0, 2)).equal(all));
}

TEST(Augment, GivesMovedPixelsANewGeometry) {
  const Built augment = Build("plugins/Augment", "", {{"images", kRgb}, {"labels", kLabels}});
  EXPECT_NE(augment.specs.at("images").geometry, kRgb.geometry);
  EXPECT_EQ(augment.specs.at("images").geometry, augment.specs.at("labels").geometry);
}

// ---- fused loss ----

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
    Tensors out;
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

TEST(Metrics, CountsOverTheWholePhaseThenForgets) {
  const Built metrics = Build("plugins/Metrics", "", kClassify);
  const at::Tensor logits = at::eye(3);
  RunOnce(*metrics.stage, {{"logits", logits}, {"labels", at::tensor({0, 1, 2}, at::kLong)}});
  RunOnce(*metrics.stage, {{"logits", logits}, {"labels", at::tensor({0, 2, -100}, at::kLong)}});
  pipeline::Report report;
  metrics.stage->EndPhase(Step{}, "metrics", &report);
  EXPECT_EQ(report.matrices().at("confusion_matrix"),
            (std::vector<std::vector<int64_t>>{{2, 0, 0}, {0, 1, 0}, {0, 1, 1}}));
  EXPECT_DOUBLE_EQ(report.Find("metrics.accuracy"), 0.8);
  pipeline::Report empty;
  metrics.stage->EndPhase(Step{}, "metrics", &empty);
  EXPECT_TRUE(std::isnan(empty.Find("metrics.accuracy")));
}

pipeline::Specs FloatImages() { return {{"images", {at::kFloat, {-1, 1, 16, 16}, 1}}}; }

std::string CnnWith(const std::string& more) {
  return "model { [models/Cnn] { channels: 4 hidden: 0 } } activation { [activations/Relu] {} } " +
         more;
}

TEST(Model, TakesAnyBoundedActivationInSoftmaxesPlace) {
  pipeline::DataInfo data;
  data.classes = {"a", "b", "c"};
  const pipeline::Tensors in = {{"images", at::randn({2, 1, 16, 16})}};
  const auto logits = [&](const std::string& more) {
    torch::manual_seed(1);
    Built built = testing_support::Build("plugins/Model", CnnWith(more), FloatImages(), data);
    built.stage->module()->eval();
    return RunOnce(*built.stage, in).at("logits").detach();
  };
  const at::Tensor scores = logits("");
  // Softmax is what losses do anyway.
  EXPECT_TRUE(logits("output_activation { [activations/Softmax] {} }").equal(scores));
  // sigmoid(z) + 1e-6, which is Lerch's function for s = 0, made to sum to 1.
  const at::Tensor mass = scores.sigmoid() + 1e-6;
  const at::Tensor p = logits("output_activation { [activations/Lerch] { s: 0 } }").softmax(1);
  EXPECT_LT(testing_support::Error(p, mass / mass.sum(1, true)), 1e-6);  // rounding of float32
  EXPECT_EQ(
      testing_support::BuildError(
          "plugins/Model", CnnWith("output_activation { [activations/Jacobi] { form: SNAKE } }"),
          FloatImages(), data),
      "output_activation: [activations/Jacobi] is unbounded below, so it makes no "
      "probabilities");
  EXPECT_EQ(testing_support::BuildError("plugins/Model",
                                        CnnWith("output_activation { [activations/Weierstrass] "
                                                "{ terms: 10 } }"),
                                        FloatImages(), data)
                .substr(0, 22),
            "a 0.5, b 3, terms 10: ");
}

}  // namespace
