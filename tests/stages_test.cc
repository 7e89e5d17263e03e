// The stages of the graph, one by one: values against OpenCV or by hand.
#include "tests/stages.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/eye.h>
#include <ATen/ops/full.h>
#include <ATen/ops/randint.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>
#include <torch/nn/module.h>

#include <opencv2/imgcodecs.hpp>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "pipeline/stage.h"
#include "pipeline/training/device.h"
#include "tests/testing.h"

namespace {

using pipeline::Specs;
using pipeline::Step;
using pipeline::Tensors;
using pipeline::TensorSpec;
using testing_support::Build;
using testing_support::BuildError;
using testing_support::Built;
using testing_support::RunOnce;
using testing_support::TrainStep;

const TensorSpec kRgb{at::kByte, {-1, 3, 8, 6}, 50};
const TensorSpec kLabels{at::kLong, {-1}, 50};

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

// Whether the images that the loader gives differ in red, green and blue.
bool LoadsColors(const std::string& config) {
  const testing_support::Workspace workspace;
  cv::RNG random(1);
  for (const char* name : {"a/1", "a/2", "a/3", "b/1", "b/2", "b/3"}) {
    workspace.Write(absl::StrCat("d/", name, ".jpg"), "");
    cv::Mat picture(32, 32, CV_8UC3);
    random.fill(picture, cv::RNG::UNIFORM, 0, 255);
    cv::imwrite(absl::StrCat("d/", name, ".jpg"), picture);
  }
  workspace.Write("c.pbtxt", config);
  const testing_support::Loaded loaded = testing_support::Load("c.pbtxt");
  EXPECT_EQ(loaded.errors, "");
  pipeline::BuildContext context;
  const absl::Status built = loaded.graph->Build(&context);
  EXPECT_TRUE(built.ok()) << built;
  pipeline::Source& source = loaded.graph->source();
  Step step;
  EXPECT_TRUE(source.Begin(step).ok());
  step.samples = source.Samples(0);
  Tensors out;
  EXPECT_TRUE(source.Run(step, {}, &out).ok());
  const at::Tensor images = out.at("images");
  return !images.select(1, 0).equal(images.select(1, 2));
}

TEST(Grayscale, LetsJpegBeReadByItsLuminance) {
  const std::string gray =
      absl::StrReplaceAll(testing_support::SmallConfig(),
                          {{"%", ""},
                           {"[datasets/Synthetic] { images_per_class: 6 test_images_per_class: 3 }",
                            "[datasets/Folder] { root: \"d\" }"},
                           {"[plugins/Grayscale] {}", "[plugins/Grayscale] { channels: THREE }"}});
  EXPECT_FALSE(LoadsColors(gray));
  // Another reader wants colors.
  const std::string color =
      absl::StrReplaceAll(gray, {{"input: \"images: gray\"", "input: \"images: load.images\""}});
  EXPECT_TRUE(LoadsColors(
      absl::StrReplaceAll(color, {{"node { name: \"gray\" input: \"load.images\" plugin { "
                                   "[plugins/Grayscale] { channels: THREE } } }",
                                   ""}})));
  // VAL and TEST pass by a node of TRAIN.
  EXPECT_TRUE(
      LoadsColors(absl::StrReplaceAll(gray, {{"name: \"gray\"", "name: \"gray\" phase: TRAIN"}})));
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

TEST(Metrics, CountsOverTheWholePhaseThenForgets) {
  const Specs in = {{"logits", {at::kFloat, {-1, 3}, 2}}, {"labels", kLabels}};
  const Built metrics = Build("plugins/Metrics", "", in);
  const at::Tensor logits = at::eye(3);
  RunOnce(*metrics.stage, {{"logits", logits}, {"labels", at::tensor({0, 1, 2}, at::kLong)}});
  RunOnce(*metrics.stage, {{"logits", logits}, {"labels", at::tensor({0, 2, -100}, at::kLong)}});
  pipeline::Report report;
  metrics.stage->EndPhase(Step{pipeline::TEST}, "metrics", &report);
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
    pipeline::SeedGenerators(1);
    Built built = Build("plugins/Model", CnnWith(more), FloatImages(), data);
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
  EXPECT_EQ(BuildError("plugins/Model",
                       CnnWith("output_activation { [activations/Jacobi] { form: SNAKE } }"),
                       FloatImages(), data),
            "output_activation: [activations/Jacobi] is unbounded below, so it makes no "
            "probabilities");
  EXPECT_EQ(BuildError("plugins/Model",
                       CnnWith("output_activation { [activations/Weierstrass] "
                               "{ terms: 10 } }"),
                       FloatImages(), data)
                .substr(0, 22),
            "a 0.5, b 3, terms 10: ");
}

}  // namespace
