// Datasets of images with masks, on small folders of every shape.
#include "tests/mask_datasets.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <opencv2/core.hpp>
#include <opencv2/imgcodecs.hpp>
#include <set>
#include <tuple>

#include "absl/strings/str_cat.h"
#include "tests/testing.h"

namespace {

namespace fs = std::filesystem;

using datasets::kIgnoredMask;
using pipeline::TEST;
using pipeline::TRAIN;
using pipeline::VAL;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing_support::Counts;
using testing_support::Images;
using testing_support::MaskDatasets;
using testing_support::Names;
using testing_support::Told;

const cv::Scalar kUrban(255, 255, 0), kAgriculture(0, 255, 255), kRangeland(255, 0, 255),
    kForest(0, 255, 0), kWater(255, 0, 0), kBarren(255, 255, 255), kUnknown(0, 0, 0);

TEST_F(MaskDatasets, LandSegmentation) {
  WriteLand("d/1", {kUrban, kAgriculture, kRangeland, kForest});
  WriteLand("d/2", {kWater, kBarren, kUnknown, cv::Scalar(0, 0, 255)});  // red is in no table
  WriteLand("d/3", {kUnknown});
  const auto data = Opened("Deepglobe", "root: 'd'");
  EXPECT_EQ(data->info().task, pipeline::Task::kSegmentation);
  EXPECT_EQ(data->info().classes,
            (Names{"urban", "agriculture", "rangeland", "forest", "water", "barren"}));
  const auto masks = Masks(*data, 4);
  EXPECT_EQ(masks.size(), 2);
  EXPECT_EQ(masks.at("1_sat.jpg"), "0123 0123 0123 0123");
  EXPECT_EQ(masks.at("2_sat.jpg"), "45-- 45-- 45-- 45--");
  EXPECT_THAT(data->info().notes,
              Contains("1 mask with 100 pixels of no class's color, ignored: d/2_mask.png"));
  EXPECT_THAT(data->info().notes,
              Contains("1 of 3 images left out: their masks say unknown everywhere"));
}

TEST_F(MaskDatasets, LandWithoutPartnersOrOfWrongSize) {
  WriteLand("d/1", {kForest});
  WriteImage("d/2_sat.jpg");
  WriteMask("d/3_mask.png", Columns({kWater}));
  WriteImage("d/photo.jpg");
  WriteImage("d/4_sat.jpg", {20, 24});
  WriteMask("d/4_mask.png", Columns({kWater}));
  const auto data = Opened("Deepglobe", "root: 'd'");
  EXPECT_THAT(data->info().notes,
              ElementsAre("1 image named neither ..._sat nor ..._mask, left out: d/photo.jpg",
                          "1 image without a mask, left out: d/2_sat.jpg",
                          "1 mask without an image: d/3_mask.png",
                          "1 image without a usable mask, left out: d/4_mask.png: 20x20 pixels, "
                          "but its image d/4_sat.jpg has 20x24"));
  EXPECT_EQ(Masks(*data, 2), (std::map<std::string, std::string>{{"1_sat.jpg", "33 33"}}));
}

TEST_F(MaskDatasets, LandSplits) {
  for (int i = 0; i < 10; ++i) WriteLand(absl::StrCat("d/train/", i), {kForest, kWater});
  WriteImage("d/valid/1_sat.jpg");
  WriteImage("d/valid/2_sat.jpg");
  const auto by_seed = Opened("Deepglobe", "root: 'd'", 0.2);
  EXPECT_EQ(by_seed->info().images, (Images{8, 0, 2}));
  EXPECT_THAT(by_seed->info().notes, Contains("left out, as it has no masks: d/valid (2 images)"));
  WriteMask("d/valid/1_mask.png", Columns({kForest}));
  WriteMask("d/valid/2_mask.png", Columns({kForest}));
  const auto with_test = Opened("Deepglobe", "root: 'd'", 0.2);
  EXPECT_EQ(with_test->info().images, (Images{10, 0, 2}));
  EXPECT_THAT(with_test->info().notes,
              Contains("the validation folder is TEST, as there is no other; VAL is taken from "
                       "train"));
  WriteLand("d/Test/1", {kBarren});
  EXPECT_EQ(Opened("Deepglobe", "root: 'd'", 0.2)->info().images, (Images{10, 2, 1}));
}

TEST_F(MaskDatasets, LandMulticlass) {
  WriteLand("d/1", {kForest, kForest, kForest, kWater});
  WriteLand("d/2", {kWater, kWater, kUnknown, kForest});
  WriteLand("d/3", {kBarren, kForest, kUrban, kWater});  // 0.25 each
  const auto data = Opened("Deepglobe", "root: 'd' task: MULTICLASS");
  EXPECT_EQ(Labels(*data), (std::map<std::string, int64_t>{{"1_sat.jpg", 3}, {"2_sat.jpg", 4}}));
  EXPECT_EQ(data->info().class_counts[0], (Counts{0, 0, 0, 1, 1, 0}));
  EXPECT_THAT(data->info().notes,
              Contains("1 of 3 images left out: no class covers minimum_cover (0.5) of them"));
  // Of equal parts, the first class.
  EXPECT_EQ(Labels(*Opened("Deepglobe", "root: 'd' task: MULTICLASS minimum_cover: 0.25"))
                .at("3_sat.jpg"),
            0);
  EXPECT_EQ(Error("Deepglobe", "root: 'd' task: MULTICLASS minimum_cover: 0.6"),
            "root: d has training images of forest only; it takes two classes to learn");
}

TEST_F(MaskDatasets, LandWater) {
  WriteLand("d/1", {kForest, kForest, kForest, kWater});
  WriteLand("d/2", {kWater, kUnknown, kUnknown, kForest});
  WriteLand("d/3", {kBarren});
  const auto labels = [](const std::string& more) {
    std::string told;
    for (const auto& [name, label] :
         Labels(*Opened("Deepglobe", "root: 'd' task: BINARY " + more))) {
      absl::StrAppend(&told, label);
    }
    return told;
  };
  EXPECT_EQ(labels(""), "110");
  // Of the known pixels, 0.25 and 0.5 are water.
  EXPECT_EQ(labels("water_share: 0.3"), "010");
  EXPECT_THAT(
      Error("Deepglobe", "root: 'd' task: BINARY water_share: 0.5"),
      HasSubstr("root: d has training images of other only; it takes two classes to learn"));
  const auto pixels = Opened("Deepglobe", "root: 'd' task: BINARY_PIXELS");
  EXPECT_EQ(pixels->info().task, pipeline::Task::kSegmentation);
  EXPECT_EQ(pixels->info().classes, (Names{"other", "water"}));
  EXPECT_EQ(Masks(*pixels, 4).at("2_sat.jpg"), "1--0 1--0 1--0 1--0");
}

TEST_F(MaskDatasets, LandTiles) {
  // Two rows of three tiles, and 5 pixels to the right that belong to none.
  cv::Mat mask(20, 35, CV_8UC3, kBarren);
  const std::vector<cv::Scalar> colors = {kUrban, kForest, kWater, kUnknown, kBarren, kWater};
  for (int i = 0; i < 6; ++i) mask(cv::Rect(i % 3 * 10, i / 3 * 10, 10, 10)) = colors[i];
  WriteImage("d/1_sat.png", mask.size());
  WriteMask("d/1_mask.png", mask);
  WriteLand("d/2", {kRangeland}, {9, 8});  // smaller than a tile
  const auto data = Opened("Deepglobe", "root: 'd' task: MULTICLASS tile_size: 10");
  EXPECT_EQ(data->info().class_counts[0], (Counts{1, 0, 1, 1, 2, 1}));
  EXPECT_THAT(data->info().notes,
              Contains("1 of 7 tiles left out: their masks say unknown everywhere"));
  EXPECT_EQ(Error("Deepglobe", "root: 'd' tile_size: 7"),
            "tile_size: 7, but tiles have at least 8 pixels each way");
  const auto segmented = Opened("Deepglobe", "root: 'd' tile_size: 10");
  ASSERT_EQ(segmented->info().images[0], 6);
  const cv::Mat image = cv::imread("d/1_sat.png");
  std::multiset<std::string> masks;
  for (int64_t i = 0; i < 6; ++i) {
    const auto sample = segmented->Read(TRAIN, i, 10);
    ASSERT_TRUE(sample.ok()) << sample.status();
    masks.insert(Told(sample->mask(cv::Rect(0, 0, 2, 1))));
    if (sample->mask.data[0] != 3) continue;
    // The tile at (10, 0), not resized: its pixels are the file's, as RGB.
    for (int at = 0; at < 100; ++at) {
      const auto& bgr = image.at<cv::Vec3b>(at / 10, 10 + at % 10);
      ASSERT_EQ(sample->image.at<cv::Vec3b>(at / 10, at % 10), cv::Vec3b(bgr[2], bgr[1], bgr[0]));
    }
  }
  EXPECT_EQ(masks, (std::multiset<std::string>{"00", "22", "33", "44", "44", "55"}));
}

TEST_F(MaskDatasets, TilesOfAnImageStayTogether) {
  for (int i = 0; i < 10; ++i) WriteLand(absl::StrCat("d/", i), {kForest, kWater});
  const auto data = Opened("Deepglobe", "root: 'd' tile_size: 10", 0.3);
  std::map<std::string, std::set<int>> sides;
  for (const auto phase : {TRAIN, VAL, TEST}) {
    for (int64_t i = 0; i < data->info().images[pipeline::PhaseIndex(phase)]; ++i) {
      sides[data->Name(phase, i)].insert(phase);
    }
  }
  EXPECT_EQ(sides.size(), 10);
  for (const auto& [name, phases] : sides) EXPECT_EQ(phases.size(), 1) << name;
  EXPECT_EQ(data->info().images, (Images{28, 0, 12}));
}

TEST_F(MaskDatasets, LandThatIsNotThere) {
  fs::create_directories("d");
  EXPECT_EQ(Error("Deepglobe", "root: 'd'"),
            "root: no pairs of NNNN_sat.jpg and NNNN_mask.png in d or its folders train, valid and "
            "test");
  EXPECT_EQ(Error("Deepglobe", "root: 'e'"), "root: no folder e");
}

TEST_F(MaskDatasets, NothingUsableSaysWhy) {
  WriteImage("d/1_sat.jpg");
  WriteMask("d/1_mask.png", Columns({cv::Scalar(0, 0, 255)}));
  EXPECT_EQ(Error("Deepglobe", "root: 'd' task: BINARY"),
            "root: no training images in d:\n  1 image without a usable mask, left out: "
            "d/1_mask.png: 100 % of its pixels are of no color that means a class, the first "
            "of them (255,0,0)");
  WriteImage("e/images/a.jpg");
  EXPECT_EQ(Error("Crack", "root: 'e'"),
            "root: no training images in e:\n  1 image without a mask, left out: "
            "e/images/a.jpg");
}

TEST_F(MaskDatasets, EmbeddedSamplesHaveTheTasksClasses) {
  for (const auto& [name, task, classes] : {std::tuple("Deepglobe", "SEGMENTATION", 6),
                                            {"Deepglobe", "MULTICLASS", 6},
                                            {"Deepglobe", "BINARY", 2},
                                            {"Deepglobe", "BINARY_PIXELS", 2},
                                            {"Crack", "SEGMENTATION", 2},
                                            {"Crack", "BINARY", 2},
                                            {"Crack", "MULTICLASS", 4}}) {
    const auto data = Opened(name, absl::StrCat("embedded_sample: true task: ", task));
    EXPECT_TRUE(data->info().embedded_sample);
    EXPECT_EQ(data->info().classes.size(), classes);
    std::set<int> seen;
    for (int64_t i = 0; i < data->info().images[0]; i += 29) {
      const auto sample = data->Read(TRAIN, i, 32);
      ASSERT_TRUE(sample.ok());
      const cv::Mat& mask = sample->mask;
      if (mask.empty()) seen.insert(static_cast<int>(sample->label));
      std::for_each(mask.begin<uint8_t>(), mask.end<uint8_t>(), [&](uint8_t value) {
        if (value != kIgnoredMask) seen.insert(value);
      });
    }
    EXPECT_EQ(seen.size(), classes) << name << " " << task;
  }
}

}  // namespace
