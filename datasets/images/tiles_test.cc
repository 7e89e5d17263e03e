// Tiles and what they leave over.
#include "datasets/images/tiles.h"

#include <gtest/gtest.h>

#include <opencv2/core.hpp>

namespace datasets {
namespace {

using Rects = std::vector<cv::Rect>;

TEST(Tiles, LeaveOutWhatIsLessThanOne) {
  EXPECT_EQ(Tiles({35, 20}, 10), (Rects{{0, 0, 10, 10},
                                        {10, 0, 10, 10},
                                        {20, 0, 10, 10},
                                        {0, 10, 10, 10},
                                        {10, 10, 10, 10},
                                        {20, 10, 10, 10}}));
  EXPECT_EQ(Tiles({9, 25}, 10), (Rects{{0, 0, 9, 10}, {0, 10, 9, 10}}));
  EXPECT_EQ(Tiles({35, 20}, 0), (Rects{{0, 0, 35, 20}}));
  EXPECT_TRUE(Tiles({0, 0}, 10).empty());
}

TEST(Tiles, AtTheEdgesHoldTheRest) {
  EXPECT_EQ(EdgeTiles({35, 20}, 10), (Rects{{25, 0, 10, 10}, {25, 10, 10, 10}}));
  EXPECT_EQ(EdgeTiles({12, 15}, 10), (Rects{{2, 0, 10, 10}, {0, 5, 10, 10}, {2, 5, 10, 10}}));
  EXPECT_TRUE(EdgeTiles({40, 20}, 10).empty());
  EXPECT_TRUE(EdgeTiles({9, 5}, 10).empty());
  EXPECT_TRUE(EdgeTiles({35, 20}, 0).empty());
}

TEST(Tiles, CoverAnImageTogether) {
  for (int width = 1; width < 40; width += 3) {
    for (int height = 1; height < 40; height += 3) {
      cv::Mat held = cv::Mat::zeros(height, width, CV_8U);
      for (const auto& tiles : {EdgeTiles({width, height}, 9), Tiles({width, height}, 9)}) {
        for (const cv::Rect& tile : tiles) held(tile) = 1;
      }
      EXPECT_EQ(cv::countNonZero(held), width * height) << width << " " << height;
      EXPECT_EQ(CountTiles({width, height}, 9), Tiles({width, height}, 9).size());
    }
  }
}

}  // namespace
}  // namespace datasets
