// What a study asks for, its result lines, and what follows from them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "pipeline/config/text.h"
#include "pipeline/studies/ledger.h"
#include "pipeline/studies/merge.h"
#include "pipeline/studies/plan.h"
#include "pipeline/studies/results.h"
#include "tests/testing.h"

namespace {

using pipeline::Ledger;
using pipeline::LoadPlan;
using pipeline::Plan;
using pipeline::RunStatus;
using pipeline::StudyFolder;
using pipeline::StudyResult;
using pipeline::StudyStage;
using testing::ElementsAre;
using testing::HasSubstr;
using testing_support::SmallConfig;
using testing_support::Workspace;

constexpr char kFusions[] = R"(
  config: "small.pbtxt"
  axis { fusions {
    loss { [losses/Focal] { gamma: 5 } }
    loss { [losses/CategoricalCrossEntropy] {} }
    loss { [losses/Mse] {} }
    max_terms: 2
  } }
)";

class StudyPlan : public testing::Test {
 protected:
  StudyPlan() { workspace_.Write("configs/small.pbtxt", SmallConfig()); }

  absl::StatusOr<Plan> Load(const std::string& text) const {
    workspace_.Write("studies/s.pbtxt", text);
    return LoadPlan(workspace_.path() + "/studies/s.pbtxt", {});
  }
  std::string Error(const std::string& text) const {
    return std::string(Load(text).status().message());
  }
  static std::vector<std::string> Names(const Plan& plan) {
    std::vector<std::string> names;
    for (const auto& combination : plan.combinations) names.push_back(combination.name);
    return names;
  }
  static pipeline::Config Resolved(const Plan& plan, const pipeline::StudyRun& run) {
    const auto loaded = ConfigOf(plan, run);
    EXPECT_TRUE(loaded.ok()) << loaded.status();
    return loaded->document.config;
  }

  const Workspace workspace_;
};

TEST_F(StudyPlan, MakesEverySetOfLossesBySizeThenOrder) {
  const auto plan = Load(kFusions);
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_THAT(Names(*plan), ElementsAre("focal(gamma: 5)", "categorical_cross_entropy", "mse",
                                        "focal(gamma: 5)+categorical_cross_entropy",
                                        "focal(gamma: 5)+mse", "categorical_cross_entropy+mse"));
  EXPECT_THAT(plan->seeds, ElementsAre(0, 1, 2));
  const auto runs = plan->Screening();
  ASSERT_EQ(runs.size(), 18U);
  EXPECT_EQ(runs[4].combination, 4);
  EXPECT_EQ(runs[4].seed, 0);
  const std::string text = PrintText(Resolved(*plan, runs[4]));
  EXPECT_THAT(text, HasSubstr("[losses/Focal] {\n          gamma: 5"));
  EXPECT_THAT(text, HasSubstr("[losses/Mse]"));
  EXPECT_THAT(text, Not(HasSubstr("[losses/SmoothL1]")));
  EXPECT_THAT(text, HasSubstr("monitor: \"metrics.macro_f1\""));
}

TEST_F(StudyPlan, TestsEverySeedOnTheSameImages) {
  const auto plan = Load(absl::StrCat(kFusions, "seed: [7, 3] folds: 2"));
  ASSERT_TRUE(plan.ok()) << plan.status();
  const auto runs = plan->Screening();
  ASSERT_EQ(runs.size(), 24U);
  EXPECT_EQ(runs[18].seed, 3);
  EXPECT_EQ(runs[18].fold, 1);
  const std::string text = PrintText(Resolved(*plan, runs[18]));
  EXPECT_THAT(text, HasSubstr("split_seed: 7\n"));
  EXPECT_THAT(text, HasSubstr("folds: 2\n"));
  EXPECT_THAT(text, HasSubstr("fold: 1\n"));
  EXPECT_THAT(text, HasSubstr("seed: 3\n"));
}

TEST_F(StudyPlan, WeighsTheTermsOfAveragedFusions) {
  const auto plan = Load(
      absl::StrCat("config: \"small\" axis { fusions { averaged: true min_terms: 2 max_terms: 2 ",
                   "loss { [losses/Mse] {} } loss { [losses/Dice] {} } } }"));
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_THAT(PrintText(Resolved(*plan, plan->Screening()[0])),
              HasSubstr("loss_weights: [0.5, 0.5]"));
}

TEST_F(StudyPlan, CombinesItsAxes) {
  const auto plan = Load(R"(
    config: "small.pbtxt"
    axis { activations { activation { [activations/Relu] {} } activation { [activations/Gelu] {} } } }
    axis { name: "rate" values { path: "train.learning_rate" value: ["1e-3", "1e-2"] } }
    axis { variants { variant { name: "plain" }
                      variant { name: "balanced" set: "loss.class_weights=BALANCED" } } }
    seed: 4
  )");
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_EQ(plan->combinations.size(), 8U);
  EXPECT_EQ(plan->combinations[5].name, "gelu, 1e-3, balanced");
  EXPECT_EQ(plan->combinations[5].values[1].axis, "rate");
  const std::string text = PrintText(Resolved(*plan, plan->Screening()[5]));
  EXPECT_THAT(text, HasSubstr("[activations/Gelu]"));
  EXPECT_THAT(text, HasSubstr("learning_rate: 0.001"));
  EXPECT_THAT(text, HasSubstr("class_weights: BALANCED"));
}

// The first points of the sequence after its zero, as scipy.stats.qmc.Sobol(2, scramble=False)
// gives them: (.5, .5), (.75, .25), (.25, .75), (.375, .375).
TEST_F(StudyPlan, DrawsSamplesEvenly) {
  const auto plan = Load(R"(
    config: "small.pbtxt"
    axis { samples { samples: 4
      range { path: "train.learning_rate" from: 1e-4 to: 1 logarithmic: true }
      range { path: "classify.model.width" from: 0.05 to: 0.09 }
    } }
    seed: 0
  )");
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_THAT(
      Names(*plan),
      ElementsAre("learning_rate 0.01, width 0.07", "learning_rate 0.1, width 0.06",
                  "learning_rate 0.001, width 0.08", "learning_rate 0.003162, width 0.065"));
}

TEST_F(StudyPlan, NamesEveryMistakeWithItsPlace) {
  EXPECT_EQ(
      Error("config: \"nope\" axis { }"),
      "studies/s.pbtxt:1:1: nope: no such config, here or in the workspace's configs/\n"
      "configs: small.pbtxt\n"
      "studies/s.pbtxt:1:16: an axis needs fusions, activations, values, variants or samples");
  EXPECT_EQ(Error("config: \"small\" axis { values { path: \"train.nope\" value: \"1\" } }"),
            "--set train.nope=1: Train has no field \"nope\"; it has: epochs, seed, device, "
            "precision, threads, optimizer, learning_rate, weight_decay, schedule, warmup_epochs, "
            "clip_norm, patience, minimize, monitor, ema_decay, on_bad_number, checkpoint_minutes, "
            "keep_checkpoints, deterministic, accumulate, profile");
  EXPECT_THAT(Error("confg: \"small\""),
              HasSubstr("Study has no field \"confg\"; it has: include, title, "));
  EXPECT_THAT(Error(absl::StrCat(kFusions, "seed: [1, 1]")), HasSubstr("a seed is named twice"));
  EXPECT_THAT(Error(absl::StrCat(kFusions, "folds: 1")), HasSubstr("one fold leaves nothing"));
  EXPECT_THAT(Error(absl::StrCat(kFusions, "baseline: \"msee\"")),
              HasSubstr("no combination \"msee\" in this study; did you mean \"mse\"?"));
  EXPECT_THAT(Error(absl::StrCat(kFusions, "budget { halving { epochs: [3, 2] } }")),
              HasSubstr("each rung is longer than the last"));
  EXPECT_THAT(
      Error("config: \"small\" axis { fusions { loss { [losses/Mse] {} } only: \"dice\" } }"),
      HasSubstr("no fusion \"dice\" of these losses"));
  EXPECT_THAT(Error("config: \"small\" axis { samples { range { path: \"train.learning_rate\" "
                    "from: 0 to: 1 logarithmic: true } } }"),
              HasSubstr("a logarithmic range begins above 0"));
  EXPECT_THAT(Error("config: \"small\" axis { fusions { loss { [losses/Focall] {} } } }"),
              HasSubstr("no plugin \"losses/Focall\""));
  EXPECT_FALSE(pipeline::IsStudy("configs/small.pbtxt"));
}

// ---- results ----

class StudyResults : public StudyPlan {
 protected:
  StudyResults() : plan_(*Load(absl::StrCat(kFusions, extra_))) {}

  StudyResult Result(int combination, int64_t seed, double value,
                     RunStatus status = RunStatus::kDone) const {
    StudyResult result;
    result.identity = absl::StrCat("run", combination, "-", seed);
    result.fingerprint = plan_.fingerprints[0][combination];
    result.config = "small";
    result.combination = plan_.combinations[combination].name;
    result.seed = seed;
    result.status = status;
    result.selected = {value / 2, value};
    result.epochs = 2;
    result.validation = {{"metrics.macro_f1", value}};
    return result;
  }

  void Log(const StudyFolder& folder, int shard, const std::vector<StudyResult>& results) const {
    const auto log = pipeline::ResultLog::Open(folder, shard, 2);
    ASSERT_TRUE(log.ok()) << log.status();
    for (const StudyResult& result : results) ASSERT_TRUE((*log)->Add(result).ok());
  }

  const std::string extra_ = "seed: [0, 1] confirm { top: 2 seeds: 3 }";
  const Plan plan_;
};

TEST_F(StudyResults, AreReadAsTheyWereWritten) {
  StudyResult result = Result(3, 1, 0.1);
  result.error = "a \"quoted\" line\nand another";
  result.test = {{"metrics.accuracy", 1. / 3}, {"metrics.f1", std::nan("")}};
  const std::string line = ResultLine(result);
  EXPECT_FALSE(absl::StrContains(line, "\n"));
  const auto read = pipeline::ParseResultLine(line);
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(ResultLine(*read), line);
  EXPECT_EQ(read->test.at("metrics.accuracy"), 1. / 3);
  EXPECT_TRUE(std::isnan(read->test.at("metrics.f1")));
  EXPECT_FALSE(pipeline::ParseResultLine("{\"identity\": 3}").ok());
  EXPECT_FALSE(pipeline::ParseResultLine("[[[[").ok());
}

TEST_F(StudyResults, ComeFromAllShardsAndSurviveATornLine) {
  const StudyFolder folder("study");
  Log(folder, 1, {Result(0, 0, 0.5), Result(2, 0, 0.1, RunStatus::kFailed)});
  Log(folder, 2, {Result(1, 0, 0.25)});
  std::ofstream("study/results/1of2.jsonl", std::ios::app) << "{\"identity\":\"to";
  auto results = folder.Results(plan_);
  ASSERT_TRUE(results.ok()) << results.status();
  EXPECT_EQ(results->size(), 3U);
  // The next process goes on after the last whole line.
  Log(folder, 1, {Result(2, 0, 0.75)});
  results = folder.Results(plan_);
  ASSERT_TRUE(results.ok()) << results.status();
  ASSERT_EQ(results->size(), 3U);
  EXPECT_EQ((*results)[1].combination, "categorical_cross_entropy");
  EXPECT_EQ((*results)[2].status, RunStatus::kDone);
  EXPECT_EQ((*results)[2].selected.back(), 0.75);
}

TEST_F(StudyResults, OfOtherOptionsAreLeftOut) {
  const StudyFolder folder("study");
  StudyResult other = Result(0, 0, 0.5);
  other.fingerprint = "of another config";
  Log(folder, 1, {other, Result(0, 9, 0.5)});  // a seed that nobody asks for
  const auto results = folder.Results(plan_);
  ASSERT_TRUE(results.ok());
  EXPECT_TRUE(results->empty());
}

TEST_F(StudyResults, NameADamagedLine) {
  const StudyFolder folder("study");
  Log(folder, 1, {Result(0, 0, 0.5)});
  std::ofstream("study/results/1of2.jsonl", std::ios::app) << "nonsense\n";
  const auto results = folder.Results(plan_);
  EXPECT_THAT(std::string(results.status().message()),
              testing::StartsWith("study/results/1of2.jsonl:2: is no line about a run: "));
}

TEST_F(StudyResults, OfShardsThatSharedNoFolderAreMerged) {
  const StudyFolder one("one"), two("two"), both("both");
  Log(one, 1, {Result(0, 0, 0.5)});
  Log(two, 2, {Result(1, 0, 0.5)});
  for (const char* run : {"one/runs/run0-0", "two/runs/run1-0"}) {
    workspace_.Write(absl::StrCat(run, "/result.json"), "{}");
    workspace_.Write(absl::StrCat(run, "/predictions.csv"), run);
  }
  workspace_.Write("two/runs/unfinished/metrics.csv", "");
  workspace_.Write("both/results/.keep", "");
  workspace_.Write("both/runs/.keep", "");
  for (int again = 0; again < 2; ++again) {
    const absl::Status merged = pipeline::MergeStudies({"one", "two/"}, both);
    ASSERT_TRUE(merged.ok()) << merged;
  }
  const auto results = both.Results(plan_);
  ASSERT_TRUE(results.ok());
  EXPECT_EQ(results->size(), 2U);
  EXPECT_EQ(workspace_.Read("both/runs/run1-0/predictions.csv"), "two/runs/run1-0");
  EXPECT_FALSE(workspace_.Has("both/runs/unfinished"));
  EXPECT_EQ(std::string(pipeline::MergeStudies({"nowhere"}, both).message()),
            "--merge: nowhere is no study's folder");
}

TEST_F(StudyResults, RankByVal) {
  Ledger ledger(plan_, {Result(0, 0, 0.5), Result(0, 1, 0.7), Result(1, 0, 0.6), Result(1, 1, 0.6),
                        Result(2, 0, 0.9, RunStatus::kFailed), Result(3, 0, 0.8),
                        Result(4, 0, std::nan("")), Result(5, 0, 0.7, RunStatus::kStopped)});
  EXPECT_DOUBLE_EQ(ledger.Score(0, 0, StudyStage::kScreen), 0.6);
  EXPECT_DOUBLE_EQ(ledger.Score(0, 0, StudyStage::kScreen, 1), 0.3);
  EXPECT_TRUE(std::isnan(ledger.Score(0, 2, StudyStage::kScreen)));
  // 0 and 1 are equal: the earlier comes first.
  EXPECT_THAT(ledger.Best(0, {0, 1, 2, 3, 4, 5}, 0, 4), ElementsAre(3, 5, 0, 1));
  EXPECT_EQ(ledger.Baseline(0), 0);
  // What was stopped is not confirmed; the baseline is.
  EXPECT_THAT(ledger.Chosen(0), ElementsAre(0, 1, 3));
  EXPECT_THAT(plan_.confirm_seeds, ElementsAre(2, 3, 4));
}

TEST_F(StudyResults, KnowWhatIsOver) {
  StudyResult paused = Result(0, 0, 0.5, RunStatus::kPaused);
  const Ledger ledger(plan_, {paused, Result(1, 0, 0.5), Result(2, 0, 0, RunStatus::kFailed)});
  const auto runs = plan_.Screening();
  EXPECT_TRUE(ledger.IsOver(runs[0], 2));
  EXPECT_FALSE(ledger.IsOver(runs[0], 3));
  EXPECT_FALSE(ledger.IsOver(runs[0]));
  EXPECT_TRUE(ledger.IsOver(runs[1]));
  EXPECT_TRUE(ledger.IsOver(runs[2]));
  EXPECT_FALSE(ledger.IsOver(runs[3]));
}

}  // namespace
