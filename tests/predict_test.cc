// A trained run asked about images from outside, and evaluated again, as a user does it.
#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <nlohmann/json.hpp>
#include <opencv2/core.hpp>
#include <opencv2/imgcodecs.hpp>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "tests/broken_folders.h"
#include "tests/testing.h"

namespace {

using nlohmann::json;
using testing_support::BrokenFolders;
using testing_support::ParseCsv;
using testing_support::Picture;
using testing_support::Ran;
using testing_support::RunPipeline;
using testing_support::SmallConfig;
using testing_support::Workspace;

using Rows = std::map<std::string, std::map<std::string, std::string>>;  // by path

Rows ByPath(const std::string& csv) {
  Rows rows;
  for (const auto& row : ParseCsv(csv)) rows[row.at("path")] = row;
  return rows;
}

// A run "out" of classes a and b, learned from whole/.
class Predict : public testing::Test {
 protected:
  Predict() {
    const std::string config = absl::StrReplaceAll(
        SmallConfig(), {{"[datasets/Synthetic] { images_per_class: 6 test_images_per_class: 3 }",
                         "[datasets/Folder] { root: \"whole\" }"}});
    folders_.Write("configs/small.pbtxt", config);
    const Ran ran = RunPipeline({"small", "--out=out"});
    EXPECT_EQ(ran.code, 0) << ran.err;
  }

  const BrokenFolders folders_;
};

TEST_F(Predict, SaysOfTestImagesWhatTheRunSaid) {
  const Ran ran = RunPipeline({"predict", "out", folders_.path() + "/whole/test"});
  ASSERT_EQ(ran.code, 0) << ran.err;
  const Rows said = ByPath(ran.out);
  EXPECT_EQ(said.size(), 12);
  for (const auto& row : ParseCsv(folders_.Read("out/predictions.csv"))) {
    if (row.at("phase") != "TEST") continue;
    const auto& again = said.at(row.at("path"));
    EXPECT_EQ(again.at("class"), row.at("predicted"));
    double entropy = 0;
    for (const char* column : {"p.a", "p.b"}) {
      const double p = std::stod(again.at(column));
      // Batches of other sizes sum in another order.
      EXPECT_NEAR(p, std::stod(row.at(column)), 1e-6);
      entropy -= p * std::log(p);
    }
    EXPECT_NEAR(std::stod(again.at("entropy")), entropy, 1e-6);
    EXPECT_EQ(again.at("probability"), again.at("p." + again.at("class")));
  }
}

TEST_F(Predict, AnswersBrokenImagesWithALineEach) {
  folders_.Write("broken/test/a/no.jpg", "no image");
  const Ran ran = RunPipeline({"predict", "out", "broken/test/a", "missing.png"});
  EXPECT_EQ(ran.code, 2);
  EXPECT_EQ(ran.err, "missing.png: no such file or folder\n");
  const Ran some = RunPipeline({"predict", "out", "--batch=2", "broken/test/a"});
  EXPECT_EQ(some.code, 1);
  EXPECT_EQ(some.err, "2 of 8 images could not be read\n");
  const Rows said = ByPath(some.out);
  ASSERT_EQ(said.size(), 8);
  EXPECT_EQ(said.at("broken/test/a/no.jpg").at("error"),
            "broken/test/a/no.jpg: text, not an image");
  EXPECT_EQ(said.at("broken/test/a/no.jpg").at("class"), "");
  EXPECT_TRUE(absl::StrContains(said.at("broken/test/a/0x.png").at("error"), "damaged"));
  int sound = 0;
  for (const auto& [path, row] : said) sound += row.at("error").empty();
  EXPECT_EQ(sound, 6);
}

TEST_F(Predict, TakesFilesPatternsAndOneAnswerAsJson) {
  const Ran pattern = RunPipeline({"predict", "out", "--json", "whole/test/*/1*.png"});
  ASSERT_EQ(pattern.code, 0) << pattern.err;
  const std::vector<std::string> lines = absl::StrSplit(pattern.out, '\n', absl::SkipEmpty());
  ASSERT_EQ(lines.size(), 1);
  const json line = json::parse(lines[0]);
  EXPECT_EQ(line["path"], "whole/test/a/19.png");
  const double a = line["probabilities"]["a"], b = line["probabilities"]["b"];
  EXPECT_NEAR(a + b, 1, 1e-6);
  EXPECT_EQ(line["probability"], std::max(a, b));
  EXPECT_EQ(line["class"], a > b ? "a" : "b");
  // In the order of the words, more than once if asked.
  const Ran order = RunPipeline({"predict", "small", "--out=o.csv", "whole/test/b/30.png",
                                 "whole/test/a/19.png", "whole/test/b/30.png"});
  EXPECT_EQ(order.code, 2);  // "small" has no run below runs/
  EXPECT_TRUE(absl::StrContains(order.err, "runs/small")) << order.err;
  const Ran again = RunPipeline({"predict", "out", "--out=o.csv", "whole/test/b/30.png",
                                 "whole/test/a/19.png", "whole/test/b/30.png"});
  ASSERT_EQ(again.code, 0) << again.err;
  const auto rows = ParseCsv(folders_.Read("o.csv"));
  ASSERT_EQ(rows.size(), 3);
  EXPECT_EQ(rows[1].at("path"), "whole/test/a/19.png");
  EXPECT_EQ(rows[0].at("p.a"), rows[2].at("p.a"));
}

TEST_F(Predict, AveragesOpinions) {
  const std::string image = "whole/test/a/19.png";
  ASSERT_EQ(RunPipeline({"small", "--out=other", "--set", "train.seed=7"}).code, 0);
  const auto ask = [&](const std::vector<std::string>& flags) {
    std::vector<std::string> words = {"predict", "out", image};
    words.insert(words.end(), flags.begin(), flags.end());
    const Ran ran = RunPipeline(words);
    EXPECT_EQ(ran.code, 0) << ran.err;
    return ByPath(ran.out).at(image);
  };
  const double one = std::stod(ask({}).at("p.a"));
  const double other =
      std::stod(ByPath(RunPipeline({"predict", "other", image}).out).at(image).at("p.a"));
  const auto both = ask({"--ensemble=other"});
  EXPECT_NEAR(std::stod(both.at("p.a")), (one + other) / 2, 1e-6);
  const auto entropy = [](double p) { return -p * std::log(p) - (1 - p) * std::log(1 - p); };
  EXPECT_NEAR(std::stod(both.at("mutual_information")),
              entropy((one + other) / 2) - (entropy(one) + entropy(other)) / 2, 1e-6);
  // A picture and its mirror image have one answer together.
  const cv::Mat picture = cv::imread(image);
  cv::Mat mirrored;
  cv::flip(picture, mirrored, 1);
  cv::imwrite("mirrored.png", mirrored);
  const double alone = std::stod(
      ByPath(RunPipeline({"predict", "out", "mirrored.png"}).out).at("mirrored.png").at("p.a"));
  EXPECT_NEAR(std::stod(ask({"--tta"}).at("p.a")), (one + alone) / 2, 1e-6);
  const Ran none = RunPipeline({"predict", "out", image, "--mc-dropout=3"});
  EXPECT_EQ(none.code, 1);
  EXPECT_EQ(none.err, "--mc-dropout: the model has no dropout, so nothing is drawn\n");
}

TEST_F(Predict, PutsProbabilitiesRight) {
  const std::string image = "whole/test/a/19.png";
  const Ran none = RunPipeline({"predict", "out", image, "--calibrated"});
  EXPECT_EQ(none.code, 2);
  EXPECT_TRUE(absl::StrContains(none.err, "calibrate")) << none.err;
  ASSERT_EQ(RunPipeline({"calibrate", "out"}).code, 0);
  const double weight =
      json::parse(folders_.Read("out/calibration.json"))["weight"].get<std::vector<double>>()[0];
  const double p =
      std::stod(ByPath(RunPipeline({"predict", "out", image}).out).at(image).at("p.a"));
  const double a = std::pow(p, weight), b = std::pow(1 - p, weight);
  const Ran ran = RunPipeline({"predict", "out", image, "--calibrated"});
  EXPECT_NEAR(std::stod(ByPath(ran.out).at(image).at("p.a")), a / (a + b), 1e-5);
}

TEST_F(Predict, RefusesWhatCannotBe) {
  const std::pair<std::vector<std::string>, std::string> cases[] = {
      {{"predict", "out"},
       "predict takes a run and images: files, folders, patterns, or - for a list on standard "
       "input\n"},
      {{"predict", "nowhere", "a.png"}, "nowhere: no such run folder or config\n"},
      {{"predict", "whole", "a.png"}, "whole: no run folder, for it has no config.pbtxt\n"},
      {{"predict", "out", "configs"}, "configs: no images are below it\n"},
      {{"predict", "out", "x.png", "--batch=0"}, "--batch=0: it is from 1 to 65536\n"},
      {{"predict", "out", "x.png", "--mc-dropout=1"},
       "--mc-dropout=1: it is from 2 to 10000, or 0\n"},
      {{"predict", "out", "whole/test/a/19.png", "--out=none/x.csv"},
       "cannot write none/x.csv: No such file or directory\n"},
      {{"evaluate", "out", "--data=none"},
       absl::StrCat("--set load.dataset.root=none: root: no folder ", folders_.path(),
                    "/none\n--data may be a dataset too, as in --data='[datasets/Folder] { root: "
                    "\"none\" }'\n")},
      {{"evaluate"}, "evaluate takes one run: its folder, or a config whose last run is meant\n"},
      {{"evaluate", "out", "--split=ALLES"}, "--split=ALLES: it is TEST, VAL, TRAIN or ALL\n"},
  };
  for (const auto& [words, error] : cases) {
    const Ran ran = RunPipeline(words);
    EXPECT_EQ(ran.code, 2) << error;
    EXPECT_EQ(ran.err, error);
    EXPECT_EQ(ran.out, "");
  }
}

TEST_F(Predict, EvaluatesTheRunAsItWasTested) {
  const Ran ran = RunPipeline({"evaluate", "out", "--json", "--out=e.csv"});
  ASSERT_EQ(ran.code, 0) << ran.err;
  json result = json::parse(ran.out);
  const json test = json::parse(folders_.Read("out/summary.json"))["test"];
  EXPECT_EQ(result["images"], 12);
  EXPECT_EQ(result["evaluated"], "TEST images");
  EXPECT_EQ(result["result"], test);
  std::string of_test = absl::StrCat("phase,path,label,predicted,p.a,p.b\n");
  const std::string predicted = folders_.Read("out/predictions.csv");
  for (const absl::string_view line : absl::StrSplit(predicted, '\n')) {
    if (absl::StartsWith(line, "TEST")) absl::StrAppend(&of_test, line, "\n");
  }
  EXPECT_EQ(folders_.Read("e.csv"), of_test);
}

TEST_F(Predict, EvaluatesOtherDataOfTheSameClasses) {
  int seed = 100;
  for (const char* name : {"other/a/1.png", "other/a/2.png", "other/b/1.png", "wrong/a/1.png",
                           "wrong/c/1.png", "wrong/c/2.png"}) {
    folders_.Write(name, Picture(++seed));
  }
  const Ran ran = RunPipeline({"evaluate", "out", "--data=other", "--json"});
  ASSERT_EQ(ran.code, 0) << ran.err;
  const json result = json::parse(ran.out);
  EXPECT_EQ(result["images"], 3);
  EXPECT_EQ(result["data"], folders_.path() + "/other");
  int64_t images = 0;
  for (const json& row : result["result"]["confusion_matrix"]) {
    for (const json& count : row) images += count.get<int64_t>();
  }
  EXPECT_EQ(images, 3);
  const Ran wrong = RunPipeline({"evaluate", "out", "--data=wrong"});
  EXPECT_EQ(wrong.code, 2);
  EXPECT_EQ(wrong.err,
            folders_.path() + "/wrong has the class c, but the run was trained on a, b\n");
  // TRAIN is not augmented, and says what predict says.
  ASSERT_EQ(RunPipeline({"evaluate", "out", "--split=TRAIN", "--out=t.csv"}).code, 0);
  const Rows said = ByPath(RunPipeline({"predict", "out", folders_.path() + "/whole/train"}).out);
  for (const auto& [path, row] : ByPath(folders_.Read("t.csv"))) {
    EXPECT_NEAR(std::stod(row.at("p.a")), std::stod(said.at(path).at("p.a")), 1e-6) << path;
  }
}

TEST(PredictMasks, LieOnTheirImages) {
  const Workspace workspace;
  workspace.Write(
      "configs/crack.pbtxt",
      absl::StrReplaceAll(
          SmallConfig(),
          {{"[datasets/Synthetic] {", "[datasets/Synthetic] { task: SEGMENTATION domain: CRACK"},
           {"[models/Vgg16] { head: GAP width: 0.07 }", "[models/Unet] { depth: 2 width: 4 }"},
           {"image_size: 32", "image_size: 32 fit: CROP"}}));
  ASSERT_EQ(RunPipeline({"crack", "--out=out"}).code, 0);
  // Twice as wide as high: the middle is what the model sees.
  cv::Mat image(40, 80, CV_8UC3);
  cv::RNG(1).fill(image, cv::RNG::UNIFORM, 0, 255);
  workspace.Write("a/x.png", "");
  workspace.Write("b/x.png", "");
  cv::imwrite("a/x.png", image);
  cv::imwrite("b/x.png", image);
  const Ran ran = RunPipeline({"predict", "out", "a", "b"});
  ASSERT_EQ(ran.code, 0) << ran.err;
  const Rows said = ByPath(ran.out);
  EXPECT_EQ(said.at("a/x.png").at("mask"), "masks/x.png");
  EXPECT_EQ(said.at("b/x.png").at("mask"), "masks/x-2.png");
  EXPECT_TRUE(workspace.Has("masks/x_overlay.jpg"));
  const cv::Mat mask = cv::imread("masks/x.png", cv::IMREAD_UNCHANGED);
  ASSERT_EQ(mask.size(), image.size());
  ASSERT_EQ(mask.type(), CV_8UC1);
  int cracks = 0, seen = 0;
  for (int y = 0; y < mask.rows; ++y) {
    for (int x = 0; x < mask.cols; ++x) {
      const int value = mask.at<uint8_t>(y, x);
      const bool middle = x >= 20 && x < 60;
      EXPECT_EQ(value == 255, !middle) << x << " " << y;
      if (!middle) continue;
      ++seen;
      EXPECT_LE(value, 1);
      cracks += value == 1;
    }
  }
  double shares = 0;
  for (const auto& [column, value] : said.at("a/x.png")) {
    if (absl::StartsWith(column, "share.")) shares += std::stod(value);
  }
  EXPECT_NEAR(shares, 1, 1e-8);
  const json info = json::parse(workspace.Read("out/run.json"));
  EXPECT_NEAR(std::stod(said.at("a/x.png").at(
                  absl::StrCat("share.", info["classes"][1].get<std::string>()))),
              static_cast<double>(cracks) / seen, 1e-8);
}

}  // namespace
