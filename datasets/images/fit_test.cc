// Shapes of every kind made square: where each pixel goes, in images and masks alike.
#include "datasets/images/fit.h"

#include <gtest/gtest.h>

#include <opencv2/core.hpp>
#include <string>
#include <vector>

namespace datasets {
namespace {

constexpr uint8_t kOutside = 255;

cv::Mat Rows(const std::vector<std::vector<uint8_t>>& rows) {
  cv::Mat pixels(static_cast<int>(rows.size()), static_cast<int>(rows[0].size()), CV_8UC1);
  for (int y = 0; y < pixels.rows; ++y) {
    for (int x = 0; x < pixels.cols; ++x) pixels.at<uint8_t>(y, x) = rows[y][x];
  }
  return pixels;
}

// "1 2|3 4", each row's values.
std::string Told(const cv::Mat& pixels) {
  std::string told;
  for (int y = 0; y < pixels.rows; ++y) {
    for (int x = 0; x < pixels.cols; ++x) {
      told += x > 0 ? " " : y > 0 ? "|" : "";
      told += std::to_string(pixels.at<uint8_t>(y, x));
    }
  }
  return told;
}

TEST(FitTest, StretchesAsThePaperDoes) {
  const cv::Mat wide = Rows({{1, 1, 9, 9}, {5, 5, 7, 7}});
  EXPECT_EQ(Told(FitMask(wide, 2, Fit::kStretch, kOutside)), "1 9|5 7");
  EXPECT_EQ(FitImage(wide, 2, Fit::kStretch).size(), cv::Size(2, 2));
}

TEST(FitTest, LetterboxesWideAndHighImagesAlike) {
  const cv::Mat wide = Rows({{10, 20, 30, 40}, {50, 60, 70, 80}});
  EXPECT_EQ(Told(FitImage(wide, 4, Fit::kLetterbox)), "0 0 0 0|10 20 30 40|50 60 70 80|0 0 0 0");
  EXPECT_EQ(Told(FitMask(wide, 4, Fit::kLetterbox, kOutside)),
            "255 255 255 255|10 20 30 40|50 60 70 80|255 255 255 255");
  EXPECT_EQ(Told(FitImage(wide.t(), 4, Fit::kLetterbox)),
            "0 10 50 0|0 20 60 0|0 30 70 0|0 40 80 0");
  EXPECT_EQ(Told(FitMask(wide.t(), 4, Fit::kLetterbox, kOutside)),
            "255 10 50 255|255 20 60 255|255 30 70 255|255 40 80 255");
}

TEST(FitTest, AnOddRestIsOnTheRightOrBelow) {
  const cv::Mat line = Rows({{1, 2, 3, 4}});
  EXPECT_EQ(Told(FitImage(line, 4, Fit::kLetterbox)), "0 0 0 0|1 2 3 4|0 0 0 0|0 0 0 0");
  EXPECT_EQ(Told(FitMask(line.t(), 4, Fit::kLetterbox, kOutside)),
            "255 1 255 255|255 2 255 255|255 3 255 255|255 4 255 255");
  const cv::Mat wide = Rows({{1, 2, 3, 4, 5}, {6, 7, 8, 9, 10}});
  EXPECT_EQ(Told(FitImage(wide, 2, Fit::kCrop)), "2 3|7 8");
  EXPECT_EQ(Told(FitMask(wide.t(), 2, Fit::kCrop, kOutside)), "2 7|3 8");
}

TEST(FitTest, SidesAreRoundedToTheNearestPixel) {
  // 10x7 in a square of 5: 3.5 rows become 4; 10x6: exactly 3.
  EXPECT_EQ(Told(FitMask(cv::Mat(7, 10, CV_8UC1, cv::Scalar(1)), 5, Fit::kLetterbox, kOutside)),
            "1 1 1 1 1|1 1 1 1 1|1 1 1 1 1|1 1 1 1 1|255 255 255 255 255");
  EXPECT_EQ(Told(FitMask(cv::Mat(6, 10, CV_8UC1, cv::Scalar(1)), 5, Fit::kLetterbox, kOutside)),
            "255 255 255 255 255|1 1 1 1 1|1 1 1 1 1|1 1 1 1 1|255 255 255 255 255");
}

TEST(FitTest, LinesOfOnePixelStayVisible) {
  const cv::Mat line(1, 1000, CV_8UC1, cv::Scalar(7));
  EXPECT_EQ(Told(FitImage(line, 3, Fit::kLetterbox)), "0 0 0|7 7 7|0 0 0");
  EXPECT_EQ(Told(FitMask(line.t(), 3, Fit::kLetterbox, kOutside)), "255 7 255|255 7 255|255 7 255");
  EXPECT_EQ(Told(FitImage(line, 3, Fit::kCrop)), "7 7 7|7 7 7|7 7 7");
  EXPECT_EQ(Told(FitImage(line.t(), 3, Fit::kStretch)), "7 7 7|7 7 7|7 7 7");
}

TEST(FitTest, SquaresAreOneWhateverTheFit) {
  cv::Mat square(9, 9, CV_8UC3);
  cv::RNG random(1);
  random.fill(square, cv::RNG::UNIFORM, 0, 255);
  for (const Fit fit : {Fit::kLetterbox, Fit::kCrop}) {
    EXPECT_EQ(cv::norm(FitImage(square, 4, fit), FitImage(square, 4, Fit::kStretch), cv::NORM_INF),
              0);
  }
}

TEST(FitTest, SmallImagesGrow) {
  EXPECT_EQ(Told(FitMask(Rows({{3, 4}}), 4, Fit::kLetterbox, kOutside)),
            "255 255 255 255|3 3 4 4|3 3 4 4|255 255 255 255");
}

}  // namespace
}  // namespace datasets
