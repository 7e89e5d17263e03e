// Runs that start from pretrained weights and leave parts of the model as they are.
#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/rand_like.h>
#include <gtest/gtest.h>

#include <map>

#include "absl/strings/match.h"
#include "pipeline/training/device.h"
#include "tests/narrow_models.h"
#include "tests/testing.h"

namespace {

using pipeline::NamedTensors;
using pipeline::Task;
using testing_support::Make;
using testing_support::RunPipeline;
using testing_support::StateOf;
using testing_support::Workspace;

constexpr char kModel[] = "[models/Vgg16] { head: GAP width: 0.05 batch_norm: true }";

// Writes the config and weights of random values for its model.
NamedTensors WriteRunWithWeights(const Workspace& workspace) {
  std::string config = testing_support::SmallConfig();
  const std::string model = "[models/Vgg16] { head: GAP width: 0.07 }";
  config.replace(config.find(model), model.size(), kModel);
  workspace.Write("c.pbtxt", config);
  pipeline::SeedGenerators(5);
  const auto source = Make("head: GAP width: 0.05 batch_norm: true", 3, Task::kMulticlass, 9);
  NamedTensors tensors;
  for (const auto& [name, tensor] : StateOf(*source)) {
    tensors.emplace_back(name,
                         tensor.is_floating_point() ? at::rand_like(tensor) * 0.1 + 0.1 : tensor);
  }
  EXPECT_TRUE(pipeline::WriteSafetensors("w.safetensors", tensors, {}).ok());
  return tensors;
}

TEST(Runs, StartFromWeightsAndLeaveFrozenPartsAlone) {
  const Workspace workspace;
  const NamedTensors given = WriteRunWithWeights(workspace);
  const auto ran =
      RunPipeline({"--config=c.pbtxt", "--set", "classify.weights=w.safetensors", "--set",
                   "classify.freeze=[\"features\"]", "--set", "train.epochs=1", "--out=out"});
  ASSERT_EQ(ran.code, 0) << ran.err;
  for (const char* line :
       {"weights of w.safetensors: 91 loaded, 0 missing, 0 unexpected, 2 of wrong shape\n",
        "weights: features.0.weight summed over its 3 input channels\n",
        "weights of wrong shape: classifier.0.weight [9, 26] for [4, 26], classifier.0.bias [9] "
        "for "
        "[4]\n",
        "frozen: 52 of 54 parameters (features)\n"}) {
    EXPECT_TRUE(absl::StrContains(ran.out, line)) << line << ran.out;
  }
  // Only the classifier is learned: 26 * 4 weights and 4 biases.
  EXPECT_TRUE(absl::StrContains(ran.out, ", 108 parameters\n")) << ran.out;
  const NamedTensors saved = *pipeline::ReadSafetensors("out/weights.safetensors");
  const std::map<std::string, at::Tensor> after(saved.begin(), saved.end());
  for (const auto& [name, tensor] : given) {
    if (!absl::StartsWith(name, "features.") || name == "features.0.weight") continue;
    EXPECT_TRUE(after.at(name).equal(tensor)) << name;
  }
}

TEST(Runs, PinTheWeightsFile) {
  const Workspace workspace;
  WriteRunWithWeights(workspace);
  const auto ran =
      RunPipeline({"print-config", "--config=c.pbtxt", "--set", "classify.weights=w.safetensors"});
  EXPECT_TRUE(absl::StrContains(ran.out, "weights: \"" + workspace.path() + "/w.safetensors\"\n"))
      << ran.out;
}

TEST(Runs, NameWrongWeightsAndWrongPrefixes) {
  const Workspace workspace;
  WriteRunWithWeights(workspace);
  const auto ran = RunPipeline({"check", "--config=c.pbtxt", "--set", "classify.weights=absent"});
  EXPECT_EQ(ran.code, 2);
  EXPECT_EQ(ran.err, "--set classify.weights=absent: weights: " + workspace.path() +
                         "/absent: cannot read: No such file or directory\n");
  const auto frozen =
      RunPipeline({"check", "--config=c.pbtxt", "--set", "classify.freeze=[\"feature\"]"});
  EXPECT_EQ(frozen.code, 2);
  EXPECT_EQ(frozen.err,
            "--set classify.freeze=[\"feature\"]: freeze: no parameter of the model is, or begins "
            "with, \"feature\"; did you mean \"features\"?\n");
}

}  // namespace
