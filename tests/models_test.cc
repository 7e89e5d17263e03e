// Models: names, shapes and counts as published, any activation, any size, and learning.
#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/conv_transpose2d.h>
#include <ATen/ops/rand.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/randn_like.h>
#include <ATen/ops/upsample_bilinear2d.h>
#include <c10/core/GradMode.h>
#include <gtest/gtest.h>

#include <map>

#include "models/layers.h"
#include "models/model.h"
#include "pipeline/precision.h"
#include "pipeline/training/device.h"
#include "tests/oracle.h"

namespace {

using models::ModelContext;
using pipeline::PluginName;
using pipeline::Task;
using testing_support::PluginOf;

// For images of `channels` x height x width, and 4 classes.
ModelContext Context(int64_t height, int64_t width, Task task = Task::kMulticlass,
                     const std::string& activation = "activations/Relu", int64_t channels = 1) {
  return {channels, height, width, 4, task, [activation] {
            return *activations::Activations::Get().Create(PluginOf(activation, ""));
          }};
}

std::shared_ptr<models::Model> Make(const std::string& url, const std::string& options,
                                    const ModelContext& context) {
  auto made = models::Models::Get().Create(PluginOf(url, options), context);
  EXPECT_TRUE(made.ok()) << made.status();
  return *std::move(made);
}

std::shared_ptr<models::Model> MakeVgg16(const std::string& options, int64_t size = 32,
                                         const std::string& activation = "activations/Relu") {
  return Make("models/Vgg16", options, Context(size, size, Task::kMulticlass, activation));
}

std::string Refusal(const std::string& url, const std::string& options,
                    const ModelContext& context) {
  return std::string(
      models::Models::Get().Create(PluginOf(url, options), context).status().message());
}

// Options that make a model cheap; a model that is not named here has its defaults.
std::string Narrow(const std::string& url) {
  const std::map<std::string, std::string> options = {
      {"models/Cnn", "channels: [4, 8, 8] hidden: 8"},
      {"models/Unet", "width: 4"},
      {"models/Vgg16", "width: 0.05"}};
  const auto known = options.find(url);
  return known == options.end() ? "" : known->second;
}

std::map<std::string, std::vector<int64_t>> State(const torch::nn::Module& module) {
  std::map<std::string, std::vector<int64_t>> state;
  for (const auto& item : module.named_parameters()) state[item.key()] = item.value().sizes().vec();
  for (const auto& item : module.named_buffers()) state[item.key()] = item.value().sizes().vec();
  return state;
}

int64_t ParametersOf(const torch::nn::Module& module) {
  int64_t count = 0;
  for (const at::Tensor& parameter : module.parameters()) count += parameter.numel();
  return count;
}

// ---- vgg16 ----

TEST(Vgg16, HasTorchvisionsNamesAndShapes) {
  const auto oracle = testing_support::ReadOracle("models/testdata/vgg16.json");
  for (const auto& [variant, options] : {std::pair{"vgg16", "head: FC4096"},
                                         std::pair{"vgg16_bn", "head: FC4096 batch_norm: true"}}) {
    const auto expected =
        oracle[variant]["state"].get<std::map<std::string, std::vector<int64_t>>>();
    const auto model = MakeVgg16(options);
    EXPECT_EQ(State(*model), expected) << variant;
    EXPECT_EQ(ParametersOf(*model), oracle[variant]["parameters"].get<int64_t>());
  }
}

TEST(Vgg16, GivesOneLogitPerClass) {
  for (const char* options : {"head: GAP width: 0.1", "head: FC4096 width: 0.05",
                              "head: GAP width: 0.1 batch_norm: true"}) {
    for (const int64_t size : {32, 50, 64}) {
      const auto model = MakeVgg16(options, size);
      EXPECT_EQ(model->Forward(at::randn({3, 1, size, size})).sizes(), at::IntArrayRef({3, 4}));
    }
  }
}

TEST(Vgg16, UsesTheActivationItIsGiven) {
  const at::Tensor images = at::randn({2, 1, 32, 32});
  at::Tensor logits[2];
  for (const int i : {0, 1}) {
    pipeline::SeedGenerators(1);
    const auto model =
        MakeVgg16("head: GAP width: 0.1", 32, i == 0 ? "activations/Relu" : "activations/Softmax");
    logits[i] = model->Forward(images);
  }
  EXPECT_FALSE(logits[0].allclose(logits[1]));
}

TEST(Vgg16, DropsOutInTrainingOnly) {
  const auto model = MakeVgg16("head: FC4096 width: 0.05 dropout: 0.5");
  const at::Tensor images = at::randn({2, 1, 32, 32});
  model->eval();
  EXPECT_TRUE(model->Forward(images).equal(model->Forward(images)));
  model->train();
  EXPECT_FALSE(model->Forward(images).equal(model->Forward(images)));
}

TEST(Vgg16, ScoresTheFeaturesThatItsFcnVariantNames) {
  const std::pair<const char*, std::vector<std::string>> variants[] = {
      {"FCN_32S", {"classifier.0.bias", "classifier.0.weight"}},
      {"FCN_16S",
       {"classifier.0.bias", "classifier.0.weight", "score_pool4.0.bias", "score_pool4.0.weight"}},
      {"FCN_8S",
       {"classifier.0.bias", "classifier.0.weight", "score_pool3.0.bias", "score_pool3.0.weight",
        "score_pool4.0.bias", "score_pool4.0.weight"}}};
  for (const auto& [variant, expected] : variants) {
    const auto model = Make("models/Vgg16", std::string("head: GAP width: 0.05 fcn: ") + variant,
                            Context(64, 64, Task::kSegmentation));
    std::vector<std::string> names;
    for (const auto& [name, shape] : State(*model)) {
      if (name.rfind("features", 0) != 0) names.push_back(name);
    }
    EXPECT_EQ(names, expected) << variant;
    EXPECT_EQ(model->Forward(at::randn({2, 1, 64, 64})).sizes(), at::IntArrayRef({2, 4, 64, 64}));
  }
}

// ---- unet ----

// Weights and biases of the U-Net as its paper's figure 1 draws it: convolutions of 3x3 in pairs,
// up-convolutions of 2x2 that halve the channels, one convolution of 1x1.
int64_t PublishedUnet(int64_t channels, int64_t classes, int64_t width, int depth) {
  const auto layer = [](int64_t kernel, int64_t in, int64_t out) {
    return kernel * kernel * in * out + out;
  };
  int64_t count = layer(1, width, classes);
  for (int level = 0; level <= depth; ++level) {
    const int64_t own = width << level;
    count += layer(3, level == 0 ? channels : own / 2, own) + layer(3, own, own);
    if (level < depth) {
      count += layer(2, 2 * own, own) + layer(3, 2 * own, own) + layer(3, own, own);
    }
  }
  return count;
}

TEST(Unet, HasAsManyParametersAsThePublishedOne) {
  EXPECT_EQ(PublishedUnet(1, 2, 64, 4), 31'030'658);
  ModelContext context = Context(32, 32, Task::kSegmentation);
  context.classes = 2;
  EXPECT_EQ(ParametersOf(*Make("models/Unet", "", context)), 31'030'658);
  context.channels = 3;
  context.classes = 5;
  EXPECT_EQ(ParametersOf(*Make("models/Unet", "width: 6 depth: 3", context)),
            PublishedUnet(3, 5, 6, 3));
}

TEST(Unet, HasTheDocumentedNames) {
  const auto model =
      Make("models/Unet", "width: 2 depth: 1 batch_norm: true", Context(8, 8, Task::kSegmentation));
  std::map<std::string, std::vector<int64_t>> expected = {{"upsample.0.weight", {4, 2, 2, 2}},
                                                          {"upsample.0.bias", {2}},
                                                          {"classifier.0.weight", {4, 2, 1, 1}},
                                                          {"classifier.0.bias", {4}}};
  const std::tuple<const char*, int64_t, int64_t> pairs[] = {
      {"encoder.0", 1, 2}, {"encoder.1", 2, 4}, {"decoder.0", 4, 2}};
  for (const auto& [name, in, out] : pairs) {
    const std::string prefix = std::string(name) + ".";
    expected[prefix + "0.weight"] = {out, in, 3, 3};
    expected[prefix + "3.weight"] = {out, out, 3, 3};
    for (const char* vector :
         {"0.bias", "3.bias", "1.weight", "1.bias", "1.running_mean", "1.running_var", "4.weight",
          "4.bias", "4.running_mean", "4.running_var"}) {
      expected[prefix + vector] = {out};
    }
    expected[prefix + "1.num_batches_tracked"] = {};
    expected[prefix + "4.num_batches_tracked"] = {};
  }
  EXPECT_EQ(State(*model), expected);
}

TEST(Unet, ClassifiesWithItsWayDownAlone) {
  const auto model = Make("models/Unet", "width: 2", Context(16, 16));
  for (const auto& [name, shape] : State(*model)) {
    EXPECT_TRUE(name.rfind("encoder.", 0) == 0 || name.rfind("classifier.", 0) == 0) << name;
  }
}

// ---- cnn ----

TEST(Cnn, HasTheLayersOfItsOptions) {
  const std::map<std::string, std::vector<int64_t>> expected = {
      {"features.0.weight", {32, 1, 3, 3}},   {"features.0.bias", {32}},
      {"features.3.weight", {64, 32, 3, 3}},  {"features.3.bias", {64}},
      {"features.6.weight", {128, 64, 3, 3}}, {"features.6.bias", {128}},
      {"classifier.0.weight", {128, 128}},    {"classifier.0.bias", {128}},
      {"classifier.3.weight", {4, 128}},      {"classifier.3.bias", {4}}};
  EXPECT_EQ(State(*Make("models/Cnn", "", Context(32, 32))), expected);
  const std::map<std::string, std::vector<int64_t>> small = {{"features.0.weight", {5, 1, 3, 3}},
                                                             {"features.0.bias", {5}},
                                                             {"classifier.1.weight", {4, 5, 1, 1}},
                                                             {"classifier.1.bias", {4}}};
  EXPECT_EQ(
      State(*Make("models/Cnn", "channels: 5 hidden: 0", Context(32, 32, Task::kSegmentation))),
      small);
}

// ---- layers ----

TEST(Layers, UpsampleEqualsLibTorchsBilinear) {
  const std::vector<int64_t> sizes[][2] = {
      {{1, 2}, {32, 64}}, {{3, 5}, {24, 33}}, {{7, 7}, {224, 224}}, {{6, 9}, {4, 9}}};
  for (const auto& [from, to] : sizes) {
    const at::Tensor x = at::randn({2, 3, from[0], from[1]}, at::kDouble);
    at::Tensor ours = x.clone().requires_grad_(), theirs = x.clone().requires_grad_();
    const at::Tensor big = models::Upsample(ours, to[0], to[1]);
    const at::Tensor expected = at::upsample_bilinear2d(theirs, to, /*align_corners=*/false);
    EXPECT_LT(testing_support::Error(big, expected), 1e-12);  // double
    const at::Tensor weights = at::randn_like(big);
    (big * weights).sum().backward();
    (expected * weights).sum().backward();
    EXPECT_LT(testing_support::Error(ours.grad(), theirs.grad()), 1e-12);
  }
}

TEST(Layers, UpConvolutionEqualsATransposedConvolution) {
  models::UpConvolution layer(6, 3);
  const auto parameters = layer.named_parameters();
  parameters["bias"].data().normal_();
  const at::Tensor x = at::randn({2, 6, 5, 4});
  const at::Tensor expected =
      at::conv_transpose2d(x, parameters["weight"], parameters["bias"], /*stride=*/2);
  EXPECT_LT(testing_support::Error(layer.Forward(x), expected), 1e-6);  // float32, sums of 6
}

TEST(Layers, PaddingIsCutOffAgain) {
  const at::Tensor x = at::randn({1, 2, 5, 8});
  const at::Tensor padded = models::PadToMultiple(x, 4);
  EXPECT_EQ(padded.sizes(), at::IntArrayRef({1, 2, 8, 8}));
  EXPECT_EQ(padded.slice(2, 5).abs().sum().item<float>(), 0);
  EXPECT_TRUE(models::Crop(padded, 5, 8).equal(x));
}

// ---- every model ----

class EveryModel : public testing::TestWithParam<std::tuple<PluginName, Task>> {
 protected:
  std::string url() const { return std::get<0>(GetParam()).Url(); }
  Task task() const { return std::get<1>(GetParam()); }

  std::shared_ptr<models::Model> MakeNarrow(
      int64_t height, int64_t width, const std::string& activation = "activations/Relu") const {
    return Make(url(), Narrow(url()), Context(height, width, task(), activation));
  }

  std::vector<int64_t> LogitShape(int64_t n, int64_t height, int64_t width) const {
    if (task() == Task::kSegmentation) return {n, 4, height, width};
    return {n, 4};
  }
};

TEST_P(EveryModel, TakesImagesOfAnySize) {
  const std::pair<int64_t, int64_t> sizes[] = {{32, 32}, {33, 50}, {64, 48}, {47, 97}};
  for (const auto& [height, width] : sizes) {
    const auto model = MakeNarrow(height, width);
    EXPECT_EQ(model->Forward(at::randn({2, 1, height, width})).sizes(),
              at::IntArrayRef(LogitShape(2, height, width)));
  }
}

TEST_P(EveryModel, TakesEveryActivation) {
  for (const PluginName& activation : pipeline::PluginIndex::Get().In("activations")) {
    const auto model = MakeNarrow(33, 40, activation.Url());
    const at::Tensor logits = model->Forward(at::rand({2, 1, 33, 40}));
    EXPECT_TRUE(logits.isfinite().all().item<bool>()) << activation.Url();
    EXPECT_EQ(logits.sizes(), at::IntArrayRef(LogitShape(2, 33, 40))) << activation.Url();
  }
}

TEST_P(EveryModel, ComputesInBfloat16) {
  const auto model = MakeNarrow(33, 40);
  model->eval();
  const c10::NoGradGuard no_gradients;
  const at::Tensor images = at::rand({2, 1, 33, 40});
  const at::Tensor exact = model->Forward(images);
  const pipeline::PrecisionScope scope(pipeline::Train::BF16, "cpu");
  const at::Tensor rough = model->Forward(images).to(at::kFloat);
  // 8 bits of mantissa, some 20 layers: a wrong layer would be off by the signal's own size.
  EXPECT_LT((rough - exact).norm().item<double>(), 0.1 * exact.norm().item<double>());
}

TEST_P(EveryModel, RepeatsItselfForwardsAndBackwards) {
  const at::Tensor images = at::randn({2, 1, 33, 50});
  const auto model = MakeNarrow(33, 50);
  std::vector<at::Tensor> before;
  for (int run = 0; run < 2; ++run) {
    pipeline::SeedGenerators(3);
    model->zero_grad();
    const at::Tensor logits = model->Forward(images);
    logits.square().sum().backward();
    std::vector<at::Tensor> results = {logits};
    for (const at::Tensor& parameter : model->parameters()) {
      results.push_back(parameter.grad().clone());
    }
    for (size_t i = 0; i < before.size(); ++i) EXPECT_TRUE(results[i].equal(before[i])) << i;
    before = std::move(results);
  }
}

TEST_P(EveryModel, KeepsTheSignalAtItsInitialisation) {
  pipeline::SeedGenerators(1);
  const c10::NoGradGuard no_gradients;
  const auto model =
      Make(url(), url() == "models/Vgg16" ? "head: GAP width: 0.5" : "", Context(64, 64, task()));
  model->eval();
  const at::Tensor logits = model->Forward(at::randn({2, 1, 64, 64}));
  const double deviation = logits.std().item<double>();
  // Up to 23 layers: a gain off by 20 % in each would move this by a factor of more than 18 (16
  // layers). Averages over an image or over an enlarged map leave less of noise than went in.
  EXPECT_GT(deviation, 0.02);
  EXPECT_LT(deviation, 20);
}

TEST(EveryActivation, KeepsTheSignalThroughSixteenLayers) {
  const c10::NoGradGuard no_gradients;
  for (const auto& name : pipeline::PluginIndex::Get().In("activations")) {
    pipeline::SeedGenerators(1);
    const auto model = Make("models/Vgg16", "head: GAP width: 0.25",
                            Context(64, 64, Task::kMulticlass, name.Url()));
    model->eval();
    const at::Tensor logits = model->Forward(at::randn({2, 1, 64, 64}));
    // The gain keeps the mean square of a signal of that size; borders of small maps take some of
    // it, and GELU and SiLU shrink what is smaller further. Without gains they would leave 1e-5.
    const double scale = logits.square().mean().sqrt().item<double>();
    EXPECT_GT(scale, 1e-3) << name.Url();
    EXPECT_LT(scale, 20) << name.Url();
  }
}

TEST_P(EveryModel, GivesEveryParameterAGradient) {
  pipeline::SeedGenerators(1);
  const auto model = Make(url(), "", Context(64, 64, task()));
  model->Forward(at::randn({2, 1, 64, 64})).square().sum().backward();
  for (const auto& item : model->named_parameters()) {
    ASSERT_TRUE(item.value().grad().defined()) << item.key();
    EXPECT_GT(item.value().grad().abs().sum().item<double>(), 0) << item.key();
  }
}

TEST_P(EveryModel, RefusesImagesThatItsPoolingWouldSwallow) {
  const std::map<std::string, std::string> expected = {
      {"models/Cnn",
       "[models/Cnn] halves images 3 times, so they must be at least 8 pixels wide and high; got "
       "7x64"},
      {"models/Unet",
       "[models/Unet] halves images 4 times, so they must be at least 16 pixels wide and high; got "
       "15x64"},
      {"models/Vgg16",
       "[models/Vgg16] halves images 5 times, so they must be at least 32 pixels wide and high; "
       "got 31x64"}};
  const std::map<std::string, int64_t> heights = {
      {"models/Cnn", 7}, {"models/Unet", 15}, {"models/Vgg16", 31}};
  EXPECT_EQ(Refusal(url(), "", Context(heights.at(url()), 64, task())), expected.at(url()));
}

TEST(Cnn, RefusesMorePoolingsThanAnImageCanHave) {
  std::string options;
  for (int i = 0; i < 70; ++i) options += "channels: 1 ";
  EXPECT_EQ(Refusal("models/Cnn", options, Context(64, 64)),
            "[models/Cnn] halves images 70 times, so they must be more than 2^30 pixels wide and "
            "high; got 64x64");
}

INSTANTIATE_TEST_SUITE_P(
    Registry, EveryModel,
    testing::Combine(testing::ValuesIn(pipeline::PluginIndex::Get().In("models")),
                     testing::Values(Task::kMulticlass, Task::kSegmentation)),
    [](const auto& info) {
      return std::get<0>(info.param).name + "_" + pipeline::TaskName(std::get<1>(info.param));
    });

}  // namespace
