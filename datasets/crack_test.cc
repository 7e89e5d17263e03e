// Masks of three values, names that begin anew in each split, shapes that are not square.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <opencv2/imgproc.hpp>

#include "datasets/opening.h"

namespace datasets {
namespace {

using pipeline::TEST;
using pipeline::TRAIN;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

class CrackTest : public OpensDatasets {
 protected:
  // An image, and a mask whose pixels are those values, in rows of four, or blocks `times` as
  // large.
  void Pair(const std::string& folder, const std::string& name, const std::vector<int>& values,
            int times = 1) {
    cv::Mat mask(static_cast<int>(values.size()) / 4, 4, CV_8UC1);
    for (size_t i = 0; i < values.size(); ++i) mask.data[i] = static_cast<uint8_t>(values[i]);
    cv::resize(mask, mask, mask.size() * times, 0, 0, cv::INTER_NEAREST);
    Write(folder + "images/" + name + ".png", Picture(mask.size()));
    Write(folder + "masks/" + name + ".png", Encoded(mask));
  }

  // The masks of TRAIN at such a size, a letter for each pixel: . background, # crack, - ignored.
  static std::vector<std::string> Masks(const Dataset& data, int size) {
    std::vector<std::string> told;
    for (int64_t i = 0; i < data.info().images[0]; ++i) {
      const auto sample = data.Read(TRAIN, i, size);
      EXPECT_TRUE(sample.ok()) << sample.status();
      std::string& text = told.emplace_back();
      for (int y = 0; y < size; ++y) {
        if (y > 0) text += ' ';
        for (int x = 0; x < size; ++x) {
          const uint8_t value = sample->mask.at<uint8_t>(y, x);
          text += value == 0 ? '.' : value == 1 ? '#' : '-';
        }
      }
    }
    return told;
  }
};

TEST_F(CrackTest, Ignores255Beside0And1) {
  Pair("", "a", {0, 1, 255, 0, 0, 1, 255, 0, 0, 0, 0, 0, 1, 1, 1, 1});
  Pair("", "b", {0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0});
  const auto data = Opened("Crack");
  EXPECT_THAT(Masks(*data, 4), ElementsAre(".#-. .#-. .... ####", ".##. .... .... ...."));
  EXPECT_THAT(data->info().notes,
              ElementsAre("1 mask of 0, 1 and 255, where 255 is ignored: " + At("masks/a.png")));
  EXPECT_EQ(Opened("Crack", "task: BINARY crack_pixels: 3")->info().class_counts[0],
            (std::vector<int64_t>{1, 1}))
      << "six and two pixels of crack";
}

TEST_F(CrackTest, LeavesOutMasksWhose255MayBeEither) {
  Pair("train/", "a", {0, 1, 255, 0, 0, 1, 255, 0, 0, 0, 0, 0, 1, 1, 1, 1});
  Pair("train/", "b", {0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0});
  Pair("test/", "c", {0, 255, 255, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0});
  Pair("test/", "d", {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0});
  const auto data = Opened("Crack");
  EXPECT_THAT(Names(*data, TEST), UnorderedElementsAre("test/images/d.png"));
  EXPECT_THAT(data->info().notes,
              Contains("1 image left out, as its mask is of 0 and 255 alone: crack, or ignored as "
                       "in others: " +
                       At("test/masks/c.png")));
}

TEST_F(CrackTest, LeavesOutTheFewMasksThatIgnoreWhat255IsInMost) {
  for (const char* name : {"a", "b", "c"}) {
    Pair("train/", name, {0, 255, 255, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0});
  }
  Pair("test/", "d", {0, 1, 255, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0});
  Pair("test/", "e", {0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0});
  const auto data = Opened("Crack");
  EXPECT_EQ(Masks(*data, 4)[0], ".##. .... .... ....");
  EXPECT_THAT(Names(*data, TEST), UnorderedElementsAre("test/images/e.png"));
  EXPECT_THAT(data->info().notes,
              Contains("1 image left out, as its mask is of 0, 1 and 255, but most are of 0 and "
                       "255: " +
                       At("test/masks/d.png")));
}

TEST_F(CrackTest, RefusesMasksOf1And255Alone) {
  Pair("", "a", {0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0});
  Pair("", "b", {1, 1, 255, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1});
  EXPECT_THAT(Opened("Crack")->info().notes,
              ElementsAre("1 image without a usable mask, left out: " + At("masks/b.png") +
                          ": of 1 and 255 alone, so that nobody can tell which is the thing"));
}

TEST_F(CrackTest, NamesThatBeginAnewInEachSplitShareNothing) {
  for (int i = 1; i < 8; ++i) {
    const std::string name = "00" + std::to_string(i);
    Pair("train/", name, {0, 0, 0, 255}, 9);
    Pair("test/", name, {0, 0, 0, 255}, 9);
    Pair("train/", "wall_" + std::to_string(i) + "_1", {0, 0, 0, 255}, 9);
    Pair("test/", "wall_" + std::to_string(i) + "_1", {0, 0, 0, 255}, 9);
  }
  EXPECT_THAT(Opened("Crack")->info().notes, IsEmpty());
  // Other crops of one photo are told.
  Pair("train/", "DeepCrack_7-1", {0, 0, 0, 255}, 9);
  Pair("test/", "DeepCrack_7-2", {0, 0, 0, 255}, 9);
  EXPECT_THAT(Opened("Crack")->info().notes,
              ElementsAre("training and test share 1 group of images that belong together, such as "
                          "deepcrack_7"));
}

TEST_F(CrackTest, FitsMasksLikeImages) {
  Pair("", "wide", {0, 255, 0, 255, 0, 255, 255, 0});
  context_.fit = Fit::kLetterbox;
  const auto boxed = Opened("Crack");
  EXPECT_THAT(Masks(*boxed, 4), ElementsAre("---- .#.# .##. ----"));
  const auto sample = boxed->Read(TRAIN, 0, 4);
  ASSERT_TRUE(sample.ok());
  EXPECT_EQ(cv::countNonZero(sample->image.reshape(1).row(0)), 0);
  EXPECT_GT(cv::countNonZero(sample->image.reshape(1).row(1)), 0);
  context_.fit = Fit::kCrop;
  EXPECT_THAT(Masks(*Opened("Crack"), 2), ElementsAre("#. ##"));
  context_.fit = Fit::kStretch;
  EXPECT_THAT(Masks(*Opened("Crack"), 4), ElementsAre(".#.# .#.# .##. .##."));
}

TEST_F(CrackTest, NamesSparseMasksOfAGigabyte) {
  Pair("", "a", {0, 255, 0, 255});
  Pair("", "b", {0, 255, 0, 255});
  Write("masks/b.png", "");
  ASSERT_EQ(truncate(At("masks/b.png").c_str(), off_t{1} << 30), 0);
  EXPECT_THAT(Opened("Crack")->info().notes,
              ElementsAre("1 image without a usable mask, left out: " + At("masks/b.png") +
                          ": not an image of a known format"));
}

}  // namespace
}  // namespace datasets
