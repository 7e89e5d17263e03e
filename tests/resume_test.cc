// Runs that are killed and go on: the same weights, rows, curves and summary as the run that was
// never cut.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <random>
#include <thread>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "tests/image_folders.h"
#include "tests/run_traces.h"
#include "tests/testing.h"

namespace {

namespace fs = std::filesystem;

using testing_support::Pipeline;
using testing_support::Ran;
using testing_support::RunPipeline;
using testing_support::RunTraces;
using testing_support::SmallConfig;
using testing_support::TracesOf;
using testing_support::Workspace;

class ResumeTest : public testing::Test {
 protected:
  ResumeTest() { workspace_.Write("configs/small.pbtxt", SmallConfig()); }

  static std::vector<std::string> Arguments(const std::string& out,
                                            const std::vector<std::string>& sets) {
    std::vector<std::string> arguments = {"--config=small", "--out=" + out, "--set",
                                          "train.checkpoint_minutes=1e-9"};  // after each step
    for (const std::string& set : sets) arguments.insert(arguments.end(), {"--set", set});
    return arguments;
  }

  // Trains as `sets` say; killed `kills` times at moments spread over its time, each time going on
  // with another number of workers.
  void ExpectSurvives(const std::vector<std::string>& sets, int kills) {
    const auto begun = std::chrono::steady_clock::now();
    const Ran whole = RunPipeline(Arguments("whole", sets));
    ASSERT_EQ(whole.code, 0) << whole.err;
    const auto took = std::chrono::steady_clock::now() - begun;
    const RunTraces expected = TracesOf("whole");
    std::mt19937 random(static_cast<unsigned>(kills));
    std::vector<std::string> arguments = Arguments("cut", sets);
    for (int kill = 0; kill < kills; ++kill) {
      Pipeline program(arguments);
      std::this_thread::sleep_for(took * std::uniform_real_distribution<>(0.05, 0.6)(random));
      program.Signal(SIGKILL);
      const Ran ran = program.Wait();
      ASSERT_TRUE(ran.code != 1 && ran.code != 2) << ran.err;
      if (!workspace_.Has("cut/run.json") || workspace_.Read("cut/run.json").empty()) {
        fs::remove_all(workspace_.path() + "/cut");  // it never began
        continue;
      }
      const int workers = 1 << (kill % 3);
      arguments = {"train", "--resume=cut", "--set", absl::StrCat("load.workers=", workers)};
    }
    const Ran last = RunPipeline(arguments);
    ASSERT_EQ(last.code, 0) << last.err;
    ExpectEqual(TracesOf("cut"), expected);
  }

  const Workspace workspace_;
};

TEST_F(ResumeTest, KilledWithAdamAndPlateau) {
  ExpectSurvives({"train.epochs=8", "train.schedule=PLATEAU", "loss.dynamic_loss_weighting=DWA",
                  "classify.model.batch_norm=true"},
                 7);
}

TEST_F(ResumeTest, KilledWithAnAverageAndDropout) {
  ExpectSurvives({"train.epochs=8", "train.optimizer=ADAMW", "train.schedule=COSINE",
                  "train.ema_decay=0.9", "loss.dynamic_loss_weighting=GRADNORM",
                  "classify.model.batch_norm=true", "classify.model.dropout=0.5"},
                 7);
}

TEST_F(ResumeTest, KilledWithSgdAndBalancedSampling) {
  ExpectSurvives(
      {"train.epochs=8", "train.optimizer=SGD", "train.schedule=STEP", "train.warmup_epochs=1.5",
       "loss.dynamic_loss_weighting=UNCERTAINTY", "load.sampling=BALANCED",
       "classify.activation=[activations/MittagLeffler] { learnable: true }"},
      6);
}

class SmallRun : public ResumeTest {
 protected:
  // Trained to its end.
  void Train(const std::vector<std::string>& sets = {}) {
    const Ran ran = RunPipeline(Arguments("out", sets));
    ASSERT_EQ(ran.code, 0) << ran.err;
  }
  static Ran Resume(const std::vector<std::string>& more) {
    std::vector<std::string> arguments = {"train", "--resume=out"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return RunPipeline(arguments);
  }
  std::vector<std::string> Checkpoints() const {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(workspace_.path() + "/out/checkpoints")) {
      names.push_back(entry.path().filename().string());
    }
    std::sort(names.begin(), names.end());
    return names;
  }
};

TEST_F(SmallRun, AFinishedRunIsTestedAgainToTheSameEnd) {
  Train();
  const RunTraces expected = TracesOf("out");
  const Ran ran = Resume({});
  EXPECT_EQ(ran.code, 0) << ran.err;
  EXPECT_TRUE(absl::StrContains(ran.out, "goes on after 2 whole epochs and 6 training steps\n"))
      << ran.out;
  ExpectEqual(TracesOf("out"), expected);
}

TEST_F(SmallRun, MoreEpochsAreAlwaysAllowed) {
  Train({"train.epochs=4"});
  const RunTraces expected = TracesOf("out");
  fs::remove_all(workspace_.path() + "/out");
  Train();
  const Ran ran = Resume({"--set", "train.epochs=4"});
  EXPECT_EQ(ran.code, 0) << ran.err;
  EXPECT_TRUE(absl::StrContains(ran.out, "note: changed: train.epochs: 2 -> 4\n")) << ran.out;
  ExpectEqual(TracesOf("out"), expected);
  EXPECT_TRUE(absl::StrContains(workspace_.Read("out/config.pbtxt"), "epochs: 4\n"));
  EXPECT_EQ(Resume({"--set", "train.epochs=3"}).err,
            "cannot go on from the checkpoint in out: train.epochs is 3, but 4 epochs are done\n");
}

TEST_F(SmallRun, RefusesToBecomeAnotherRun) {
  Train();
  const Ran refused =
      Resume({"--set", "train.seed=1", "--set", "classify.model.width=0.08", "--set",
              "load.dataset.images_per_class=7", "--set", "train.learning_rate=1e-4"});
  EXPECT_EQ(refused.code, 2);
  EXPECT_EQ(refused.err,
            "this is not the run that was begun:\n"
            "  load.dataset.images_per_class: 6 -> 7\n"
            "  classify.model.width: 0.07 -> 0.08\n"
            "  train.seed: 0 -> 1\n"
            "its result would be of neither config; --allow=load.dataset.images_per_class,"
            "classify.model.width,train.seed goes on all the same\n");
  const Ran allowed =
      Resume({"--set", "train.seed=1", "--allow=train.seed", "--set", "train.epochs=3"});
  EXPECT_EQ(allowed.code, 0) << allowed.err;
  EXPECT_TRUE(absl::StrContains(allowed.out, "note: changed: train.seed: 0 -> 1\n"));
  // Workers and caches change no result.
  EXPECT_EQ(Resume({"--set", "load.workers=2", "--set", "load.cache_mb=0"}).code, 0);
  EXPECT_EQ(Resume({"--set", "loss.term[1]=[losses/Dice] {}"}).err,
            "this is not the run that was begun:\n"
            "  loss.term[1]: [losses/CategoricalCrossEntropy] -> [losses/Dice]\n"
            "its result would be of neither config; --allow=loss.term[1] goes on all the same\n");
}

TEST_F(SmallRun, AnotherOptimizerIsAllowedByName) {
  Train();
  const Ran ran = Resume(
      {"--set", "train.optimizer=SGD", "--allow=train.optimizer", "--set", "train.epochs=3"});
  EXPECT_EQ(ran.code, 0) << ran.err;
}

TEST_F(SmallRun, AnAverageThatIsNewBeginsWithTheRunsWeights) {
  Train();
  const Ran ran = Resume({"--set", "train.ema_decay=0.5", "--allow=train.ema_decay", "--set",
                          "train.epochs=3", "--set", "train.learning_rate=1e-30"});
  EXPECT_EQ(ran.code, 0) << ran.err;
  std::vector<std::string> losses;
  for (const auto& row : testing_support::ParseCsv(workspace_.Read("out/metrics.csv"))) {
    if (row.at("phase") == "VAL") losses.push_back(row.at("loss.total"));
  }
  ASSERT_EQ(losses.size(), 3);
  EXPECT_EQ(losses[1], losses[2]);
}

TEST_F(SmallRun, LatestIsTheRunThatBeganLast) {
  const std::vector<std::string> latest = {"small", "--resume=latest"};
  const Ran first = RunPipeline(latest);
  EXPECT_EQ(first.code, 0) << first.err;
  EXPECT_TRUE(absl::StrContains(first.out, "note: no run is in runs/small: begins one\n"))
      << first.out;
  const Ran second = RunPipeline(latest);
  EXPECT_EQ(second.code, 0) << second.err;
  EXPECT_TRUE(absl::StrContains(second.out, "goes on after 2 whole epochs")) << second.out;
  EXPECT_EQ(std::distance(fs::directory_iterator("runs/small"), fs::directory_iterator()), 1);
}

TEST_F(SmallRun, AnInterruptedRunSaysHowToGoOn) {
  Train({"train.epochs=40"});
  const RunTraces expected = TracesOf("out");
  fs::remove_all(workspace_.path() + "/out");
  for (const int signal : {SIGTERM, SIGINT, SIGHUP}) {
    Pipeline program(workspace_.Has("out/metrics.csv")
                         ? std::vector<std::string>{"train", "--resume=out"}
                         : Arguments("out", {"train.epochs=40"}));
    const std::string rows =
        workspace_.Has("out/metrics.csv") ? workspace_.Read("out/metrics.csv") : "";
    while (program.Runs() &&
           (!workspace_.Has("out/metrics.csv") || workspace_.Read("out/metrics.csv") == rows)) {
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    program.Signal(signal);
    const Ran ran = program.Wait();
    if (ran.code == 0) break;  // a fast machine
    EXPECT_EQ(ran.code, 128 + signal) << ran.err;
    EXPECT_TRUE(absl::StrContains(ran.err, "interrupted after ")) << ran.err;
    EXPECT_TRUE(absl::EndsWith(ran.err, "; go on with --resume=out\n")) << ran.err;
  }
  EXPECT_EQ(Resume({}).code, 0);
  ExpectEqual(TracesOf("out"), expected);
}

TEST_F(SmallRun, WrongFoldersAndFlagsAreNamed) {
  EXPECT_EQ(Resume({}).err, "out: no such run folder\n");
  workspace_.Write("out/notes.txt", "");
  EXPECT_EQ(Resume({}).err, "out: no run folder, for it has no config.pbtxt\n");
  EXPECT_EQ(RunPipeline({"small", "--allow=data"}).err, "--allow is for --resume\n");
  EXPECT_EQ(Resume({"--out=other"}).err,
            "--out is for a new run; --resume goes on in its own folder\n");
}

TEST_F(SmallRun, KeepsTheLastCheckpointsAndTheBest) {
  Train({"train.epochs=5", "train.keep_checkpoints=1", "train.monitor=loss.total",
         "train.learning_rate=1e-30"});
  // Nothing is learned, so the first epoch stays the best.
  EXPECT_THAT(Checkpoints(), testing::ElementsAre("epoch-0001-step-0000000.safetensors",
                                                  "epoch-0005-step-0000000.safetensors"));
  fs::remove_all(workspace_.path() + "/out");
  Train({"train.keep_checkpoints=0"});
  EXPECT_FALSE(workspace_.Has("out/checkpoints"));
}

TEST_F(SmallRun, BestWeightsThatWereLostComeBack) {
  for (const char* average : {"0", "0.9"}) {
    fs::remove_all(workspace_.path() + "/out");
    Train({"train.epochs=3", "train.monitor=loss.total", "train.learning_rate=1e-30",
           absl::StrCat("train.ema_decay=", average), "classify.model.batch_norm=true"});
    const RunTraces expected = TracesOf("out");
    workspace_.Write("out/weights.safetensors", "of a later epoch, which never was");
    EXPECT_EQ(Resume({}).code, 0);
    ExpectEqual(TracesOf("out"), expected);
  }
}

TEST_F(SmallRun, DamagedCheckpointsAreNamedAndTheOneBeforeIsTaken) {
  Train();
  const RunTraces expected = TracesOf("out");
  const std::string last = "out/checkpoints/epoch-0002-step-0000000.safetensors";
  std::string bytes = workspace_.Read(last);
  bytes[bytes.size() / 2] ^= 1;
  workspace_.Write(last, bytes);
  const Ran ran = Resume({});
  EXPECT_EQ(ran.code, 0) << ran.err;
  EXPECT_TRUE(absl::StrContains(
      ran.out, absl::StrCat("note: cannot go on from ", last, ": damaged: tensor \"")))
      << ran.out;
  ExpectEqual(TracesOf("out"), expected);

  for (const std::string& name : Checkpoints()) {
    workspace_.Write("out/checkpoints/" + name, "nothing");
  }
  const Ran refused = Resume({});
  EXPECT_EQ(refused.code, 2);
  std::string lines;
  for (const char* at : {"0002-step-0000000", "0001-step-0000004", "0001-step-0000000"}) {
    absl::StrAppend(&lines, "cannot go on from out/checkpoints/epoch-", at,
                    ".safetensors: not safetensors: shorter than its header\n");
  }
  EXPECT_EQ(refused.err, lines + "no checkpoint in out/checkpoints can be used\n");
}

class FolderRun : public SmallRun {
 protected:
  FolderRun() {
    for (const char* name : {"glioma", "meningioma", "no_tumor", "pituitary"}) {
      for (int i = 0; i < 6; ++i) WriteImage(absl::StrCat("Training/", name, "/", i), name[0] + i);
      WriteImage(absl::StrCat("Testing/", name, "/a"), 7 + name[0]);
    }
  }
  void WriteImage(const std::string& name, int seed) const {
    workspace_.Write("data/" + name + ".png", testing_support::Picture(seed));
  }
  const std::vector<std::string> sets_ = {"load.dataset=[datasets/BrainTumor] { root: \"data\" }",
                                          "load.cache_mb=0"};
};

TEST_F(FolderRun, RefusesOtherData) {
  Train(sets_);
  const RunTraces expected = TracesOf("out");
  EXPECT_EQ(Resume({}).code, 0);
  ExpectEqual(TracesOf("out"), expected);
  const std::string before = workspace_.Read("data/Training/glioma/2.png");
  WriteImage("Training/glioma/2", 77);
  WriteImage("Training/pituitary/new", 78);
  const Ran refused = Resume({});
  EXPECT_EQ(refused.code, 2);
  EXPECT_THAT(refused.err,
              testing::HasSubstr("the data are not those that the run was begun with"));
  EXPECT_THAT(refused.err, testing::HasSubstr("gone or changed: Training/glioma/2.png"));
  EXPECT_THAT(refused.err, testing::HasSubstr("Training/pituitary/new.png"));
  EXPECT_THAT(refused.err, testing::EndsWith("; --allow=data goes on all the same\n"));
  EXPECT_EQ(Resume({"--allow=data"}).code, 0);
}

TEST_F(FolderRun, KilledWithASplitFile) {
  std::vector<std::string> sets = sets_;
  sets.insert(sets.end(), {"load.split_file=split.csv", "train.epochs=6"});
  Train(sets);  // which writes the split file; summary.json says where a split came from
  ExpectSurvives(sets, 3);
}

TEST_F(FolderRun, EndsWhereAFileChangesUnderIt) {
  for (const bool removed : {true, false}) {
    fs::remove_all(workspace_.path() + "/out");
    std::vector<std::string> sets = sets_;
    sets.push_back("train.epochs=100000");
    Pipeline program(Arguments("out", sets));
    while (!workspace_.Has("out/metrics.csv") && program.Runs()) {
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    const std::string file = "data/Training/glioma/2.png";
    if (removed) {
      fs::remove(file);
    } else {
      WriteImage("Training/glioma/2", 79);
    }
    const Ran ran = program.Wait();
    WriteImage("Training/glioma/2", 'g' + 2);
    EXPECT_EQ(ran.code, 1);
    EXPECT_THAT(ran.err, testing::HasSubstr(file + ": gone or changed since the run began\n"));
    EXPECT_THAT(ran.err, testing::EndsWith("; go on with --resume=out\n"));
    // The same bytes again are the same data.
    EXPECT_THAT(Resume({"--set", "train.epochs=1"}).err,
                testing::AnyOf("", testing::HasSubstr("epochs are done")));
  }
}

TEST_F(SmallRun, TwoProcessesDoNotTrainInOneFolder) {
  Pipeline first(Arguments("out", {"train.epochs=100000"}));
  while (!workspace_.Has("out/metrics.csv") && first.Runs()) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  const Ran second = Resume({});
  EXPECT_EQ(second.code, 2);
  const std::string who = workspace_.Read("out/lock");
  EXPECT_TRUE(absl::StartsWith(who, "pid ")) << who;
  EXPECT_EQ(second.err, "out: another process trains in this folder: " + who);
  first.Signal(SIGKILL);
  first.Wait();
  // The lock of a process that is gone, whoever has its pid now, holds nobody up.
  const Ran third = Resume({"--set", "train.epochs=1"});
  EXPECT_TRUE(third.code == 0 || absl::StrContains(third.err, "train.epochs is 1, but "))
      << third.err;
}

}  // namespace
