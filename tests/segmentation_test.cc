// Masks through the stages: every loss, the metrics and the augmentation, ignored pixels among
// them.
#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/full.h>
#include <ATen/ops/max_pool2d.h>
#include <ATen/ops/one_hot.h>
#include <ATen/ops/rand.h>
#include <ATen/ops/randint.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "pipeline/cli/header.h"
#include "pipeline/cli/terminal.h"
#include "pipeline/registry.h"
#include "tests/stages.h"

namespace {

using pipeline::kIgnoredLabel;
using pipeline::Specs;
using pipeline::Tensors;
using testing_support::Build;
using testing_support::BuildError;
using testing_support::Built;
using testing_support::RunOnce;
using testing_support::TrainStep;

constexpr int64_t kImages = 3, kHeight = 13, kWidth = 10;

Specs SpecsOf(int64_t classes) {
  return {{"logits", {at::kFloat, {-1, classes, kHeight, kWidth}, 1}},
          {"labels", {at::kLong, {-1, kHeight, kWidth}, 1}}};
}

// Masks with a fifth of the pixels ignored.
at::Tensor RandomMasks(int64_t classes) {
  const at::Tensor masks = at::randint(classes, {kImages, kHeight, kWidth}, at::kLong);
  return masks.masked_fill(at::rand(masks.sizes()) < 0.2, kIgnoredLabel);
}

// Channels last, as models give them.
at::Tensor RandomLogits(int64_t classes) {
  return (3 * at::randn({kImages, classes, kHeight, kWidth}))
      .contiguous(at::MemoryFormat::ChannelsLast);
}

// Logits that leave no doubt, anything at all where the mask is ignored.
at::Tensor PerfectLogits(const at::Tensor& masks, int64_t classes) {
  const at::Tensor truth = masks.masked_fill(masks == kIgnoredLabel, 0).unsqueeze(1);
  return at::full({kImages, classes, kHeight, kWidth}, -20.0F).scatter(1, truth, 20.0F);
}

// The logits with other values where `where` is set.
at::Tensor Replaced(const at::Tensor& logits, const at::Tensor& where, float value) {
  return logits.detach().masked_fill(where.unsqueeze(1), value);
}

// A fusion of each registered loss alone, of all of them, and with what weighs pixels.
std::vector<std::string> Fusions() {
  std::vector<std::string> fusions;
  std::string all;
  for (const pipeline::PluginName& loss : pipeline::PluginIndex::Get().In("losses")) {
    if (loss.name == "Sum") continue;
    fusions.push_back(absl::StrCat("term { [", loss.Url(), "] {} }"));
    absl::StrAppend(&all, fusions.back(), " ");
  }
  fusions.push_back(all);
  fusions.push_back(all + "class_weight: [0.5, 2]");
  fusions.push_back(all + "difficulty_weight: 2");
  fusions.push_back(all + "dynamic_loss_weighting: GRADNORM");
  return fusions;
}

struct LossAndGradient {
  float loss;
  at::Tensor gradient;
};

LossAndGradient Learn(const std::string& fusion, const at::Tensor& logits,
                      const at::Tensor& labels) {
  const Built fused = Build("plugins/FusedLoss", fusion, SpecsOf(2));
  const at::Tensor leaf = logits.detach().clone().requires_grad_();
  const at::Tensor total =
      RunOnce(*fused.stage, {{"logits", leaf}, {"labels", labels}}, TrainStep({0, 1, 2}))
          .at("total");
  total.backward();
  return {total.item<float>(), leaf.grad()};
}

TEST(Segmentation, PerfectLogitsCostNothing) {
  EXPECT_GE(Fusions().size(), 7);
  for (const std::string& fusion : Fusions()) {
    SCOPED_TRACE(fusion);
    const at::Tensor masks = RandomMasks(2);
    const LossAndGradient learned = Learn(fusion, PerfectLogits(masks, 2), masks);
    // e^-40 of doubt; the rest is rounding in float32, summed over eight terms.
    EXPECT_NEAR(learned.loss, 0, 1e-5);
    EXPECT_LT(learned.gradient.abs().max().item<float>(), 1e-5);
  }
}

TEST(Segmentation, LossesDoNotSeeIgnoredPixels) {
  for (const std::string& fusion : Fusions()) {
    SCOPED_TRACE(fusion);
    const at::Tensor masks = RandomMasks(2);
    const at::Tensor ignored = masks == kIgnoredLabel;
    // The block forms are for float32; float64 takes the tensor forms, as a GPU does.
    for (const at::ScalarType type : {at::kFloat, at::kDouble}) {
      const at::Tensor logits = RandomLogits(2).to(type);
      const LossAndGradient before = Learn(fusion, logits, masks);
      EXPECT_GT(before.loss, 0);
      for (const float value : {0.0F, 1e30F, -std::numeric_limits<float>::infinity(),
                                std::numeric_limits<float>::quiet_NaN()}) {
        const LossAndGradient after = Learn(fusion, Replaced(logits, ignored, value), masks);
        EXPECT_EQ(after.loss, before.loss) << value;
        EXPECT_TRUE(after.gradient.equal(before.gradient)) << value;
        EXPECT_TRUE((after.gradient.masked_select(ignored.unsqueeze(1)) == 0).all().item<bool>());
      }
    }
  }
}

TEST(Segmentation, LossesOfNothingButIgnoredPixelsAreZero) {
  for (const std::string& fusion : Fusions()) {
    SCOPED_TRACE(fusion);
    const at::Tensor masks = at::full({kImages, kHeight, kWidth}, kIgnoredLabel, at::kLong);
    const LossAndGradient learned = Learn(fusion, RandomLogits(2), masks);
    EXPECT_EQ(learned.loss, 0);
    EXPECT_TRUE((learned.gradient == 0).all().item<bool>());
  }
}

// ---- metrics ----

pipeline::DataInfo DataOf(const std::vector<std::string>& classes) {
  pipeline::DataInfo data;
  data.task = pipeline::Task::kSegmentation;
  data.classes = classes;
  return data;
}

pipeline::Report Measure(const Built& metrics, const std::vector<Tensors>& batches) {
  for (const Tensors& batch : batches) RunOnce(*metrics.stage, batch);
  pipeline::Report report;
  metrics.stage->EndPhase(pipeline::Step{pipeline::TEST}, "metrics", &report);
  return report;
}

TEST(SegmentationMetrics, PerfectLogitsScoreOne) {
  const Built metrics = Build("plugins/Metrics", "", SpecsOf(2), DataOf({"background", "crack"}));
  const at::Tensor masks = RandomMasks(2);
  const pipeline::Report report =
      Measure(metrics, {{{"logits", PerfectLogits(masks, 2)}, {"labels", masks}}});
  for (const char* column : {"accuracy", "mean_iou_present", "mean_iou_all", "mean_dice_present",
                             "iou.background", "dice.crack", "precision_tolerance_0px",
                             "recall_tolerance_2px", "f1_tolerance_0px", "f1_tolerance_2px"}) {
    EXPECT_EQ(report.Find(absl::StrCat("metrics.", column)), 1) << column;
  }
  EXPECT_LT(report.Find("metrics.mean_iou_all_majority"), 0.5);
}

TEST(SegmentationMetrics, DoNotSeeIgnoredPixels) {
  const Built metrics = Build("plugins/Metrics", "", SpecsOf(2));
  const at::Tensor masks = RandomMasks(2), logits = RandomLogits(2);
  const at::Tensor ignored = masks == kIgnoredLabel;
  const pipeline::Report before = Measure(metrics, {{{"logits", logits}, {"labels", masks}}});
  for (const int64_t answer : {0, 1}) {
    at::Tensor other = Replaced(logits, ignored, -50);
    other.select(1, answer).masked_fill_(ignored, 50);
    const pipeline::Report after = Measure(metrics, {{{"logits", other}, {"labels", masks}}});
    EXPECT_EQ(after.values(), before.values());
    EXPECT_EQ(after.matrices(), before.matrices());
  }
}

TEST(SegmentationMetrics, KnowNothingOfIgnoredPixelsAlone) {
  const Built metrics = Build("plugins/Metrics", "", SpecsOf(2));
  const pipeline::Report report = Measure(
      metrics, {{{"logits", RandomLogits(2)},
                 {"labels", at::full({kImages, kHeight, kWidth}, kIgnoredLabel, at::kLong)}}});
  for (const char* column : {"accuracy", "mean_iou_present", "mean_iou_all", "mean_dice_present",
                             "f1_tolerance_0px", "f1_tolerance_2px", "iou.0", "dice.1"}) {
    EXPECT_TRUE(std::isnan(report.Find(absl::StrCat("metrics.", column)))) << column;
  }
  EXPECT_EQ(report.Find("metrics.collapsed"), 0);
}

// A mask of 13 x 10 pixels with a vertical line at column x.
at::Tensor Line(int64_t x) {
  at::Tensor mask = at::zeros({1, kHeight, kWidth}, at::kLong);
  mask.select(2, x).fill_(1);
  return mask;
}

TEST(SegmentationMetrics, ForgiveSmallDistancesOverTheWholeSplit) {
  const Built metrics =
      Build("plugins/Metrics", "tolerance_px: [0, 1, 2]", SpecsOf(2), DataOf({"road", "crack"}));
  const auto batch = [](const at::Tensor& truth, const at::Tensor& predicted) {
    return Tensors{{"logits", at::one_hot(predicted, 2).permute({0, 3, 1, 2}).to(at::kFloat)},
                   {"labels", truth}};
  };
  // Lines that differ by 0, 1 and 2 pixels, and a false alarm.
  const pipeline::Report report =
      Measure(metrics, {batch(Line(4), Line(4)), batch(Line(4), Line(5)), batch(Line(6), Line(4)),
                        batch(at::zeros_like(Line(0)), Line(1))});
  const double precisions[] = {0.25, 0.5, 0.75}, recalls[] = {1.0 / 3, 2.0 / 3, 1};
  for (int radius = 0; radius <= 2; ++radius) {
    const double p = precisions[radius], r = recalls[radius];
    const auto found = [&](const char* name) {
      return report.Find(absl::StrCat("metrics.", name, "_tolerance_", radius, "px"));
    };
    EXPECT_DOUBLE_EQ(found("precision"), p);
    EXPECT_DOUBLE_EQ(found("recall"), r);
    EXPECT_DOUBLE_EQ(found("f1"), 2 * p * r / (p + r));
  }
  EXPECT_DOUBLE_EQ(report.Find("metrics.f1_tolerance_0px"), report.Find("metrics.dice.crack"));
}

TEST(SegmentationMetrics, CompareWithAlwaysAnsweringOneClass) {
  // Three of four classes occur: one on half of the pixels.
  const Built metrics = Build("plugins/Metrics", "", SpecsOf(4));
  at::Tensor masks = at::zeros({1, 4, 2}, at::kLong);
  masks[0][2].fill_(1);
  masks[0][3].fill_(2);
  at::Tensor logits = at::zeros({1, 4, 4, 2});
  logits.select(1, 0).fill_(1);
  const pipeline::Report report = Measure(metrics, {{{"logits", logits}, {"labels", masks}}});
  EXPECT_DOUBLE_EQ(report.Find("metrics.mean_iou_present"), 0.5 / 3);
  EXPECT_DOUBLE_EQ(report.Find("metrics.mean_iou_present_majority"), 0.5 / 3);
  EXPECT_DOUBLE_EQ(report.Find("metrics.mean_iou_all"), 0.5 / 4);
  EXPECT_DOUBLE_EQ(report.Find("metrics.mean_iou_all_majority"), 0.5 / 4);
  EXPECT_EQ(report.Find("metrics.iou.1"), 0);
  EXPECT_TRUE(std::isnan(report.Find("metrics.iou.3"))) << "absent, never predicted";
  EXPECT_EQ(report.Find("metrics.collapsed"), 1);
}

TEST(SegmentationMetrics, NameColumnsSafely) {
  EXPECT_EQ(
      pipeline::ClassColumns({"forest_land", "a,b", "a.b", "x/\"y\"\n", "Blätter", ""}, 7),
      (std::vector<std::string>{"forest_land", "a_b", "a_b_2", "x__y__", "Blätter", "5", "6"}));
}

TEST(SegmentationMetrics, RefuseWhatCannotBe) {
  const Specs images = {{"logits", {at::kFloat, {-1, 2}, 1}}, {"labels", {at::kLong, {-1}, 1}}};
  EXPECT_EQ(BuildError("plugins/Metrics", "tolerance_px: 2", images),
            "tolerance_px is for masks only");
  EXPECT_EQ(BuildError("plugins/Metrics", "foreground_class: 1", images),
            "foreground_class is for masks only");
  EXPECT_EQ(BuildError("plugins/Metrics", "tolerance_px: 2", SpecsOf(7)),
            "tolerance_px needs a foreground_class, one of the 7 classes");
  EXPECT_EQ(BuildError("plugins/Metrics", "foreground_class: 2", SpecsOf(2)),
            "foreground_class is 2, but there are 2 classes, counted from 0");
  EXPECT_EQ(BuildError("plugins/Metrics", "tolerance_px: [2, 0, 2]", SpecsOf(2)),
            "tolerance_px names a distance twice");
}

// What a run prints at its end.
std::string ResultOf(const pipeline::DataInfo& data, const pipeline::Report& report) {
  pipeline::Outcome outcome;
  outcome.test = report;
  pipeline::Terminal terminal;
  testing::internal::CaptureStdout();
  pipeline::PrintResult(data, outcome, &terminal);
  return testing::internal::GetCapturedStdout();
}

TEST(SegmentationResult, ShowsBaselinesTolerancesAndClasses) {
  pipeline::DataInfo data = DataOf({"background", "crack"});
  data.images[pipeline::PhaseIndex(pipeline::TEST)] = 1;
  const Built metrics = Build("plugins/Metrics", "", SpecsOf(2), data);
  const at::Tensor logits = at::one_hot(Line(5), 2).permute({0, 3, 1, 2}).to(at::kFloat);
  EXPECT_EQ(ResultOf(data, Measure(metrics, {{{"logits", logits}, {"labels", Line(4)}}})),
            "\n"
            "test result on 1 images, weights of the last epoch\n"
            "  pixel accuracy              80.0 %  (majority baseline 90.0 %)\n"
            "  mean IoU, classes present   40.0 %  (majority baseline 45.0 %)\n"
            "  mean IoU, all classes       40.0 %  (majority baseline 45.0 %)\n"
            "  mean Dice, classes present  44.4 %\n"
            "  F1 within 0 px              0.0 %  (precision 0.0 %, recall 0.0 %)\n"
            "  F1 within 2 px              100.0 %  (precision 100.0 %, recall 100.0 %)\n"
            "  class             IoU       Dice     pixels\n"
            "  background     80.0 %     88.9 %     90.0 %\n"
            "  crack           0.0 %      0.0 %     10.0 %\n");
}

TEST(SegmentationResult, SaysWhenTheModelCollapsed) {
  const pipeline::DataInfo data = DataOf({"background", "crack"});
  const Built metrics = Build("plugins/Metrics", "", SpecsOf(2), data);
  const at::Tensor logits = PerfectLogits(at::zeros({kImages, kHeight, kWidth}, at::kLong), 2);
  const std::string text =
      ResultOf(data, Measure(metrics, {{{"logits", logits}, {"labels", RandomMasks(2)}}}));
  EXPECT_TRUE(absl::StrContains(text, "COLLAPSED: the model predicts one class for every pixel"))
      << text;
}

// ---- augmentation ----

// Images that show their masks: one gray level for each class, none of them 0.
constexpr int64_t kGray[] = {40, 90, 150, 230};
constexpr int64_t kSide = 96, kBlock = 16;

at::Tensor Shown(const at::Tensor& masks) {
  at::Tensor images = at::zeros_like(masks);
  for (int64_t c = 0; c < 3; ++c) images.masked_fill_(masks == c, kGray[c]);
  return images.masked_fill(masks == kIgnoredLabel, kGray[3]).to(at::kByte).unsqueeze(1);
}

// Where all pixels of the 3 x 3 around have that value.
at::Tensor Inside(const at::Tensor& images, int64_t value) {
  const at::Tensor other = (images != value).to(at::kFloat);
  return (at::max_pool2d(other, {3, 3}, {1, 1}, {1, 1}) == 0).squeeze(1);
}

TEST(SegmentationAugment, MasksStayExactAndWithTheirImages) {
  const Built augment = Build("plugins/Augment",
                              "crop: 0.5 aspect: 1.5 rotation: 180 vertical_flip: 0.5 "
                              "brightness: 0 contrast: 0 saturation: 0",
                              {{"images", {at::kByte, {-1, 1, kSide, kSide}, 1}},
                               {"labels", {at::kLong, {-1, kSide, kSide}, 1}}});
  constexpr int64_t kCount = 16;
  // Blocks of classes 0, 2 and ignored: an average of neighbours would show as class 1.
  at::Tensor blocks = at::randint(3, {kCount, kSide / kBlock, kSide / kBlock}, at::kLong);
  blocks = blocks.masked_fill(blocks == 1, kIgnoredLabel);
  const at::Tensor masks =
      blocks.repeat_interleave(kBlock, 1).repeat_interleave(kBlock, 2).contiguous();
  std::vector<int64_t> samples(kCount);
  for (int64_t i = 0; i < kCount; ++i) samples[i] = i;
  const Tensors out =
      RunOnce(*augment.stage, {{"images", Shown(masks)}, {"labels", masks}}, TrainStep(samples));
  const at::Tensor& seen = out.at("images");
  const at::Tensor& labels = out.at("labels");
  EXPECT_FALSE((labels == 1).any().item<bool>());
  // Away from edges the picture tells the class for sure; outside it is black.
  const auto expect = [&](int64_t gray, int64_t label) {
    const at::Tensor found = labels.masked_select(Inside(seen, gray));
    EXPECT_GT(found.numel(), 1000) << gray;
    EXPECT_TRUE((found == label).all().item<bool>()) << gray;
  };
  expect(kGray[0], 0);
  expect(kGray[2], 2);
  expect(kGray[3], kIgnoredLabel);
  expect(0, kIgnoredLabel);
}

TEST(SegmentationAugment, KeepsTheLargestClasses) {
  // Sampling works in float32, which holds them exactly.
  const Built augment = Build("plugins/Augment", "",
                              {{"images", {at::kByte, {-1, 1, kSide, kSide}, 1}},
                               {"labels", {at::kLong, {-1, kSide, kSide}, 1}}});
  const at::Tensor masks = at::full({2, kSide, kSide}, 254, at::kLong);
  const at::Tensor labels =
      RunOnce(*augment.stage,
              {{"images", at::zeros({2, 1, kSide, kSide}, at::kByte)}, {"labels", masks}},
              TrainStep({0, 1}))
          .at("labels");
  EXPECT_TRUE(((labels == 254) | (labels == kIgnoredLabel)).all().item<bool>());
  EXPECT_TRUE((labels == 254).any().item<bool>());
}

}  // namespace
