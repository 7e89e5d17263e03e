// Includes, merging, --set, and the embedded sample's overrides.
#include "pipeline/config/config.h"

#include <gtest/gtest.h>

#include "pipeline/config/text.h"
#include "pipeline/registry.h"
#include "tests/testing.h"

namespace {

using testing_support::Load;
using testing_support::SmallConfig;
using testing_support::Workspace;

std::string Resolved(const std::string& path, const std::vector<std::string>& sets = {}) {
  const auto loaded = Load(path, sets);
  EXPECT_EQ(loaded.errors, "");
  return pipeline::PrintText(loaded.config.document.config);
}

bool Contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

TEST(Merge, LaterFieldsWinAndOthersStay) {
  const Workspace workspace;
  workspace.Write("base.pbtxt", SmallConfig());
  workspace.Write("c.pbtxt", R"(include: "base.pbtxt"
    node { name: "load" plugin { [plugins/Loader] { batch_size: 5 } } }
    train { epochs: 7 })");
  const std::string text = Resolved("c.pbtxt");
  EXPECT_TRUE(Contains(text, "batch_size: 5")) << text;
  EXPECT_TRUE(Contains(text, "image_size: 32")) << text;
  EXPECT_TRUE(Contains(text, "images_per_class: 6")) << text;
  EXPECT_TRUE(Contains(text, "epochs: 7")) << text;
  EXPECT_TRUE(Contains(text, "learning_rate: 0.001")) << text;
  EXPECT_FALSE(Contains(text, "include")) << text;
}

TEST(Merge, RepeatedFieldsAreReplacedWhole) {
  const Workspace workspace;
  workspace.Write("base.pbtxt", SmallConfig());
  workspace.Write("c.pbtxt", R"(include: "base.pbtxt"
    node { name: "loss" plugin { [plugins/FusedLoss] {
      term { [losses/CategoricalCrossEntropy] {} } } } })");
  const std::string text = Resolved("c.pbtxt");
  EXPECT_FALSE(Contains(text, "SmoothL1")) << text;
  EXPECT_TRUE(Contains(text, "labels: augment.labels")) << text;
}

TEST(Merge, AnotherPluginReplacesOptions) {
  const Workspace workspace;
  workspace.Write("base.pbtxt", SmallConfig());
  workspace.Write("c.pbtxt", R"(include: "base.pbtxt"
    node { name: "load" plugin { [plugins/Loader] {
      dataset { [datasets/BrainTumor] { task: BINARY } } } } })");
  const std::string text = Resolved("c.pbtxt");
  EXPECT_FALSE(Contains(text, "images_per_class")) << text;
  EXPECT_TRUE(Contains(text, "task: BINARY")) << text;
  EXPECT_TRUE(Contains(text, "batch_size: 8")) << text;
}

TEST(Merge, IncludesAreFoundBesideTheFileThenInConfigs) {
  const Workspace workspace;
  workspace.Write("configs/common/base.pbtxt", SmallConfig());
  workspace.Write("elsewhere/c.pbtxt", "include: \"common/base.pbtxt\"");
  EXPECT_TRUE(Contains(Resolved("elsewhere/c.pbtxt"), "image_size: 32"));
  workspace.Write("elsewhere/common/base.pbtxt",
                  SmallConfig() + "node { name: \"load\" plugin { [plugins/Loader] {} } }");
  EXPECT_TRUE(Contains(Load("elsewhere/c.pbtxt").errors, "two nodes are called \"load\""));
}

TEST(Merge, ErrorsNameTheFileThatSaidIt) {
  const Workspace workspace;
  workspace.Write("base.pbtxt", SmallConfig());
  workspace.Write("c.pbtxt", "include: \"base.pbtxt\"\ntrain {\n  epochs: -3\n}\n");
  EXPECT_EQ(Load("c.pbtxt").errors, "c.pbtxt:3:3: epochs is -3; it must be between 1 and 100000");
  workspace.Write("c.pbtxt", "include: \"base.pbtxt\"\ntrain { seed: 3 }\n");
  workspace.Write("base.pbtxt", SmallConfig() + "train { warmup_epochs: -1 }\n");
  EXPECT_TRUE(Contains(Load("c.pbtxt").errors, "base.pbtxt:40:")) << Load("c.pbtxt").errors;
}

TEST(Set, ReachesEveryKindOfValue) {
  const Workspace workspace;
  workspace.Write("c.pbtxt", SmallConfig());
  const std::string text = Resolved(
      "c.pbtxt", {"train.epochs=9", "train.monitor=metrics.accuracy", "classify.model.head=FC4096",
                  "loss.term[0].beta=0.25", "loss.term[1]=[losses/SmoothL1] { beta: 0.5 }",
                  "loss.loss_weights=[2, 3]", "loss.loss_weights[1]=4",
                  "classify.activation=[activations/Softmax] {}", "normalize.mean=[0.5]",
                  "load.dataset.test_images_per_class=1"});
  EXPECT_TRUE(Contains(text, "epochs: 9")) << text;
  EXPECT_TRUE(Contains(text, "monitor: \"metrics.accuracy\"")) << text;
  EXPECT_TRUE(Contains(text, "head: FC4096")) << text;
  EXPECT_TRUE(Contains(text, "beta: 0.25")) << text;
  EXPECT_TRUE(Contains(text, "beta: 0.5")) << text;
  EXPECT_TRUE(Contains(text, "loss_weights: [2, 4]")) << text;
  EXPECT_TRUE(Contains(text, "[activations/Softmax]")) << text;
  EXPECT_TRUE(Contains(text, "mean: [0.5]")) << text;
  EXPECT_TRUE(Contains(text, "test_images_per_class: 1")) << text;
  EXPECT_TRUE(Contains(text, "width: 0.07")) << text;
}

TEST(Set, ReplacesWholeLists) {
  const Workspace workspace;
  workspace.Write("c.pbtxt", SmallConfig());
  const std::string one = Resolved("c.pbtxt", {"loss.term=[losses/SmoothL1] {}"});
  EXPECT_FALSE(Contains(one, "CategoricalCrossEntropy")) << one;
  const std::string two =
      Resolved("c.pbtxt", {"loss.term=[{ [losses/SmoothL1] {} }, { [losses/SmoothL1] {} }]"});
  EXPECT_EQ(two.find("SmoothL1") == two.rfind("SmoothL1"), false) << two;
}

TEST(Set, LastOneWins) {
  const Workspace workspace;
  workspace.Write("c.pbtxt", SmallConfig());
  EXPECT_TRUE(Contains(Resolved("c.pbtxt", {"train.seed=1", "train.seed=2"}), "seed: 2"));
}

constexpr char kBrain[] = R"(include: "small.pbtxt"
node { name: "load" plugin { [plugins/Loader] { dataset { [datasets/BrainTumor] {} } } } }
sample_overrides {
  node { name: "load" plugin { [plugins/Loader] { image_size: 40 batch_size: 4 } } }
  train { epochs: 3 seed: 5 }
})";

TEST(Sample, OverridesApplyOnlyWithoutData) {
  const Workspace workspace;
  workspace.Write("small.pbtxt", SmallConfig());
  workspace.Write("c.pbtxt", kBrain);
  const auto sample = Load("c.pbtxt", {"train.seed=6"});
  EXPECT_EQ(sample.errors, "");
  EXPECT_TRUE(sample.config.embedded_sample);
  const std::string text = pipeline::PrintText(sample.config.document.config);
  EXPECT_TRUE(Contains(text, "image_size: 40")) << text;
  EXPECT_TRUE(Contains(text, "embedded_sample: true")) << text;
  EXPECT_TRUE(Contains(text, "epochs: 3")) << text;
  EXPECT_TRUE(Contains(text, "seed: 6")) << "--set wins over sample_overrides: " << text;
  EXPECT_FALSE(Contains(text, "sample_overrides")) << text;
}

TEST(Sample, OverridesOfTheDatasetDoNotAskForTheSample) {
  const Workspace workspace;
  workspace.Write("small.pbtxt", SmallConfig());
  workspace.Write("c.pbtxt", kBrain);
  workspace.Write("d.pbtxt",
                  "include: \"c.pbtxt\" sample_overrides { node { name: \"load\" plugin { "
                  "[plugins/Loader] { dataset { [datasets/BrainTumor] { task: BINARY } } } } } }");
  const auto loaded = Load("d.pbtxt", {"load.dataset.root=mine"});
  EXPECT_EQ(loaded.errors, "");
  EXPECT_FALSE(loaded.config.embedded_sample);
  EXPECT_FALSE(Contains(pipeline::PrintText(loaded.config.document.config), "BINARY"));
}

TEST(Sample, DataFolderOfTheWorkspaceIsPinned) {
  const Workspace workspace;
  workspace.Write("small.pbtxt", SmallConfig());
  workspace.Write("c.pbtxt", kBrain);
  workspace.Write("data/brain_tumor/Training/glioma/a.jpg", "");
  const auto loaded = Load("c.pbtxt");
  EXPECT_FALSE(loaded.config.embedded_sample);
  const std::string text = pipeline::PrintText(loaded.config.document.config);
  EXPECT_TRUE(Contains(text, "root: \"" + workspace.path() + "/data/brain_tumor\"")) << text;
  EXPECT_TRUE(Contains(text, "image_size: 32")) << text;
}

TEST(Sample, AGivenRootIsMadeAbsoluteAndNeverReplaced) {
  const Workspace workspace;
  workspace.Write("small.pbtxt", SmallConfig());
  workspace.Write("c.pbtxt", kBrain);
  const auto loaded = Load("c.pbtxt", {"load.dataset.root=mine"});
  EXPECT_FALSE(loaded.config.embedded_sample);
  EXPECT_TRUE(Contains(pipeline::PrintText(loaded.config.document.config),
                       "root: \"" + workspace.path() + "/mine\""));
}

TEST(Resolved, RunsAgainTheSame) {
  const Workspace workspace;
  workspace.Write("small.pbtxt", SmallConfig());
  workspace.Write("c.pbtxt", kBrain);
  const std::string once = Resolved("c.pbtxt");
  workspace.Write("again.pbtxt", once);
  EXPECT_EQ(Resolved("again.pbtxt"), once);
}

TEST(Order, DoesNotDependOnTheFile) {
  // The loader stands last in the file and runs first.
  const Workspace workspace;
  std::string config = SmallConfig();
  const size_t gray = config.find("node { name: \"gray\"");
  const size_t train = config.find("train {");
  workspace.Write(
      "c.pbtxt", config.substr(gray, train - gray) + config.substr(0, gray) + config.substr(train));
  const auto loaded = Load("c.pbtxt");
  ASSERT_EQ(loaded.errors, "");
  ASSERT_EQ(loaded.graph->nodes().size(), 7);
  EXPECT_EQ(loaded.graph->nodes()[0].name, "load");
}

TEST(Text, DeepNestingIsRefusedNotCrashed) {
  const Workspace workspace;
  std::string deep;
  for (int i = 0; i < 20000; ++i) deep += "sample_overrides {";
  workspace.Write("c.pbtxt", deep);
  EXPECT_TRUE(Contains(Load("c.pbtxt").errors, "too deep"))
      << Load("c.pbtxt").errors.substr(0, 200);
}

TEST(Text, BinaryAndHugeFilesAreRefused) {
  const Workspace workspace;
  workspace.Write("c.pbtxt", std::string("\x00\xff\x7f binary", 10));
  EXPECT_NE(Load("c.pbtxt").errors, "");
  workspace.Write("big.pbtxt", std::string(2 << 20, '#'));
  EXPECT_EQ(Load("big.pbtxt").errors, "cannot read big.pbtxt: larger than 1048576 bytes");
}

}  // namespace
