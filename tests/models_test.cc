// Models: names and shapes as in torchvision, any activation, and learning.
#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <gtest/gtest.h>
#include <torch/utils.h>

#include <map>

#include "models/model.h"
#include "tests/oracle.h"

namespace {

using testing_support::PluginOf;

std::shared_ptr<models::Model> Make(const std::string& options, int64_t size = 32,
                                    const std::string& activation = "activations/Relu",
                                    int64_t channels = 1) {
  const models::ModelContext context = {
      channels, size, size, 4, pipeline::Task::kMulticlass, [activation] {
        return *activations::Activations::Get().Create(PluginOf(activation, ""));
      }};
  auto made = models::Models::Get().Create(PluginOf("models/Vgg16", options), context);
  EXPECT_TRUE(made.ok()) << made.status();
  return *std::move(made);
}

std::map<std::string, std::vector<int64_t>> State(const torch::nn::Module& module) {
  std::map<std::string, std::vector<int64_t>> state;
  for (const auto& item : module.named_parameters()) state[item.key()] = item.value().sizes().vec();
  for (const auto& item : module.named_buffers()) state[item.key()] = item.value().sizes().vec();
  return state;
}

TEST(Vgg16, HasTorchvisionsNamesAndShapes) {
  const auto oracle = testing_support::ReadOracle("models/testdata/vgg16.json");
  for (const auto& [variant, options] : {std::pair{"vgg16", "head: FC4096"},
                                         std::pair{"vgg16_bn", "head: FC4096 batch_norm: true"}}) {
    const auto expected =
        oracle[variant]["state"].get<std::map<std::string, std::vector<int64_t>>>();
    const auto model = Make(options);
    EXPECT_EQ(State(*model), expected) << variant;
    int64_t parameters = 0;
    for (const auto& parameter : model->parameters()) parameters += parameter.numel();
    EXPECT_EQ(parameters, oracle[variant]["parameters"].get<int64_t>());
  }
}

TEST(Vgg16, GivesOneLogitPerClass) {
  for (const char* options : {"head: GAP width: 0.1", "head: FC4096 width: 0.05",
                              "head: GAP width: 0.1 batch_norm: true"}) {
    for (const int64_t size : {32, 50, 64}) {
      const auto model = Make(options, size);
      EXPECT_EQ(model->Forward(at::randn({3, 1, size, size})).sizes(), at::IntArrayRef({3, 4}));
    }
  }
}

TEST(Vgg16, RefusesImagesThatItsPoolingWouldSwallow) {
  const models::ModelContext context = {1, 31, 64, 4, pipeline::Task::kMulticlass, nullptr};
  EXPECT_EQ(models::Models::Get().Create(PluginOf("models/Vgg16", ""), context).status().message(),
            "[models/Vgg16] halves images five times, so they must be at least 32 pixels wide and "
            "high; got 31x64");
}

TEST(Vgg16, KeepsTheSignalAtItsInitialisation) {
  torch::manual_seed(1);
  const c10::NoGradGuard no_gradients;
  const auto model = Make("head: GAP width: 0.5", 64);
  const double deviation = model->Forward(at::randn({8, 1, 64, 64})).std().item<double>();
  // Sixteen layers: a gain off by 20 % in each would move this by a factor of 18.
  EXPECT_GT(deviation, 0.02);
  EXPECT_LT(deviation, 20);
}

TEST(Vgg16, UsesTheActivationItIsGiven) {
  const at::Tensor images = at::randn({2, 1, 32, 32});
  at::Tensor logits[2];
  for (const int i : {0, 1}) {
    torch::manual_seed(1);
    const auto model =
        Make("head: GAP width: 0.1", 32, i == 0 ? "activations/Relu" : "activations/Softmax");
    logits[i] = model->Forward(images);
  }
  EXPECT_FALSE(logits[0].allclose(logits[1]));
}

TEST(Vgg16, DropsOutInTrainingOnly) {
  const auto model = Make("head: FC4096 width: 0.05 dropout: 0.5");
  const at::Tensor images = at::randn({2, 1, 32, 32});
  model->eval();
  EXPECT_TRUE(model->Forward(images).equal(model->Forward(images)));
  model->train();
  EXPECT_FALSE(model->Forward(images).equal(model->Forward(images)));
}

TEST(EveryModel, GivesEveryParameterAGradient) {
  for (const auto& name : pipeline::PluginIndex::Get().In("models")) {
    torch::manual_seed(1);
    const models::ModelContext context = {
        1, 64, 64, 3, pipeline::Task::kMulticlass, [] {
          return *activations::Activations::Get().Create(PluginOf("activations/Relu", ""));
        }};
    auto made = models::Models::Get().Create(PluginOf(name.Url(), ""), context);
    ASSERT_TRUE(made.ok()) << made.status();
    const std::shared_ptr<models::Model> model = *std::move(made);
    model->Forward(at::randn({2, 1, 64, 64})).square().sum().backward();
    for (const auto& item : model->named_parameters()) {
      ASSERT_TRUE(item.value().grad().defined()) << name.Url() << " " << item.key();
      EXPECT_GT(item.value().grad().abs().sum().item<double>(), 0)
          << name.Url() << " " << item.key();
    }
  }
}

}  // namespace
