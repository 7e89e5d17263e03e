// Runs that several processes train together, as launchers start them: the result is that of one
// process, and whoever dies or hangs ends them all.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <csignal>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "tests/process_group.h"
#include "tests/testing.h"

namespace {

using testing::HasSubstr;
using testing_support::ParseCsv;
using testing_support::Pipeline;
using testing_support::Ran;
using testing_support::SmallConfig;
using testing_support::Workspace;

class Group {
 public:
  Group(int size, const std::vector<std::string>& arguments) {
    const int port = testing_support::FreePort();
    for (int rank = 0; rank < size; ++rank) {
      processes_.push_back(std::make_unique<Pipeline>(
          arguments, std::vector<std::string>{
                         "env", absl::StrCat("RANK=", rank), absl::StrCat("WORLD_SIZE=", size),
                         absl::StrCat("LOCAL_RANK=", rank), absl::StrCat("LOCAL_WORLD_SIZE=", size),
                         "MASTER_ADDR=127.0.0.1", absl::StrCat("MASTER_PORT=", port)}));
    }
  }
  Pipeline& operator[](int rank) { return *processes_[rank]; }
  std::vector<Ran> Wait() {
    std::vector<Ran> all;
    for (auto& process : processes_) all.push_back(process->Wait());
    return all;
  }

 private:
  std::vector<std::unique_ptr<Pipeline>> processes_;
};

std::vector<Ran> RunGroup(int size, const std::vector<std::string>& arguments) {
  return Group(size, arguments).Wait();
}

double Number(const std::string& text) {
  double number = std::nan("");
  EXPECT_TRUE(absl::SimpleAtod(text, &number)) << text;
  return number;
}

// Columns of times and speeds differ from run to run; numbers of metrics are of counts, and equal.
void ExpectSameMetrics(const std::string& one, const std::string& other, double tolerance) {
  const auto rows = ParseCsv(one), others = ParseCsv(other);
  ASSERT_EQ(rows.size(), others.size());
  ASSERT_FALSE(rows.empty());
  for (size_t i = 0; i < rows.size(); ++i) {
    for (const auto& [column, cell] : rows[i]) {
      if (column == "seconds" || column == "images_per_second" || column == "data_wait") continue;
      const std::string& there = others[i].at(column);
      if (column.rfind("metrics.", 0) == 0 || cell.empty() || there.empty()) {
        EXPECT_EQ(cell, there) << column << " of row " << i;
      } else if (column != "phase") {
        EXPECT_NEAR(Number(cell), Number(there), tolerance * std::max(1.0, std::abs(Number(cell))))
            << column << " of row " << i;
      }
    }
  }
}

// The same images in the same order with the same answers.
void ExpectSamePredictions(const std::string& one, const std::string& other, double tolerance) {
  const auto rows = ParseCsv(one), others = ParseCsv(other);
  ASSERT_EQ(rows.size(), others.size());
  for (size_t i = 0; i < rows.size(); ++i) {
    for (const auto& [column, cell] : rows[i]) {
      if (column.rfind("p.", 0) == 0) {
        EXPECT_NEAR(Number(cell), Number(others[i].at(column)), tolerance);
      } else {
        EXPECT_EQ(cell, others[i].at(column));
      }
    }
  }
}

// 48 images less those of VAL do not divide by 8, nor the last batch by 4.
std::string Config() { return SmallConfig(); }

void ExpectOk(const std::vector<Ran>& all) {
  for (size_t rank = 0; rank < all.size(); ++rank) {
    EXPECT_EQ(all[rank].code, 0) << "rank " << rank << ": " << all[rank].err;
    EXPECT_EQ(all[rank].err, "") << "rank " << rank;
    if (rank > 0) {
      EXPECT_EQ(all[rank].out, "") << "rank " << rank;
    }
  }
}

constexpr double kFloats = 1e-3;  // of losses after two epochs of Adam in float32; 1.5e-4 was seen

void ExpectAsAlone(const Workspace& workspace, const std::vector<std::string>& sets) {
  std::vector<std::string> arguments = {"train", "small.pbtxt", "--out=alone"};
  arguments.insert(arguments.end(), sets.begin(), sets.end());
  const Ran alone = testing_support::RunPipeline(arguments);
  ASSERT_EQ(alone.code, 0) << alone.err;
  for (const int size : {2, 4}) {
    arguments[2] = absl::StrCat("--out=by", size);
    ExpectOk(RunGroup(size, arguments));
    const std::string folder = absl::StrCat("by", size, "/");
    ExpectSameMetrics(workspace.Read("alone/metrics.csv"), workspace.Read(folder + "metrics.csv"),
                      kFloats);
    ExpectSamePredictions(workspace.Read("alone/predictions.csv"),
                          workspace.Read(folder + "predictions.csv"), kFloats);
    EXPECT_THAT(workspace.Read(folder + "summary.json"),
                HasSubstr(absl::StrCat("\"processes\": ", size)));
  }
}

TEST(ParallelTest, ClassifierIsThatOfOneProcess) {
  Workspace workspace;
  workspace.Write("small.pbtxt", Config());
  ExpectAsAlone(workspace, {});
}

TEST(ParallelTest, GroupsOfBatchesAreThoseOfOneProcess) {
  Workspace workspace;
  workspace.Write("small.pbtxt", Config());
  ExpectAsAlone(workspace, {"--set", "train.accumulate=2", "--set", "load.batch_size=5"});
}

TEST(ParallelTest, DropoutBatchNormAndDynamicWeightsAreThoseOfOneProcess) {
  Workspace workspace;
  workspace.Write("small.pbtxt", Config());
  ExpectAsAlone(workspace,
                {"--set", "classify.model.head=FC4096", "--set", "classify.model.batch_norm=true",
                 "--set", "loss.dynamic_loss_weighting=GRADNORM", "--set", "load.sampling=BALANCED",
                 "--set", "loss.difficulty_weight=0.5", "--set", "loss.class_weights=BALANCED"});
}

// Trains until the run has so many rows of metrics, TRAIN and VAL of an epoch being two.
void AwaitRows(const Workspace& workspace, Group* group, size_t rows) {
  while ((*group)[0].Runs()) {
    if (workspace.Has("run/metrics.csv") &&
        absl::StrContains(workspace.Read("run/metrics.csv"), "\n") &&
        ParseCsv(workspace.Read("run/metrics.csv")).size() >= rows) {
      return;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
}

const std::vector<std::string> kLong = {"train",   "small.pbtxt", "--out=run",
                                        "--quiet", "--set",       "train.epochs=10000"};

int Lines(const std::string& text) {
  return static_cast<int>(std::count(text.begin(), text.end(), '\n'));
}

TEST(ParallelTest, AKilledRankIsNamedAndEndsAll) {
  Workspace workspace;
  workspace.Write("small.pbtxt", Config());
  Group group(3, kLong);
  AwaitRows(workspace, &group, 2);
  group[1].Signal(SIGKILL);
  const std::vector<Ran> all = group.Wait();
  EXPECT_EQ(all[0].code, 1);
  EXPECT_EQ(all[2].code, 1);
  EXPECT_THAT(all[0].err, HasSubstr("rank 1 (host "));
  EXPECT_THAT(all[0].err, HasSubstr("has ended without a word: killed, or crashed"));
  EXPECT_EQ(Lines(all[0].err), 1) << all[0].err;
  EXPECT_EQ(all[2].err, "");
}

TEST(ParallelTest, AStoppedRankIsNamedAndEndsAll) {
  Workspace workspace;
  workspace.Write("small.pbtxt", Config());
  Group group(2, kLong);
  AwaitRows(workspace, &group, 2);
  group[1].Signal(SIGSTOP);
  const Ran first = group[0].Wait();
  EXPECT_EQ(first.code, 1);
  EXPECT_THAT(first.err, HasSubstr("rank 1 (host "));
  EXPECT_THAT(first.err, HasSubstr("has given no sign of life for 15 s"));
  EXPECT_EQ(Lines(first.err), 1) << first.err;
  group[1].Signal(SIGCONT);
  EXPECT_EQ(group[1].Wait().code, 1);
}

TEST(ParallelTest, WhereTheFirstIsStoppedTheSecondSaysSo) {
  Workspace workspace;
  workspace.Write("small.pbtxt", Config());
  Group group(2, kLong);
  AwaitRows(workspace, &group, 2);
  group[0].Signal(SIGSTOP);
  const Ran second = group[1].Wait();
  EXPECT_EQ(second.code, 1);
  EXPECT_THAT(second.err, HasSubstr("rank 0 (host "));
  EXPECT_EQ(Lines(second.err), 1) << second.err;
  group[0].Signal(SIGCONT);
  EXPECT_EQ(group[0].Wait().code, 1);
}

TEST(ParallelTest, AHostThatIsNotKnownIsNamed) {
  Workspace workspace;
  workspace.Write("small.pbtxt", Config());
  const Ran ran = testing_support::RunPipeline(
      {"train", "small.pbtxt", "--out=run"},
      {"env", "RANK=1", "WORLD_SIZE=2", "MASTER_ADDR=no-such-host.invalid", "MASTER_PORT=20001",
       "LOSSFUSION_JOIN_SECONDS=1"});
  EXPECT_EQ(ran.code, 2);
  EXPECT_THAT(ran.err, HasSubstr("rank 1 of 2: the host of rank 0, no-such-host.invalid: "));
  EXPECT_THAT(ran.err, HasSubstr("; MASTER_ADDR may be its address instead"));
  EXPECT_EQ(Lines(ran.err), 1) << ran.err;
}

TEST(ParallelTest, AMistakeIsSaidOnce) {
  Workspace workspace;
  workspace.Write("small.pbtxt", Config());
  const std::vector<Ran> all =
      RunGroup(3, {"train", "small.pbtxt", "--out=run", "--set", "train.monitor=metrics.none"});
  EXPECT_EQ(all[0].code, 2);
  EXPECT_THAT(all[0].err, HasSubstr("nobody reports \"metrics.none\""));
  EXPECT_EQ(Lines(all[0].err), 1) << all[0].err;
  for (const int rank : {1, 2}) {
    EXPECT_EQ(all[rank].code, 1);
    EXPECT_EQ(all[rank].err, "");
  }
  EXPECT_FALSE(workspace.Has("run"));
}

TEST(ParallelTest, ASignalToAnyEndsAllAndTheRunGoesOnByAnotherNumber) {
  Workspace workspace;
  workspace.Write("small.pbtxt", Config());
  std::vector<std::string> whole = {"train",   "small.pbtxt", "--out=whole",
                                    "--quiet", "--set",       "train.epochs=30"};
  ASSERT_EQ(testing_support::RunPipeline(whole).code, 0);
  std::vector<std::string> cut = whole;
  cut[2] = "--out=run";
  Group group(3, cut);
  AwaitRows(workspace, &group, 4);
  group[2].Signal(SIGINT);
  const std::vector<Ran> all = group.Wait();
  EXPECT_EQ(all[2].code, 128 + SIGINT) << all[2].err;
  EXPECT_GT(all[0].code, 128) << all[0].err;
  EXPECT_THAT(all[0].err, HasSubstr("go on with --resume=run"));
  ExpectOk(RunGroup(2, {"train", "--resume=run", "--quiet"}));
  const auto rows = ParseCsv(workspace.Read("run/metrics.csv"));
  EXPECT_EQ(rows.size(), ParseCsv(workspace.Read("whole/metrics.csv")).size());
}

TEST(ParallelTest, AKilledRunGoesOnToTheSameBytes) {
  Workspace workspace;
  workspace.Write("small.pbtxt", Config());
  std::vector<std::string> whole = {"train",   "small.pbtxt", "--out=whole",
                                    "--quiet", "--set",       "train.epochs=30"};
  for (const Ran& ran : RunGroup(3, whole)) ASSERT_EQ(ran.code, 0) << ran.err;
  std::vector<std::string> cut = whole;
  cut[2] = "--out=run";
  Group group(3, cut);
  AwaitRows(workspace, &group, 6);
  group[1].Signal(SIGKILL);
  EXPECT_EQ(group.Wait()[0].code, 1);
  for (const Ran& ran : RunGroup(3, {"train", "--resume=run", "--quiet"})) {
    ASSERT_EQ(ran.code, 0) << ran.err;
  }
  EXPECT_EQ(workspace.Read("run/weights.safetensors"), workspace.Read("whole/weights.safetensors"));
  EXPECT_EQ(workspace.Read("run/predictions.csv"), workspace.Read("whole/predictions.csv"));
}

}  // namespace
