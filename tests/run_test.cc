// The program as a user runs it: what it prints, what it leaves on disk, and that it repeats
// itself.
#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <csignal>
#include <nlohmann/json.hpp>
#include <set>
#include <thread>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "pipeline/runs/safetensors.h"
#include "tests/image_folders.h"
#include "tests/testing.h"

namespace {

using nlohmann::json;
using testing_support::ParseCsv;
using testing_support::Ran;
using testing_support::RunPipeline;
using testing_support::SmallConfig;
using testing_support::Workspace;

// Without the columns that measure time.
std::vector<std::map<std::string, std::string>> Timeless(const std::string& csv) {
  auto rows = ParseCsv(csv);
  for (auto& row : rows) {
    row.erase("seconds");
    row.erase("images_per_second");
    row.erase("data_wait");
  }
  return rows;
}

TEST(Dot, ShowsNodesPortsAndShapes) {
  const Workspace workspace;
  workspace.Write("configs/small.pbtxt", SmallConfig());
  const Ran ran = RunPipeline({"dot", "--config=small"});
  EXPECT_EQ(ran.code, 0) << ran.err;
  for (const char* line :
       {"digraph pipeline {\n", "  augment [label=\"augment\\nplugins/Augment\\n(TRAIN only)\"];\n",
        "  load -> gray [label=\"  images\\n  uint8 [N, 3, 32, 32]\"];\n",
        "  classify -> loss [label=\"  logits\\n  float32 [N, 4]\"];\n",
        "  augment -> loss [label=\"  labels\\n  int64 [N]\"];\n"}) {
    EXPECT_TRUE(absl::StrContains(ran.out, line)) << line << "is not in\n" << ran.out;
  }
  EXPECT_FALSE(workspace.Has("runs"));
}

TEST(Run, LeavesConfigMetricsWeightsAndSummary) {
  const Workspace workspace;
  workspace.Write("configs/small.pbtxt", SmallConfig());
  const Ran ran = RunPipeline({"--config=small.pbtxt", "--out=out"});
  ASSERT_EQ(ran.code, 0) << ran.err;
  EXPECT_EQ(ran.err, "");

  const json summary = json::parse(workspace.Read("out/summary.json"));
  EXPECT_EQ(summary["config"], "small");
  EXPECT_EQ(summary["dataset"], "synthetic");
  EXPECT_EQ(summary["embedded_sample"], false);
  EXPECT_EQ(summary["task"], "multiclass");
  EXPECT_EQ(summary["model"], "vgg16");
  EXPECT_EQ(summary["activation"], "relu");
  EXPECT_EQ(summary["losses"], json({"smooth_l1", "categorical_cross_entropy"}));
  EXPECT_EQ(summary["classes"], json({"glioma", "meningioma", "no_tumor", "pituitary"}));
  EXPECT_EQ(summary["train_images"], 20);
  EXPECT_EQ(summary["val_images"], 4);
  EXPECT_EQ(summary["test_images"], 12);
  EXPECT_EQ(summary["epochs"], 2);
  EXPECT_EQ(summary["seed"], 0);
  EXPECT_EQ(summary["device"], "cpu");
  EXPECT_EQ(summary["precision"], "FP32");
  EXPECT_EQ(summary["threads"], 1);
  EXPECT_GT(summary["seconds"], 0);
  EXPECT_GT(summary["images_per_second"], 0);
  EXPECT_GT(summary["startup_seconds"], 0);
  EXPECT_GT(summary["data_wait"], 0) << "the first batch is never ready at once";
  EXPECT_LT(summary["data_wait"], 1);
  const json& test = summary["test"];
  int64_t counted = 0, right = 0;
  for (size_t i = 0; i < 4; ++i) {
    int64_t row = 0;
    for (size_t j = 0; j < 4; ++j) row += test["confusion_matrix"][i][j].get<int64_t>();
    EXPECT_EQ(row, 3) << "three test images of each class";
    counted += row;
    right += test["confusion_matrix"][i][i].get<int64_t>();
  }
  EXPECT_NEAR(test["accuracy"], static_cast<double>(right) / counted, 1e-12);
  EXPECT_EQ(test["majority_baseline"], 0.25);
  for (const char* key : {"balanced_accuracy", "weighted_precision", "weighted_recall",
                          "weighted_f1", "macro_f1", "mean_iou_present", "mean_iou_all",
                          "classes_predicted", "collapsed", "recall.glioma", "f1.no_tumor"}) {
    EXPECT_TRUE(test.contains(key)) << key;
  }

  const auto rows = ParseCsv(workspace.Read("out/metrics.csv"));
  ASSERT_EQ(rows.size(), 5);
  const char* phases[] = {"TRAIN", "VAL", "TRAIN", "VAL", "TEST"};
  for (size_t i = 0; i < rows.size(); ++i) EXPECT_EQ(rows[i].at("phase"), phases[i]);
  EXPECT_EQ(rows[2].at("epoch"), "2");
  EXPECT_EQ(rows[2].at("step"), "6");
  for (const auto& row : rows) {
    const double total = std::stod(row.at("loss.total"));
    const double sum =
        std::stod(row.at("loss.smooth_l1")) + std::stod(row.at("loss.categorical_cross_entropy"));
    EXPECT_NEAR(total, sum, 1e-7 * total);
    EXPECT_GE(std::stod(row.at("data_wait")), 0);
    EXPECT_LE(std::stod(row.at("data_wait")), 1);
  }
  EXPECT_EQ(rows[0].at("weight.smooth_l1"), "1");
  EXPECT_EQ(rows[0].at("learning_rate"), "0.001");
  EXPECT_NE(rows[0].at("gradient_share.smooth_l1"), "");
  EXPECT_EQ(rows[1].at("gradient_share.smooth_l1"), "");

  const std::string columns = workspace.Read("out/metrics.csv");
  EXPECT_TRUE(absl::StartsWith(columns,
                               "epoch,phase,step,loss.total,loss.smooth_l1,"
                               "loss.categorical_cross_entropy,weight.smooth_l1,"))
      << columns.substr(0, 200);
}

TEST(Run, PrintsHeaderEpochsResultAndFolder) {
  const Workspace workspace;
  workspace.Write("configs/small.pbtxt", SmallConfig());
  const Ran ran = RunPipeline({"train", "--config", "small"});
  ASSERT_EQ(ran.code, 0) << ran.err;
  const std::vector<std::string> lines = absl::StrSplit(ran.out, '\n');
  EXPECT_EQ(lines[0], "  config   configs/small.pbtxt");
  EXPECT_EQ(lines[1], "  data     synthetic (multiclass) from drawn images (brain)");
  EXPECT_EQ(lines[2], "  images   20 train, 4 val, 12 test");
  EXPECT_EQ(lines[3], "  classes  glioma 5 / 1 / 3");
  EXPECT_TRUE(absl::StrContains(ran.out, "\nepoch 1/2  train loss ")) << ran.out;
  EXPECT_TRUE(absl::StrContains(ran.out, "  accuracy            ")) << ran.out;
  EXPECT_TRUE(absl::StrContains(ran.out,
                                "  class          recall  precision         F1     images\n"
                                "  glioma     "))
      << ran.out;
  EXPECT_FALSE(absl::StrContains(ran.out, "\r")) << "no live lines without a terminal";
  EXPECT_FALSE(absl::StrContains(ran.out, "EMBEDDED SAMPLE"));
  const size_t at = ran.out.find("run folder: ");
  ASSERT_NE(at, std::string::npos);
  const std::string folder(absl::StripTrailingAsciiWhitespace(ran.out.substr(at + 12)));
  EXPECT_TRUE(absl::StartsWith(folder, "runs/small/"));
  EXPECT_TRUE(workspace.Has(folder + "/weights.safetensors"));
}

TEST(Run, ShowsTheBannerOnTheEmbeddedSample) {
  const Workspace workspace;
  workspace.Write("configs/small.pbtxt",
                  absl::StrReplaceAll(SmallConfig(), {{"[datasets/Synthetic] { images_per_class: 6 "
                                                       "test_images_per_class: 3 }",
                                                       "[datasets/BrainTumor] {}"},
                                                      {"epochs: 2", "epochs: 1"}}));
  const Ran ran = RunPipeline({"--config=small", "--out=out"});
  ASSERT_EQ(ran.code, 0) << ran.err;
  EXPECT_TRUE(absl::StartsWith(ran.out,
                               "EMBEDDED SAMPLE: the data of brain_tumor are not here, so drawn "
                               "images stand in for them.\n"));
  EXPECT_TRUE(absl::StrContains(ran.out, "test result on 200 images of the EMBEDDED SAMPLE"));
  EXPECT_EQ(json::parse(workspace.Read("out/summary.json"))["embedded_sample"], true);
  EXPECT_TRUE(absl::StrContains(workspace.Read("out/config.pbtxt"), "embedded_sample: true"));
}

TEST(Run, RepeatsItselfWithAnyNumberOfLoaderThreads) {
  const Workspace workspace;
  workspace.Write("configs/small.pbtxt", SmallConfig());
  for (const auto& [out, workers] : {std::pair{"a", 1}, {"b", 4}, {"c", 4}}) {
    const Ran ran = RunPipeline({"--config=small", absl::StrCat("--out=", out), "--set",
                                 absl::StrCat("load.workers=", workers)});
    ASSERT_EQ(ran.code, 0) << ran.err;
  }
  const std::string weights = workspace.Read("a/weights.safetensors");
  EXPECT_GT(weights.size(), 10000);
  EXPECT_TRUE(weights == workspace.Read("b/weights.safetensors"));
  EXPECT_TRUE(weights == workspace.Read("c/weights.safetensors"));
  EXPECT_EQ(Timeless(workspace.Read("a/metrics.csv")), Timeless(workspace.Read("b/metrics.csv")));
  EXPECT_EQ(Timeless(workspace.Read("a/metrics.csv")), Timeless(workspace.Read("c/metrics.csv")));
  const Ran other = RunPipeline({"--config=small", "--out=d", "--set", "train.seed=1"});
  ASSERT_EQ(other.code, 0) << other.err;
  const std::string others = workspace.Read("d/weights.safetensors");
  EXPECT_EQ(others.size(), weights.size());
  EXPECT_FALSE(weights == others);
}

TEST(Run, RepeatsItselfFromItsResolvedConfig) {
  const Workspace workspace;
  workspace.Write("configs/small.pbtxt", SmallConfig());
  ASSERT_EQ(RunPipeline({"--config=small", "--out=a", "--set", "train.epochs=1"}).code, 0);
  ASSERT_EQ(RunPipeline({"--config=a/config.pbtxt", "--out=b"}).code, 0);
  EXPECT_TRUE(workspace.Read("a/weights.safetensors") == workspace.Read("b/weights.safetensors"));
}

TEST(Run, WorksWithoutValidationAndWithoutTest) {
  const Workspace workspace;
  workspace.Write("configs/small.pbtxt", SmallConfig());
  const Ran ran = RunPipeline({"--config=small", "--out=out", "--set", "load.validation_fraction=0",
                               "--set", "load.dataset.test_images_per_class=0"});
  ASSERT_EQ(ran.code, 0) << ran.err;
  EXPECT_TRUE(absl::StrContains(ran.out, "no test result")) << ran.out;
  const json summary = json::parse(workspace.Read("out/summary.json"));
  EXPECT_EQ(summary["weights_of"], "last epoch");
  EXPECT_TRUE(summary["test"].is_null());
  EXPECT_TRUE(workspace.Has("out/weights.safetensors"));
}

TEST(Run, StopsEarly) {
  const Workspace workspace;
  workspace.Write("configs/small.pbtxt", SmallConfig());
  // So small a rate changes nothing: the first epoch stays the best.
  const Ran ran = RunPipeline({"--config=small", "--out=out", "--set", "train.learning_rate=1e-12",
                               "--set", "train.epochs=9", "--set", "train.patience=2"});
  ASSERT_EQ(ran.code, 0) << ran.err;
  EXPECT_TRUE(absl::StrContains(ran.out, "stopped early: no better metrics.macro_f1 for 2 epochs"))
      << ran.out;
  const json summary = json::parse(workspace.Read("out/summary.json"));
  EXPECT_EQ(summary["epochs"], 3);
  EXPECT_EQ(summary["best_epoch"], 1);
}

TEST(Run, NamesStepNodeAndImagesWhenTheLossIsNotFinite) {
  const Workspace workspace;
  workspace.Write("configs/small.pbtxt", SmallConfig());
  const Ran ran = RunPipeline({"--config=small", "--out=out", "--set", "train.learning_rate=100",
                               "--set", "train.optimizer=SGD", "--set", "train.epochs=50"});
  EXPECT_EQ(ran.code, 1);
  EXPECT_TRUE(absl::StrContains(ran.err,
                                "node \"loss\" [plugins/FusedLoss] "
                                "(configs/small.pbtxt:24:1): loss.total is "))
      << ran.err;
  EXPECT_TRUE(absl::StrContains(ran.err, "drawn image ")) << ran.err;
  EXPECT_TRUE(absl::StrContains(ran.err, "weights.safetensors\n")) << ran.err;
  EXPECT_TRUE(workspace.Has("out/weights.safetensors"));
}

TEST(Run, LogsWeightsThatChange) {
  for (const std::string kind : {"UNCERTAINTY", "DWA", "GRADNORM", "RANDOM"}) {
    SCOPED_TRACE(kind);
    const Workspace workspace;
    workspace.Write("configs/small.pbtxt", SmallConfig());
    const Ran ran = RunPipeline({"--config=small", "--out=out", "--set", "train.epochs=4", "--set",
                                 "loss.dynamic_loss_weighting=" + kind});
    ASSERT_EQ(ran.code, 0) << ran.err;
    std::set<std::string> weights;
    for (auto& row : ParseCsv(workspace.Read("out/metrics.csv"))) {
      if (row["phase"] == "TRAIN") weights.insert(row["weight.smooth_l1"]);
    }
    EXPECT_GE(weights.size(), 2) << workspace.Read("out/metrics.csv");
    // What they have learned is kept with the weights of the model.
    const auto kept = pipeline::ReadSafetensors("out/weights.safetensors");
    ASSERT_TRUE(kept.ok());
    const auto of_loss = std::count_if(kept->begin(), kept->end(), [](const auto& named) {
      return absl::StartsWith(named.first, "loss.");
    });
    EXPECT_EQ(of_loss > 0, kind != "RANDOM");
  }
}

TEST(Run, SettlesBatchNormStatisticsAfterTraining) {
  const Workspace workspace;
  workspace.Write("configs/small.pbtxt", SmallConfig());
  const Ran ran = RunPipeline({"--config=small", "--out=out", "--set",
                               "classify.model.batch_norm=true", "--set", "train.epochs=3"});
  ASSERT_EQ(ran.code, 0) << ran.err;
  const auto weights = pipeline::ReadSafetensors("out/weights.safetensors");
  ASSERT_TRUE(weights.ok());
  int layers = 0;
  for (const auto& [name, tensor] : *weights) {
    if (!absl::EndsWith(name, "num_batches_tracked")) continue;
    ++layers;
    // A moving average would have seen all nine steps, the fresh one sees one pass of three.
    EXPECT_EQ(tensor.item<int64_t>(), 3) << name;
  }
  EXPECT_EQ(layers, 13);
}

TEST(Run, RefusesToOverwrite) {
  const Workspace workspace;
  workspace.Write("configs/small.pbtxt", SmallConfig());
  workspace.Write("out/summary.json", "precious");
  const Ran ran = RunPipeline({"--config=small", "--out=out"});
  EXPECT_EQ(ran.code, 2);
  EXPECT_EQ(ran.err, "--out=out: already holds a run; give another folder\n");
  EXPECT_EQ(workspace.Read("out/summary.json"), "precious");
}

TEST(Run, KeepsWhatWasLearnedOnCtrlC) {
  const Workspace workspace;
  workspace.Write("configs/small.pbtxt", SmallConfig());
  testing_support::Pipeline program(
      {"--config=small", "--out=out", "--set", "train.epochs=100000"});
  while (!workspace.Has("out/metrics.csv") && program.Runs()) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  program.Signal(SIGINT);
  const Ran ran = program.Wait();
  EXPECT_EQ(ran.code, 130);
  EXPECT_TRUE(absl::StartsWith(ran.err, "interrupted after ")) << ran.err;
  EXPECT_TRUE(absl::StrContains(ran.err, "out/weights.safetensors")) << ran.err;
  EXPECT_TRUE(workspace.Has("out/weights.safetensors"));
  EXPECT_EQ(json::parse(workspace.Read("out/summary.json"))["stopped"], "interrupted");
}

TEST(Check, TriesEverythingAndWritesNothing) {
  const Workspace workspace;
  workspace.Write("configs/small.pbtxt", SmallConfig());
  const Ran ran = RunPipeline({"check", "--config=small"});
  EXPECT_EQ(ran.code, 0) << ran.err;
  EXPECT_TRUE(absl::StrContains(ran.out, "ok: the graph ran one batch of each phase"));
  int entries = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(workspace.path())) {
    entries += entry.is_regular_file();
  }
  EXPECT_EQ(entries, 1);
}

TEST(Check, NamesBrokenFiles) {
  const Workspace workspace;
  workspace.Write("configs/small.pbtxt", SmallConfig());
  for (const char* name : {"glioma/a", "no_tumor/b"}) {
    workspace.Write(absl::StrCat("data/Training/", name, ".jpg"), "not an image");
    workspace.Write(absl::StrCat("data/Training/", name, "2.png"),
                    testing_support::Picture(name[0]));
  }
  const Ran ran = RunPipeline({"check", "--config=small", "--set",
                               "load.dataset=[datasets/BrainTumor] { root: \"data\" }", "--set",
                               "load.validation_fraction=0"});
  EXPECT_EQ(ran.code, 1);
  EXPECT_TRUE(absl::StrContains(ran.out, absl::StrCat("broken: ", workspace.path(),
                                                      "/data/Training/glioma/a.jpg: text, not an "
                                                      "image\n")))
      << ran.out;
  EXPECT_TRUE(absl::StrContains(ran.out, "2 files cannot be used")) << ran.out;
}

TEST(PrintConfig, IsAConfig) {
  const Workspace workspace;
  workspace.Write("configs/small.pbtxt", SmallConfig());
  const Ran ran = RunPipeline({"print-config", "--config=small", "--set", "train.epochs=7"});
  ASSERT_EQ(ran.code, 0) << ran.err;
  workspace.Write("again.pbtxt", ran.out);
  EXPECT_EQ(RunPipeline({"print-config", "--config=again.pbtxt"}).out, ran.out);
  EXPECT_TRUE(absl::StrContains(ran.out, "epochs: 7"));
}

TEST(Program, Lists) {
  const Workspace workspace;
  const Ran list = RunPipeline({"list"});
  EXPECT_EQ(list.code, 0);
  EXPECT_TRUE(absl::StrContains(list.out, "\nlosses/\n")) << list.out;
}

}  // namespace
