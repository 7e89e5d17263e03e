// Parts of a model that do not learn.
#include "models/freeze.h"

#include <ATen/core/Tensor.h>
#include <ATen/ops/randn.h>
#include <c10/core/GradMode.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/nn/modules/batchnorm.h>

#include <map>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "pipeline/training/device.h"
#include "pipeline/training/norms.h"
#include "pipeline/training/optimizer.h"
#include "tests/narrow_models.h"
#include "tests/stages.h"

namespace {

using pipeline::NamedTensors;
using pipeline::Task;
using testing::ElementsAre;
using testing_support::kNarrow;
using testing_support::kNarrowOptions;
using testing_support::Make;
using testing_support::StateOf;
using testing_support::Write;

std::map<std::string, at::Tensor> Copied(std::map<std::string, at::Tensor> state) {
  for (auto& [name, tensor] : state) tensor = tensor.detach().clone();
  return state;
}

TEST(Freeze, KeepsWeightsAndStatisticsThroughTraining) {
  pipeline::SeedGenerators(1);
  const auto model = Make("head: GAP width: 0.05 batch_norm: true");
  const auto frozen = models::Freeze({"features.0", "features.1", "features.3"}, model.get());
  ASSERT_TRUE(frozen.ok());
  EXPECT_EQ(*frozen, 6);
  const auto before = Copied(StateOf(*model));
  pipeline::Train train;
  train.set_weight_decay(0.1);
  pipeline::Optimizer optimizer(train, model->parameters());
  model->train();
  model->Forward(at::randn({4, 1, 64, 64})).square().sum().backward();
  optimizer.Step(0.1, optimizer.GradientNorm());
  {
    pipeline::NormCalibration calibration({model.get()});
    const c10::NoGradGuard no_gradients;
    model->Forward(at::randn({4, 1, 64, 64}));
    calibration.Keep();
  }
  for (const auto& [name, tensor] : StateOf(*model)) {
    // features.10 and the like begin with the same letters.
    const bool kept = absl::StartsWith(name, "features.0.") ||
                      absl::StartsWith(name, "features.1.") ||
                      absl::StartsWith(name, "features.3.");
    EXPECT_EQ(tensor.equal(before.at(name)), kept) << name;
  }
}

TEST(Freeze, NamesMistakes) {
  const auto model = Make(kNarrowOptions);
  const auto error = [&](const std::vector<std::string>& prefixes) {
    return std::string(models::Freeze(prefixes, model.get()).status().message());
  };
  EXPECT_EQ(error({"features.0", "feature"}),
            "freeze: no parameter of the model is, or begins with, \"feature\"; did you mean "
            "\"features\"?");
  EXPECT_EQ(error({""}), "freeze: no parameter of the model is, or begins with, \"\"");
  EXPECT_EQ(error({"features.0.weigh"}),
            "freeze: no parameter of the model is, or begins with, \"features.0.weigh\"; did you "
            "mean \"features.0.weight\"?");
  EXPECT_EQ(error({"features", "classifier"}), "freeze: leaves the model with nothing to learn");
}

// The model's stage with "features" frozen, over three-channel images of four classes.
constexpr char kFrozenStage[] =
    "model { [models/Vgg16] { head: GAP width: 0.0625 } } activation { [activations/Relu] {} } "
    "freeze: \"features\" ";
const pipeline::Specs kImages = {{"images", {at::kFloat, {-1, 3, 64, 64}, 1}}};

pipeline::DataInfo FourClasses() {
  pipeline::DataInfo data;
  data.classes = {"a", "b", "c", "d"};
  data.task = Task::kMulticlass;
  return data;
}

TEST(Freeze, RefusesWhatTheFileHasNothingFor) {
  NamedTensors tensors = *pipeline::ReadSafetensors(kNarrow);
  const auto error = [&] {
    const std::string path = Write("frozen", tensors);
    const std::string message = testing_support::BuildError(
        "plugins/Model", kFrozenStage + absl::StrCat("weights: \"", path, "\""), kImages,
        FourClasses());
    return message.substr(0, message.find(": /"));
  };
  EXPECT_EQ(error(), "");
  for (auto& [name, tensor] : tensors) {
    if (name == "features.2.weight") name = "other.weight";
  }
  EXPECT_EQ(error(), "freeze: features.2.weight would stay as drawn at random");
  for (auto& [name, tensor] : tensors) {
    if (absl::StartsWith(name, "features.")) name = "body" + name.substr(8);
  }
  EXPECT_EQ(
      error(),
      "freeze: features.0.weight, features.0.bias, features.2.weight, features.2.bias, and 22 "
      "more would stay as drawn at random");
}

TEST(Freeze, SaysThatWhatIsFrozenWasDrawn) {
  const auto built = testing_support::Build("plugins/Model", kFrozenStage, kImages, FourClasses());
  EXPECT_THAT(built.stage->Notes(),
              ElementsAre("frozen: 26 of 28 parameters (features), as drawn at random: no weights "
                          "are given"));
}

}  // namespace
