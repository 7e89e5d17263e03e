// Studies as a user runs them: to the end, cut off, in parts, with workers that die.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <csignal>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>
#include <thread>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "pipeline/runs/predictions.h"
#include "tests/testing.h"

namespace {

namespace fs = std::filesystem;

using testing::HasSubstr;
using testing_support::Pipeline;
using testing_support::Ran;
using testing_support::RunPipeline;
using testing_support::SmallConfig;
using testing_support::Workspace;
using Json = nlohmann::ordered_json;

constexpr char kStudy[] = R"(
  config: "small.pbtxt"
  axis { fusions {
    loss { [losses/CategoricalCrossEntropy] {} }
    loss { [losses/Mse] {} }
  } }
  seed: [0, 1]
)";

class StudyRun : public testing::Test {
 protected:
  StudyRun() {
    workspace_.Write("configs/small.pbtxt", SmallConfig());
    workspace_.Write("studies/s.pbtxt", kStudy);
  }

  static Ran Study(const std::string& out, const std::vector<std::string>& more = {}) {
    std::vector<std::string> arguments = {"study", "s", "--out=" + out};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return RunPipeline(arguments);
  }

  std::vector<Json> Lines(const std::string& out) const {
    std::vector<Json> lines;
    for (const auto& line :
         absl::StrSplit(workspace_.Read(out + "/results.jsonl"), '\n', absl::SkipEmpty())) {
      lines.push_back(Json::parse(line));
    }
    return lines;
  }

  // All that a study came to, times aside: its lines, and every image's prediction.
  std::string Outcome(const std::string& out) const {
    std::string all;
    for (Json line : Lines(out)) {
      for (const char* time : {"seconds", "training_seconds", "evaluation_seconds", "host"})
        line.erase(time);
      absl::StrAppend(&all, line.dump(), "\n");
      const std::string run = absl::StrCat(out, "/runs/", line.at("identity").get<std::string>());
      absl::StrAppend(&all, workspace_.Read(run + "/predictions.csv"));
    }
    return all;
  }

  const Workspace workspace_;
};

TEST_F(StudyRun, TrainsEveryCombination) {
  const Ran ran = Study("whole", {"--jobs=2"});
  ASSERT_EQ(ran.code, 0) << ran.err;
  EXPECT_THAT(ran.out, HasSubstr("s: 6 runs: 1 config x 3 combinations x 2 seeds\n2 workers; what "
                                 "they say goes to whole/log.txt\n"));
  EXPECT_THAT(ran.out, HasSubstr("small: 6 of 6 runs are done\n"));
  const std::vector<Json> lines = Lines("whole");
  ASSERT_EQ(lines.size(), 6U);
  EXPECT_EQ(lines[0].at("combination"), "categorical_cross_entropy");
  EXPECT_EQ(lines[5].at("combination"), "categorical_cross_entropy+mse");
  EXPECT_EQ(lines[5].at("seed"), 1);
  const std::string run = "whole/runs/" + lines[5].at("identity").get<std::string>();
  for (const char* file : {"config.pbtxt", "run.json", "metrics.csv", "summary.json"}) {
    EXPECT_TRUE(workspace_.Has(absl::StrCat(run, "/", file))) << file;
  }
  EXPECT_FALSE(workspace_.Has(run + "/checkpoints"));
  EXPECT_FALSE(workspace_.Has(run + "/weights.safetensors"));
  // The same run alone comes to the same.
  const Ran alone =
      RunPipeline({"train", absl::StrCat("--config=", run, "/config.pbtxt"), "--out=alone"});
  ASSERT_EQ(alone.code, 0) << alone.err;
  EXPECT_EQ(workspace_.Read("alone/predictions.csv"), workspace_.Read(run + "/predictions.csv"));

  // What is known is not trained again, whoever asks.
  const auto before = fs::last_write_time(run + "/result.json");
  workspace_.Write("studies/other.pbtxt", absl::StrCat(kStudy, "title: \"other\""));
  fs::remove_all("whole/results");
  const Ran again = RunPipeline({"study", "other", "--out=whole", "--jobs=1"});
  ASSERT_EQ(again.code, 0) << again.err;
  EXPECT_EQ(fs::last_write_time(run + "/result.json"), before);
  const Ran status = Study("whole", {"--status"});
  EXPECT_THAT(status.out, HasSubstr("small: 6 of 6 runs are done"));
}

TEST_F(StudyRun, GoesOnWhereItWasKilled) {
  const auto begun = std::chrono::steady_clock::now();
  ASSERT_EQ(Study("whole", {"--jobs=2"}).code, 0);
  const auto took = std::chrono::steady_clock::now() - begun;
  for (int kill = 1; kill <= 4; ++kill) {
    Pipeline program({"study", "s", "--out=cut", "--jobs=2"});
    std::this_thread::sleep_for(took * kill / 8);
    program.Signal(kill % 2 == 0 ? SIGKILL : SIGTERM);
    const Ran ran = program.Wait();
    if (ran.code == 0) break;
    EXPECT_TRUE(ran.code == 128 + SIGTERM || ran.code == -1 || ran.code == 128 + SIGKILL)
        << ran.code << ran.err;
  }
  const Ran last = Study("cut", {"--jobs=1"});
  ASSERT_EQ(last.code, 0) << last.err;
  EXPECT_EQ(Outcome("cut"), Outcome("whole"));
}

TEST_F(StudyRun, ShardsComeToTheSame) {
  ASSERT_EQ(Study("whole", {"--jobs=2"}).code, 0);
  // Those that share a folder.
  const Ran first = Study("shared", {"--shard=1/2"});
  EXPECT_EQ(first.code, 75);
  EXPECT_THAT(first.err, HasSubstr("3 runs belong to other shards and are not over; start this "
                                   "shard again once they are"));
  const Ran second = Study("shared", {"--shard=2/2"});
  EXPECT_EQ(second.code, 0) << second.err;
  EXPECT_EQ(Outcome("shared"), Outcome("whole"));
  // And those that share none.
  EXPECT_EQ(Study("one", {"--shard=1/2"}).code, 75);
  EXPECT_EQ(Study("two", {"--shard=2/2"}).code, 75);
  const Ran merged = Study("both", {"--merge=one,two"});
  EXPECT_EQ(merged.code, 0) << merged.err;
  EXPECT_EQ(Outcome("both"), Outcome("whole"));
  EXPECT_EQ(Study("x", {"--shard=3/2"}).err, "--shard=3/2: it is i/n, from 1/n to n/n\n");
}

TEST_F(StudyRun, TakesItsShardFromTheEnvironment) {
  const std::vector<std::string> arguments = {"study", "s", "--out=array", "--jobs=1"};
  const Ran slurm = RunPipeline(arguments, {"env", "SLURM_ARRAY_TASK_ID=5",
                                            "SLURM_ARRAY_TASK_MIN=4", "SLURM_ARRAY_TASK_COUNT=6"});
  EXPECT_THAT(slurm.out, HasSubstr("1 worker, shard 2 of 6 (SLURM_ARRAY_TASK_ID); "));
  const Ran kubernetes =
      RunPipeline(arguments, {"env", "JOB_COMPLETION_INDEX=0", "JOB_COMPLETIONS=6"});
  EXPECT_THAT(kubernetes.out, HasSubstr("shard 1 of 6 (JOB_COMPLETION_INDEX); "));
  EXPECT_EQ(RunPipeline(arguments, {"env", "JOB_COMPLETION_INDEX=0"}).err,
            "JOB_COMPLETION_INDEX says which shard this is; set JOB_COMPLETIONS to how many there "
            "are, or give --shard=i/n\n");
}

TEST_F(StudyRun, AWorkerThatDiesCostsItsRun) {
  workspace_.Write("studies/s.pbtxt", absl::StrCat(kStudy, "set: \"train.epochs=40\""));
  Pipeline program({"study", "s", "--out=lost", "--jobs=1"});
  // The worker is the program's only child.
  std::string child;
  while (child.empty() || !workspace_.Has("lost/log.txt")) {
    ASSERT_TRUE(program.Runs());
    for (const auto& entry : fs::directory_iterator("/proc")) {
      std::ifstream stat(entry.path() / "stat");
      std::string pid, name, state, parent;
      stat >> pid >> name >> state >> parent;
      if (parent == absl::StrCat(program.process())) child = pid;
    }
  }
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  kill(std::stoi(child), SIGKILL);
  const Ran ran = program.Wait();
  EXPECT_EQ(ran.code, 0) << ran.err;
  EXPECT_THAT(ran.out, HasSubstr("its process was ended by signal 9 (Killed)"));
  EXPECT_THAT(ran.out, HasSubstr("small: 5 of 6 runs are done, 1 failed"));
  // Started again, it tries what failed.
  EXPECT_THAT(Study("lost").out, HasSubstr("small: 6 of 6 runs are done\n"));
}

TEST_F(StudyRun, HalvingStopsWhatIsBehind) {
  workspace_.Write(
      "studies/s.pbtxt",
      absl::StrCat(kStudy, "set: \"train.epochs=4\" budget { halving { epochs: [1] } }"));
  const Ran ran = Study("halved", {"--jobs=2"});
  ASSERT_EQ(ran.code, 0) << ran.err;
  EXPECT_THAT(ran.out, HasSubstr("stopped after 1 epochs"));
  int stopped = 0;
  std::map<std::string, std::string> finished;
  for (const Json& line : Lines("halved")) {
    if (line.at("status") == "stopped") {
      ++stopped;
      EXPECT_TRUE(line.at("test").empty());
      EXPECT_EQ(line.at("epochs"), 1);
    } else {
      EXPECT_EQ(line.at("status"), "done");
      finished[absl::StrCat(line.at("combination").get<std::string>(),
                            line.at("seed").get<int>())] = line.at("test").dump();
    }
  }
  // One of three goes on, and the best single loss, which may be it.
  EXPECT_TRUE(stopped == 4 || stopped == 2) << stopped;
  // What goes on is the run that it would have been.
  workspace_.Write("studies/full.pbtxt", absl::StrCat(kStudy, "set: \"train.epochs=4\""));
  ASSERT_EQ(RunPipeline({"study", "full", "--out=undisturbed"}).code, 0);
  for (const Json& line : Lines("undisturbed")) {
    const auto found = finished.find(
        absl::StrCat(line.at("combination").get<std::string>(), line.at("seed").get<int>()));
    if (found == finished.end()) continue;
    EXPECT_EQ(line.at("test").dump(), found->second);
  }
}

TEST_F(StudyRun, ConfirmsTheBestOnFreshSeeds) {
  workspace_.Write("studies/s.pbtxt", absl::StrCat(kStudy, "confirm { top: 1 seeds: 2 }"));
  const Ran ran = Study("confirmed");
  ASSERT_EQ(ran.code, 0) << ran.err;
  std::set<int> seeds;
  std::set<std::string> confirmed;
  for (const Json& line : Lines("confirmed")) {
    if (line.at("stage") != "confirm") continue;
    seeds.insert(line.at("seed").get<int>());
    confirmed.insert(line.at("combination"));
  }
  EXPECT_EQ(seeds, (std::set<int>{2, 3}));
  EXPECT_EQ(confirmed.size(), 2U);  // the best, and the best single loss
}

TEST_F(StudyRun, FoldsTestEveryImageOnce) {
  workspace_.Write("studies/s.pbtxt", R"(
    config: "small.pbtxt"
    axis { fusions { loss { [losses/Mse] {} } } }
    seed: 5 folds: 3
  )");
  const Ran ran = Study("folded");
  ASSERT_EQ(ran.code, 0) << ran.err;
  std::vector<size_t> tested;
  for (const Json& line : Lines("folded")) {
    const auto predictions = pipeline::ReadPredictions(
        absl::StrCat("folded/runs/", line.at("identity").get<std::string>(), "/predictions.csv"));
    ASSERT_TRUE(predictions.ok()) << predictions.status();
    tested.push_back(
        std::count_if(predictions->rows.begin(), predictions->rows.end(),
                      [](const pipeline::Prediction& row) { return row.phase == pipeline::TEST; }));
  }
  // 4 classes of 6 + 3 images.
  EXPECT_THAT(tested, testing::ElementsAre(12U, 12U, 12U));
}

// A backbone that is frozen gives each image's features once; runs alone compute them.
TEST_F(StudyRun, FrozenFeaturesAreThoseOfARunAlone) {
  workspace_.Write("studies/s.pbtxt",
                   absl::StrCat(kStudy, "set: \"classify.freeze=[\\\"features\\\"]\""));
  ASSERT_EQ(Study("frozen", {"--jobs=1"}).code, 0);
  const std::string run = "frozen/runs/" + Lines("frozen")[3].at("identity").get<std::string>();
  ASSERT_EQ(
      RunPipeline({"train", absl::StrCat("--config=", run, "/config.pbtxt"), "--out=alone"}).code,
      0);
  const auto shared = pipeline::ReadPredictions(run + "/predictions.csv");
  const auto alone = pipeline::ReadPredictions("alone/predictions.csv");
  ASSERT_TRUE(shared.ok() && alone.ok());
  ASSERT_EQ(shared->rows.size(), alone->rows.size());
  for (size_t i = 0; i < alone->rows.size(); ++i) {
    for (size_t c = 0; c < alone->rows[i].probabilities.size(); ++c) {
      EXPECT_NEAR(shared->rows[i].probabilities[c], alone->rows[i].probabilities[c], 1e-6);
    }
  }
}

TEST_F(StudyRun, CheckCountsItsRuns) {
  const Ran ran = RunPipeline({"check", "s"});
  EXPECT_EQ(ran.code, 0) << ran.err;
  EXPECT_THAT(ran.out,
              HasSubstr("s: 6 runs: 1 config x 3 combinations x 2 seeds\n  small: about "));
  EXPECT_THAT(ran.out, HasSubstr("\nok: about "));
  EXPECT_THAT(RunPipeline({"study", "smal"}).err,
              HasSubstr("smal: no such study, here or in the workspace's studies/"));
  const Ran broken = RunPipeline({"study", "s", "--set", "train.epochs=0"});
  EXPECT_EQ(broken.code, 2);
  EXPECT_THAT(broken.err, HasSubstr("epochs is 0; it must be between 1 and 100000"));
}

}  // namespace
