// A run that learned from tiles sees other images by tiles of the same size too.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <opencv2/core.hpp>
#include <opencv2/imgcodecs.hpp>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "tests/testing.h"

namespace {

using testing_support::ParseCsv;
using testing_support::Ran;
using testing_support::RunPipeline;
using testing_support::SmallConfig;
using testing_support::Workspace;

constexpr int kTile = 16;

class PredictTiles : public testing::Test {
 protected:
  // Pairs of 32x32 pixels, half agriculture and half water, of noise that shows which is which.
  PredictTiles() {
    workspace_.Write("d/x", "");
    for (int i = 0; i < 8; ++i) {
      cv::Mat image(32, 32, CV_8UC3), mask(32, 32, CV_8UC3, cv::Scalar(0, 255, 255));
      cv::RNG(i).fill(image, cv::RNG::UNIFORM, 0, 120);
      const cv::Rect water(i % 2 * 16, 0, 16, 32);
      cv::Mat part = image(water);
      part += cv::Scalar::all(120);
      mask(water) = cv::Scalar(255, 0, 0);
      cv::imwrite(absl::StrCat("d/", i, "_sat.png"), image);
      cv::imwrite(absl::StrCat("d/", i, "_mask.png"), mask);
    }
    // What is asked about: two rows of two tiles, and 8 pixels to the right.
    asked_ = cv::Mat(32, 40, CV_8UC3);
    cv::RNG(99).fill(asked_, cv::RNG::UNIFORM, 0, 250);
    cv::imwrite("asked.png", asked_);
  }

  // Trains a run "out".
  void Train(const std::string& options, const std::string& model) const {
    const std::string config = absl::StrReplaceAll(
        SmallConfig(),
        {{"[datasets/Synthetic] { images_per_class: 6 test_images_per_class: 3 }",
          absl::StrCat("[datasets/Deepglobe] { root: \"d\" tile_size: ", kTile, options, " }")},
         {"[models/Vgg16] { head: GAP width: 0.07 }", model},
         {"image_size: 32", absl::StrCat("test_fraction: 0.25 image_size: ", kTile)}});
    workspace_.Write("configs/tiles.pbtxt", config);
    const Ran ran = RunPipeline({"tiles", "--out=out"});
    ASSERT_EQ(ran.code, 0) << ran.err;
  }

  // The part of the image as a file of its own.
  std::string Cut(const cv::Rect& part) const {
    const std::string path = absl::StrCat("part_", part.x, "_", part.y, ".png");
    cv::imwrite(path, asked_(part));
    return path;
  }

  static std::map<std::string, std::string> Asked(const std::string& image) {
    const Ran ran = RunPipeline({"predict", "out", image});
    EXPECT_EQ(ran.code, 0) << ran.err;
    const auto rows = ParseCsv(ran.out);
    EXPECT_EQ(rows.size(), 1);
    return rows[0];
  }

  const Workspace workspace_;
  cv::Mat asked_;
};

TEST_F(PredictTiles, JoinsTheirMasks) {
  Train("", "[models/Unet] { depth: 2 width: 4 }");
  const auto row = Asked("asked.png");
  const cv::Mat mask = cv::imread(row.at("mask"), cv::IMREAD_UNCHANGED);
  ASSERT_EQ(mask.size(), asked_.size());
  EXPECT_TRUE(workspace_.Has("masks/asked_overlay.jpg"));
  for (int y = 0; y < 32; y += kTile) {
    for (const int x : {0, 16, 24}) {  // the last one ends where the image does
      const cv::Rect tile(x, y, kTile, kTile);
      const cv::Mat alone = cv::imread(Asked(Cut(tile)).at("mask"), cv::IMREAD_UNCHANGED);
      ASSERT_EQ(alone.size(), tile.size());
      // Of the last one only what no other tile holds.
      const int from = x == 24 ? 8 : 0;
      EXPECT_EQ(cv::norm(mask(tile).colRange(from, kTile), alone.colRange(from, kTile)), 0)
          << x << " " << y;
    }
  }
  double shares = 0;
  for (const auto& [column, value] : row) {
    if (!absl::StartsWith(column, "share.")) continue;
    shares += std::stod(value);
  }
  EXPECT_NEAR(shares, 1, 1e-8);
  EXPECT_NEAR(std::stod(row.at("share.water")), cv::countNonZero(mask == 4) / (32. * 40), 1e-8);
}

TEST_F(PredictTiles, AverageTheirProbabilities) {
  Train(" task: MULTICLASS", "[models/Cnn] { channels: [8] hidden: 0 dropout: 0 }");
  const auto row = Asked("asked.png");
  double water = 0;
  for (const int x : {0, 16}) {
    for (const int y : {0, 16}) {
      water += std::stod(Asked(Cut({x, y, kTile, kTile})).at("p.water")) / 4;
    }
  }
  EXPECT_NEAR(std::stod(row.at("p.water")), water, 1e-6);
  // A tile by itself is said what the test said of it.
  EXPECT_NE(row.at("class"), "");
}

TEST_F(PredictTiles, NameImagesThatCannotBeRead) {
  Train("", "[models/Unet] { depth: 2 width: 4 }");
  workspace_.Write("bad.png", "no image");
  cv::imwrite("small.png", asked_(cv::Rect(0, 0, 9, 5)));  // less than a tile: one tile
  const Ran ran = RunPipeline({"predict", "out", "bad.png", "small.png"});
  EXPECT_EQ(ran.code, 1);
  EXPECT_EQ(ran.err, "1 of 2 images could not be read\n");
  const auto rows = ParseCsv(ran.out);
  ASSERT_EQ(rows.size(), 2);
  EXPECT_EQ(rows[0].at("error"), "bad.png: text, not an image");
  EXPECT_EQ(cv::imread(rows[1].at("mask"), cv::IMREAD_UNCHANGED).size(), cv::Size(9, 5));
}

}  // namespace
