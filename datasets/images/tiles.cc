// Grids, and their right and lower ends.
#include "datasets/images/tiles.h"

#include <algorithm>

namespace datasets {
namespace {

cv::Size TileOf(cv::Size image, int tile_size) {
  if (tile_size == 0) return image;
  return {std::min(tile_size, image.width), std::min(tile_size, image.height)};
}

// Where tiles begin of which all fit.
std::vector<int> Begins(int extent, int tile) {
  std::vector<int> begins;
  for (int at = 0; tile > 0 && at + tile <= extent; at += tile) begins.push_back(at);
  return begins;
}

}  // namespace

std::vector<cv::Rect> Tiles(cv::Size image, int tile_size) {
  const cv::Size tile = TileOf(image, tile_size);
  std::vector<cv::Rect> tiles;
  for (const int y : Begins(image.height, tile.height)) {
    for (const int x : Begins(image.width, tile.width)) tiles.emplace_back(cv::Point(x, y), tile);
  }
  return tiles;
}

int64_t CountTiles(cv::Size image, int tile_size) {
  if (tile_size == 0) return 1;
  if (image.empty()) return 0;
  const cv::Size tile = TileOf(image, tile_size);
  return int64_t{image.width / tile.width} * (image.height / tile.height);
}

std::vector<cv::Rect> EdgeTiles(cv::Size image, int tile_size) {
  if (image.empty()) return {};
  const cv::Size tile = TileOf(image, tile_size);
  const cv::Point last(image.width - tile.width, image.height - tile.height);
  const bool right = image.width % tile.width != 0, below = image.height % tile.height != 0;
  std::vector<cv::Rect> tiles;
  for (const int y : Begins(image.height, tile.height)) {
    if (right) tiles.emplace_back(cv::Point(last.x, y), tile);
  }
  for (const int x : Begins(image.width, tile.width)) {
    if (below) tiles.emplace_back(cv::Point(x, last.y), tile);
  }
  if (right && below) tiles.emplace_back(last, tile);
  return tiles;
}

}  // namespace datasets
