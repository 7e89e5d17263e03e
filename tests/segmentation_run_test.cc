// A segmenter as a user trains it: what the program prints and leaves on disk where labels are
// masks.
#include <gtest/gtest.h>

#include <cstdlib>
#include <nlohmann/json.hpp>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "tests/testing.h"

namespace {

using nlohmann::json;
using testing_support::ParseCsv;
using testing_support::Ran;
using testing_support::RunPipeline;
using testing_support::SmallConfig;
using testing_support::Workspace;

// A narrow U-Net on a few drawn images with masks.
std::string Segmenter(const std::string& domain) {
  return absl::StrReplaceAll(
      SmallConfig(),
      {{"[datasets/Synthetic] {",
        absl::StrCat("[datasets/Synthetic] { task: SEGMENTATION domain: ", domain)},
       {"[models/Vgg16] { head: GAP width: 0.07 }", "[models/Unet] { depth: 2 width: 4 }"}});
}

TEST(SegmentationRun, ReportsPixelsInSummaryCsvAndTable) {
  const Workspace workspace;
  workspace.Write("configs/crack.pbtxt", Segmenter("CRACK"));
  const Ran ran = RunPipeline({"--config=crack", "--out=out"});
  ASSERT_EQ(ran.code, 0) << ran.err;
  const json summary = json::parse(workspace.Read("out/summary.json"));
  EXPECT_EQ(summary["task"], "segmentation");
  const auto classes = summary["classes"].get<std::vector<std::string>>();
  ASSERT_EQ(classes.size(), 2);
  EXPECT_TRUE(
      absl::StrContains(ran.out, absl::StrCat("\n  classes  ", classes[0], ", ", classes[1], "\n")))
      << ran.out;
  for (const char* text : {"\n  pixel accuracy  ", "\n  mean IoU, all classes  ",
                           "\n  F1 within 2 px  ", "     Dice     pixels\n"}) {
    EXPECT_TRUE(absl::StrContains(ran.out, text)) << text << ran.out;
  }
  const json& test = summary["test"];
  int64_t pixels = 0;
  for (const json& row : test["confusion_matrix"]) {
    for (const json& count : row) pixels += count.get<int64_t>();
  }
  EXPECT_EQ(pixels, summary["test_images"].get<int64_t>() * 32 * 32);
  EXPECT_GE(test["f1_tolerance_2px"], test["f1_tolerance_0px"]);
  const double iou = test["iou." + classes[1]], dice = test["dice." + classes[1]];
  EXPECT_NEAR(dice, 2 * iou / (1 + iou), 1e-12);
  const auto rows = ParseCsv(workspace.Read("out/metrics.csv"));
  EXPECT_EQ(rows.back().at("phase"), "TEST");
  EXPECT_NE(rows[0].at("metrics.mean_iou_present"), "");
  EXPECT_EQ(rows[0].count("metrics.recall." + classes[1]), 0);
}

TEST(SegmentationRun, TrainsEveryLossAndRepeatsItself) {
  const Workspace workspace;
  workspace.Write("configs/land.pbtxt", Segmenter("LAND"));
  std::string terms = "loss.term=[";
  for (const char* loss : {"Tversky", "SmoothL1", "Focal", "CategoricalCrossEntropy", "Mse", "Dice",
                           "BinaryCrossEntropy"}) {
    absl::StrAppend(&terms, terms.back() == '[' ? "" : ", ", "{ [losses/", loss, "] {} }");
  }
  terms += "]";
  for (const char* out : {"a", "b"}) {
    const Ran ran = RunPipeline({"--config=land", absl::StrCat("--out=", out), "--set", terms});
    ASSERT_EQ(ran.code, 0) << ran.err;
  }
  EXPECT_TRUE(workspace.Read("a/weights.safetensors") == workspace.Read("b/weights.safetensors"));
  const json test = json::parse(workspace.Read("a/summary.json"))["test"];
  EXPECT_EQ(test, json::parse(workspace.Read("b/summary.json"))["test"]);
  EXPECT_FALSE(test.contains("f1_tolerance_0px")) << "six classes, none of them the foreground";
}

// Prints {"<phase>": {tag: [[step, width, height]]}} of the pictures of masks.
constexpr char kReader[] = R"(
import json
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
found = {}
for phase in ["train", "val", "test"]:
    events = EventAccumulator("out/tensorboard/" + phase).Reload()
    found[phase] = {tag: [[i.step, i.width, i.height] for i in events.Images(tag)]
                    for tag in events.Tags()["images"] if tag.startswith("masks/")}
json.dump(found, open("found.json", "w"))
)";

TEST(SegmentationRun, ShowsMasksInTensorBoard) {
  const char* python = std::getenv("TENSORBOARD_PYTHON");
  if (python == nullptr) {
    GTEST_SKIP() << "TENSORBOARD_PYTHON, an interpreter with the tensorboard package, is not set";
  }
  const Workspace workspace;
  workspace.Write("configs/crack.pbtxt", Segmenter("CRACK"));
  workspace.Write("reader.py", kReader);
  ASSERT_EQ(RunPipeline({"--config=crack", "--out=out"}).code, 0);
  ASSERT_EQ(std::system(absl::StrCat(python, " reader.py > reader.txt 2>&1").c_str()), 0)
      << workspace.Read("reader.txt");
  const json found = json::parse(workspace.Read("found.json"));
  EXPECT_TRUE(found["train"].empty());
  // The labels once, the predictions after each epoch.
  const json& masks = found["val"];
  ASSERT_EQ(masks["masks/labels"].size(), 1) << found;
  ASSERT_EQ(masks["masks/predictions"].size(), 2) << found;
  EXPECT_LT(masks["masks/predictions"][0][0], masks["masks/predictions"][1][0]);
  EXPECT_EQ(masks["masks/labels"][0][2], 32);
  EXPECT_EQ(found["test"]["masks/labels"][0][1], 4 * 32);
  EXPECT_EQ(found["test"]["masks/predictions"].size(), 1);
}

}  // namespace
