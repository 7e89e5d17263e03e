// The verb `calibrate`, on runs whose predictions are written by hand.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "pipeline/runs/calibration.h"
#include "pipeline/runs/run_facts.h"
#include "tests/testing.h"

namespace {

using nlohmann::json;
using testing_support::Ran;
using testing_support::RunPipeline;
using testing_support::Workspace;

constexpr char kHead[] = "phase,path,label,predicted,p.cat,p.dog_1\n";

// `right` and `wrong` images that are said to be a cat with the probability `p`.
std::string Rows(const std::string& phase, int right, int wrong, const std::string& p) {
  std::string rows;
  for (int i = 0; i < right + wrong; ++i) {
    absl::StrAppend(&rows, phase, ",", i, ".png,", i < right ? "cat" : "\"dog, 1\"", ",cat,", p,
                    ",", 1 - std::stod(p), "\n");
  }
  return rows;
}

void WriteRun(const Workspace& workspace, const std::string& predictions,
              pipeline::Task task = pipeline::Task::kBinary) {
  pipeline::RunFacts facts;
  facts.config = "small";
  facts.data.dataset = "pets";
  facts.data.origin = "data/pets";
  facts.data.task = task;
  facts.data.classes = {"cat", "dog, 1"};
  facts.data.split = "by seed 0";
  facts.inputs = {{"images", {at::kByte, {-1, 3, 32, 32}}}, {"labels", {at::kLong, {-1}}}};
  workspace.Write("run/run.json", pipeline::FactsText(facts));
  workspace.Write("run/config.pbtxt",
                  absl::StrReplaceAll(testing_support::SmallConfig(), {{"%", ""}}));
  if (!predictions.empty()) workspace.Write("run/predictions.csv", predictions);
}

// On VAL 0.9 is said and 0.75 right: a temperature of 2 mends that.
std::string TooSure() { return kHead + Rows("VAL", 75, 25, "0.9") + Rows("TEST", 16, 4, "0.9"); }

absl::StatusOr<pipeline::Calibration> LoadAgain() {
  const auto run = pipeline::Run::Open("run");
  if (!run.ok()) return run.status();
  return pipeline::LoadCalibration(*run);
}

TEST(Calibrate, MeasuresOnTestWhatItFitsOnVal) {
  const Workspace workspace;
  WriteRun(workspace, TooSure());
  const Ran ran = RunPipeline({"calibrate", "run"});
  ASSERT_EQ(ran.code, 0) << ran.err;
  EXPECT_EQ(ran.out,
            "run: temperature 2 (it was too sure), fitted on 100 images of VAL\n"
            "TEST, 20 images                 before     after\n"
            "accuracy                        0.8000    0.8000\n"
            "negative log likelihood         0.5448    0.5074\n"
            "Brier score                     0.3400    0.3250\n"
            "calibration error (ECE)         0.1000    0.0500\n"
            "ECE, bins of equal mass         0.1000    0.0500\n"
            "worst bin (MCE)                 0.1000    0.0500\n"
            "sets for 90 %: coverage         1.0000    1.0000\n"
            "sets for 90 %: classes          2.0000    2.0000\n"
            "run/calibration.json\n");
  const json written = json::parse(workspace.Read("run/calibration.json"));
  EXPECT_EQ(written["method"], "temperature");
  EXPECT_NEAR(written["temperature"], 2, 1e-9);
  EXPECT_EQ(written["classes"], (json{"cat", "dog, 1"}));
  EXPECT_NEAR(written["conformal"]["threshold"], 0.75, 1e-9);
  EXPECT_EQ(written["val_images"], 100);
  EXPECT_EQ(written["data"], "data/pets");
  EXPECT_EQ(written["split"], "by seed 0");
  EXPECT_NEAR(written["test"]["before"]["ece"], 0.1, 1e-9);
  EXPECT_NEAR(written["test"]["after"]["ece"], 0.05, 1e-9);
}

TEST(Calibrate, IsReadAgainByWhatPredicts) {
  const Workspace workspace;
  WriteRun(workspace, TooSure());
  ASSERT_EQ(RunPipeline({"calibrate", "run"}).code, 0);
  const auto loaded = LoadAgain();
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  EXPECT_NEAR(loaded->Apply({0.9, 0.1})[0], 0.75, 1e-9);
  EXPECT_NEAR(loaded->Apply({0.9, 0.1})[1], 0.25, 1e-9);
}

TEST(Calibrate, VectorMayChangeAnswers) {
  const Workspace workspace;
  WriteRun(workspace, kHead + Rows("VAL", 30, 90, "0.6") + Rows("TEST", 5, 15, "0.6"));
  const Ran ran = RunPipeline({"calibrate", "run", "--method=vector", "--json"});
  ASSERT_EQ(ran.code, 0) << ran.err;
  EXPECT_EQ(ran.out, workspace.Read("run/calibration.json"));
  const json written = json::parse(ran.out);
  EXPECT_EQ(written["test"]["before"]["accuracy"], 0.25);
  EXPECT_EQ(written["test"]["after"]["accuracy"], 0.75);
}

TEST(Calibrate, SaysWhatWeakensIt) {
  const Workspace workspace;
  // Images whose class is not known do not count.
  WriteRun(workspace, kHead + Rows("VAL", 3, 1, "0.9") + "TEST,x.png,,cat,0.9,0.1\n");
  const Ran ran = RunPipeline({"calibrate", "run"});
  EXPECT_EQ(ran.code, 0) << ran.err;
  EXPECT_EQ(ran.out,
            "run: temperature 2 (it was too sure), fitted on 4 images of VAL\n"
            "note: VAL is small; below 100 images a calibration is mostly chance\n"
            "note: TEST has no image to measure it on\n"
            "run/calibration.json\n");
}

TEST(Calibrate, SaysWhyItCannot) {
  const Workspace workspace;
  const auto mistake = [&](const std::vector<std::string>& more, const std::string& predictions,
                           pipeline::Task task = pipeline::Task::kBinary) {
    if (!predictions.empty()) WriteRun(workspace, predictions, task);
    std::vector<std::string> arguments = {"calibrate"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    const Ran ran = RunPipeline(arguments);
    EXPECT_EQ(ran.code, 2);
    EXPECT_EQ(ran.out, "");
    EXPECT_FALSE(workspace.Has("run/calibration.json"));
    return ran.err;
  };
  EXPECT_EQ(mistake({}, ""),
            "calibrate takes one run: its folder, or a config whose last run is meant\n");
  EXPECT_EQ(mistake({"nowhere"}, ""), "nowhere: no such run folder or config\n");
  WriteRun(workspace, "");
  EXPECT_EQ(mistake({"run"}, ""),
            "run has no predictions.csv, which a training writes at its end\n");
  EXPECT_EQ(mistake({"run", "--method=isotonic"}, ""),
            "--method=isotonic: there are temperature and vector\n");
  EXPECT_EQ(mistake({"run"}, kHead + Rows("TEST", 3, 1, "0.9")),
            "run has no image of VAL, on which a calibration is fitted (TEST must stay unseen); "
            "train with a split that has one\n");
  EXPECT_EQ(mistake({"run"}, TooSure(), pipeline::Task::kSegmentation),
            "run predicts masks, and calibrate fits the probabilities of whole images; for masks, "
            "train with the term [losses/Calibration] {}\n");
  EXPECT_EQ(mistake({"run"}, std::string(kHead) + "VAL,x.png,horse,cat,0.9,0.1\n"),
            "run/predictions.csv: x.png is of class \"horse\", which run.json does not name\n");
  for (const char* p : {"0.9,", "0.9,0.2"}) {
    EXPECT_EQ(mistake({"run"}, absl::StrCat(kHead, "VAL,x.png,cat,cat,", p, "\n")),
              "run/predictions.csv: the probabilities of x.png do not sum to 1\n");
  }
  EXPECT_EQ(mistake({"run"}, "phase,path\n"),
            "run/predictions.csv: line 1: not the columns of predictions\n");
}

TEST(Calibrate, WhatDoesNotFitTheRunIsNotUsed) {
  const Workspace workspace;
  WriteRun(workspace, TooSure());
  const auto why = [] { return std::string(LoadAgain().status().message()); };
  EXPECT_EQ(why(), "run has no calibration.json; `calibrate run` makes it");
  ASSERT_EQ(RunPipeline({"calibrate", "run"}).code, 0);
  const std::string sound = workspace.Read("run/calibration.json");
  const auto with = [&](const std::string& from, const std::string& to) {
    workspace.Write("run/calibration.json", absl::StrReplaceAll(sound, {{from, to}}));
    return why();
  };
  EXPECT_EQ(with("{", ""), "run/calibration.json is no calibration of format 1");
  EXPECT_EQ(with("\"cat\"", "\"cow\""),
            "run/calibration.json is of other classes than the run; run `calibrate run` again");
  EXPECT_EQ(with("\"bias\"", "\"base\""),
            "run/calibration.json: [json.exception.out_of_range.403] key 'bias' not found");
  EXPECT_EQ(with("\"dog, 1\"", "\"dog, 1\", \"ox\""),
            "run/calibration.json: has not one weight and one bias for each class");
  workspace.Write("run/calibration.json", sound);
  workspace.Write("run/predictions.csv", TooSure() + "TEST,new.png,cat,cat,0.9,0.1\n");
  EXPECT_EQ(why(),
            "run/calibration.json is of other predictions than the run has now; run `calibrate "
            "run` again");
}

}  // namespace
