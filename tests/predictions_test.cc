// predictions.csv: what others compute from it is what the run said, and a file that is wrong is
// refused by its line.
#include "pipeline/runs/predictions.h"

#include <ATen/core/Tensor.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "pipeline/runs/judging.h"
#include "tests/testing.h"

namespace {

using nlohmann::json;
using pipeline::ParsePredictions;
using pipeline::Prediction;
using pipeline::Predictions;
using testing_support::Ran;
using testing_support::RunPipeline;
using testing_support::SmallConfig;
using testing_support::Workspace;

TEST(Predictions, AreWrittenAndReadAgain) {
  Predictions predictions = {false, {"cat", "dog_1"}, {}};
  Prediction row;
  row.phase = pipeline::VAL;
  row.path = "a, \"b\".png";
  row.label = "cat";
  row.predicted = "dog, 1";
  row.probabilities = {0.25, 0.75};
  predictions.rows = {row, row};
  predictions.rows[1].phase = pipeline::TEST;
  predictions.rows[1].label = "";
  const std::string text = pipeline::HeaderText(predictions) + pipeline::RowsText(predictions);
  EXPECT_EQ(text,
            "phase,path,label,predicted,p.cat,p.dog_1\n"
            "VAL,\"a, \"\"b\"\".png\",cat,\"dog, 1\",0.25,0.75\n"
            "TEST,\"a, \"\"b\"\".png\",,\"dog, 1\",0.25,0.75\n");
  const auto read = ParsePredictions(text);
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_FALSE(read->masks);
  EXPECT_EQ(read->columns, predictions.columns);
  ASSERT_EQ(read->rows.size(), 2);
  EXPECT_EQ(read->rows[0].path, row.path);
  EXPECT_EQ(read->rows[1].phase, pipeline::TEST);
  EXPECT_EQ(read->rows[1].predicted, "dog, 1");
  EXPECT_EQ(read->rows[1].probabilities, row.probabilities);
}

TEST(Predictions, OfMasksLeaveOutWhatIsNotDefined) {
  // Two images of 1 x 4 pixels and three classes; the last one is never there.
  const at::Tensor labels = at::tensor({0, 0, 1, -100, 0, 0, 0, 0}, at::kLong).view({2, 1, 4});
  const at::Tensor predicted = at::tensor({0, 1, 1, 1, 0, 0, 0, 0}, at::kLong).view({2, 1, 4});
  at::Tensor logits = at::zeros({2, 3, 1, 4});
  logits.scatter_(1, predicted.unsqueeze(1), 5);
  Predictions predictions = {true, {"a", "b", "c"}, pipeline::Judge(logits, labels, {})};
  for (Prediction& row : predictions.rows) row.path = "x";
  EXPECT_EQ(pipeline::HeaderText(predictions) + pipeline::RowsText(predictions),
            "phase,path,pixels,accuracy,iou.a,iou.b,iou.c,dice.a,dice.b,dice.c,mean_iou,mean_dice\n"
            "TEST,x,3,0.666666667,0.5,0.5,,0.666666667,0.666666667,,0.5,0.666666667\n"
            "TEST,x,4,1,1,,,1,,,1,1\n");
  const auto read =
      ParsePredictions(pipeline::HeaderText(predictions) + pipeline::RowsText(predictions));
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_TRUE(read->masks);
  EXPECT_EQ(read->rows[0].pixels, 3);
  EXPECT_TRUE(std::isnan(read->rows[1].iou[1]));
  EXPECT_EQ(read->rows[1].dice[0], 1);
}

TEST(Predictions, ThatAreWrongAreRefusedByTheirLine) {
  const std::string head = "phase,path,label,predicted,p.a,p.b\n";
  const std::pair<std::string, std::string> cases[] = {
      {"", "line 1: no columns"},
      {"phase,path\n", "line 1: not the columns of predictions"},
      {"phase,path,label,predicted,p.a,q\n", "line 1: not the columns of predictions"},
      {head + "VAL,x,a,a,1\n", "line 2: not a line of 6 columns"},
      {head + "VAL,\"x\ny\",a,a,1,0\nVAL,x,a,a,1,0,\n", "line 4: not a line of 6 columns"},
      {head + "val,x,a,a,1,0\n", "line 2: \"val\" is not TRAIN, VAL or TEST"},
      {head + "VAL,x,a,a,1,zero\n", "line 2: a cell is no number, or out of its range"},
      {head + "VAL,x,a,a,1.1,0\n", "line 2: a cell is no number, or out of its range"},
      {head + "VAL,x,a,a,nan,0\n", "line 2: a cell is no number, or out of its range"},
      {head + "VAL,\"x,a,a,1,0\n", "line 2: not a line of 6 columns"},
  };
  for (const auto& [text, why] : cases) {
    const auto read = ParsePredictions(text);
    EXPECT_EQ(read.status().message(), why) << text;
  }
}

TEST(Predictions, OfARunGiveItsResults) {
  const Workspace workspace;
  workspace.Write("configs/small.pbtxt", SmallConfig());
  const Ran ran = RunPipeline({"small", "--out=out", "--set", "train.epochs=3"});
  ASSERT_EQ(ran.code, 0) << ran.err;
  const auto read = pipeline::ReadPredictions("out/predictions.csv");
  ASSERT_TRUE(read.ok()) << read.status();
  const json summary = json::parse(workspace.Read("out/summary.json"));
  int rows[3] = {}, right[3] = {};
  for (const Prediction& row : read->rows) {
    ++rows[row.phase - pipeline::TRAIN];
    right[row.phase - pipeline::TRAIN] += row.label == row.predicted;
    ASSERT_EQ(row.probabilities.size(), summary["classes"].size());
    double sum = 0, most = -1;
    size_t likeliest = 0;
    for (size_t i = 0; i < row.probabilities.size(); ++i) {
      sum += row.probabilities[i];
      if (row.probabilities[i] > most) likeliest = i;
      most = std::max(most, row.probabilities[i]);
    }
    EXPECT_NEAR(sum, 1, 1e-6);  // sums of float32
    EXPECT_EQ(row.predicted, summary["classes"][likeliest]);
  }
  EXPECT_EQ(rows[0], 0);
  EXPECT_EQ(rows[1], summary["val_images"]);
  EXPECT_EQ(rows[2], summary["test_images"]);
  EXPECT_DOUBLE_EQ(static_cast<double>(right[2]) / rows[2], summary["test"]["accuracy"]);
  // VAL's are those of the epoch whose weights were kept.
  for (const auto& row : testing_support::ParseCsv(workspace.Read("out/metrics.csv"))) {
    if (row.at("phase") != "VAL" || row.at("epoch") != summary["best_epoch"].dump()) continue;
    EXPECT_NEAR(static_cast<double>(right[1]) / rows[1], std::stod(row.at("metrics.accuracy")),
                1e-8);
  }
}

}  // namespace
