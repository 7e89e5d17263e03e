// Training as a user runs it, where something is asked for that cannot be, or goes wrong on the
// way.
#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <thread>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "tests/image_folders.h"
#include "tests/limits.h"
#include "tests/testing.h"

namespace {

using nlohmann::json;
using testing_support::ParseCsv;
using testing_support::Ran;
using testing_support::RunPipeline;
using testing_support::SmallConfig;
using testing_support::Workspace;

class TrainingRun : public testing::Test {
 protected:
  TrainingRun() { workspace_.Write("configs/small.pbtxt", SmallConfig()); }

  Ran Train(const std::vector<std::string>& sets) const {
    std::vector<std::string> arguments = {"--config=small", "--out=out"};
    for (const std::string& set : sets) arguments.insert(arguments.end(), {"--set", set});
    return RunPipeline(arguments);
  }
  json Summary() const { return json::parse(workspace_.Read("out/summary.json")); }
  // A column of metrics.csv over the rows of a phase.
  std::vector<double> Column(const std::string& column, const std::string& phase) const {
    std::vector<double> values;
    for (const auto& row : ParseCsv(workspace_.Read("out/metrics.csv"))) {
      if (row.at("phase") == phase) values.push_back(std::stod(row.at(column)));
    }
    return values;
  }

  const Workspace workspace_;
};

TEST_F(TrainingRun, TakesTheLowestLossForTheBestEpoch) {
  const Ran ran = Train({"train.monitor=loss.total", "train.epochs=4"});
  ASSERT_EQ(ran.code, 0) << ran.err;
  const std::vector<double> losses = Column("loss.total", "VAL");
  ASSERT_EQ(losses.size(), 4);
  const auto best = std::min_element(losses.begin(), losses.end()) - losses.begin();
  ASSERT_NE(losses.front(), losses.back());
  EXPECT_EQ(Summary()["best_epoch"], best + 1);
}

TEST_F(TrainingRun, RefusesMonitorsThatMeasureNothing) {
  for (const char* monitor : {"metrics.collapsed", "weight.smooth_l1", "metrics.majority_baseline",
                              "metrics.classes_predicted"}) {
    const Ran ran = Train({absl::StrCat("train.monitor=", monitor)});
    EXPECT_EQ(ran.code, 2);
    EXPECT_TRUE(absl::StartsWith(
        ran.err,
        absl::StrCat("--set train.monitor=", monitor, ": train.monitor: \"", monitor,
                     "\" says nothing of how good an epoch is; there are: loss.total, "
                     "loss.smooth_l1, loss.categorical_cross_entropy, metrics.accuracy, ")))
        << ran.err;
    EXPECT_FALSE(absl::StrContains(ran.err, ", metrics.collapsed")) << ran.err;
  }
  EXPECT_FALSE(workspace_.Has("out"));
}

TEST_F(TrainingRun, NamesEverythingThatNeedsAValidationSplit) {
  const Ran ran = Train({"load.validation_fraction=0", "train.patience=1", "train.schedule=PLATEAU",
                         "train.monitor=metrics.nonsense"});
  EXPECT_EQ(ran.code, 2);
  EXPECT_TRUE(absl::StartsWith(ran.err,
                               "--set train.monitor=metrics.nonsense: train.monitor: nobody "
                               "reports \"metrics.nonsense\"; there are: "))
      << ran.err;
  EXPECT_TRUE(absl::EndsWith(
      ran.err,
      "\n--set train.patience=1: train.patience: needs a validation split, and the data have none\n"
      "--set train.schedule=PLATEAU: train.schedule: PLATEAU needs a validation split, and the "
      "data have none\n"))
      << ran.err;
}

TEST_F(TrainingRun, HalvesTheRateAfterThreeEpochsWithoutABetterValue) {
  // So small a rate changes nothing, so no epoch is better than the first.
  const Ran ran = Train({"train.learning_rate=1e-12", "train.epochs=8", "train.schedule=PLATEAU"});
  ASSERT_EQ(ran.code, 0) << ran.err;
  EXPECT_EQ(Column("learning_rate", "TRAIN"),
            (std::vector<double>{1e-12, 1e-12, 1e-12, 1e-12, 5e-13, 5e-13, 5e-13, 2.5e-13}));
}

TEST_F(TrainingRun, RestoresTheBestWeightsWhenItStopsEarly) {
  const Ran ran = Train({"train.learning_rate=3e-2", "classify.model.batch_norm=true",
                         "train.epochs=30", "train.patience=3"});
  ASSERT_EQ(ran.code, 0) << ran.err;
  const json summary = Summary();
  ASSERT_LT(summary["epochs"], 30);
  EXPECT_EQ(summary["best_epoch"].get<int>() + 3, summary["epochs"]);
  EXPECT_EQ(summary["stopped"], "no better metrics.macro_f1 for 3 epochs");
  // Trained to the best epoch alone, it gives the same result.
  const std::string epochs = absl::StrCat("train.epochs=", summary["best_epoch"].get<int>());
  ASSERT_EQ(RunPipeline({"--config=small", "--out=again", "--set", "train.learning_rate=3e-2",
                         "--set", "classify.model.batch_norm=true", "--set", epochs})
                .code,
            0);
  EXPECT_EQ(json::parse(workspace_.Read("again/summary.json"))["test"], summary["test"]);
  EXPECT_TRUE(workspace_.Read("again/weights.safetensors") ==
              workspace_.Read("out/weights.safetensors"));
}

TEST_F(TrainingRun, StartedTwiceInOneSecondHasTwoFolders) {
  std::vector<std::unique_ptr<testing_support::Pipeline>> programs;
  for (int i = 0; i < 3; ++i) {
    programs.push_back(std::make_unique<testing_support::Pipeline>(
        std::vector<std::string>{"--config=small", "--set", "train.epochs=1"}));
  }
  for (const auto& program : programs) {
    const Ran ran = program->Wait();
    EXPECT_EQ(ran.code, 0) << ran.err;
  }
  int folders = 0;
  for (const auto& entry : std::filesystem::directory_iterator("runs/small")) {
    EXPECT_TRUE(std::filesystem::exists(entry.path() / "summary.json")) << entry.path();
    ++folders;
  }
  EXPECT_EQ(folders, 3);
}

TEST_F(TrainingRun, KeepsItsSummaryWhereTheTestFails) {
  for (const char* name : {"glioma", "meningioma", "no_tumor", "pituitary"}) {
    for (int i = 0; i < 6; ++i) {
      workspace_.Write(absl::StrCat("data/Training/", name, "/", i, ".png"),
                       testing_support::Picture(static_cast<int>(100 * name[0] + i)));
    }
    workspace_.Write(absl::StrCat("data/Testing/", name, "/a.png"),
                     testing_support::Picture(7 + name[0]));
  }
  testing_support::Pipeline program({"--config=small", "--out=out", "--set",
                                     "load.dataset=[datasets/BrainTumor] { root: \"data\" }",
                                     "--set", "train.epochs=60"});
  while (!workspace_.Has("out/metrics.csv") && program.Runs()) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  // Whole when the run began.
  std::filesystem::remove_all("data/Testing");
  const Ran ran = program.Wait();
  EXPECT_EQ(ran.code, 1);
  EXPECT_TRUE(absl::StrContains(ran.err, "/a.png: gone or changed since the run began")) << ran.err;
  EXPECT_TRUE(absl::StrContains(ran.err, "\nthe weights of epoch ")) << ran.err;
  EXPECT_TRUE(absl::EndsWith(ran.err, " are in out/weights.safetensors; go on with --resume=out\n"))
      << ran.err;
  const json summary = Summary();
  EXPECT_EQ(summary["epochs"], 60);
  EXPECT_TRUE(summary["test"].is_null());
  EXPECT_TRUE(absl::StrContains(summary["stopped"].get<std::string>(), "since the run began"));
}

TEST_F(TrainingRun, PromisesNoWeightsThatTheDiskHadNoRoomFor) {
  Ran ran;
  {
    // Enough for the config, not for weights.
    const testing_support::SmallDisk small(30000);
    ran = Train({"train.epochs=1", "classify.model.width=0.2"});
  }
  EXPECT_EQ(ran.code, 1);
  EXPECT_EQ(ran.err,
            "cannot write out/weights.safetensors: File too large\nno weights are in out\n");
  EXPECT_FALSE(workspace_.Has("out/weights.safetensors"));
}

TEST_F(TrainingRun, KeepsWhatWasLearnedWhenTheTerminalGoes) {
  testing_support::Pipeline program({"--config=small", "--out=out", "--set", "train.epochs=100000",
                                     "--set", "load.validation_fraction=0"});
  while (!workspace_.Has("out/metrics.csv") && program.Runs()) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  program.Signal(SIGHUP);
  const Ran ran = program.Wait();
  EXPECT_EQ(ran.code, 128 + SIGHUP);
  EXPECT_TRUE(absl::EndsWith(ran.err,
                             "; the latest weights are in out/weights.safetensors; go on with "
                             "--resume=out\n"))
      << ran.err;
  EXPECT_TRUE(workspace_.Has("out/weights.safetensors"));
  EXPECT_EQ(Summary()["stopped"], "interrupted");
}

}  // namespace
