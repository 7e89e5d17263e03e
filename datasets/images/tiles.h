// The parts that datasets cut images into, each a sample of its own.
#ifndef DATASETS_IMAGES_TILES_H_
#define DATASETS_IMAGES_TILES_H_

#include <cstdint>
#include <opencv2/core/types.hpp>
#include <vector>

namespace datasets {

// Tiles of so many pixels each way, from the upper left on, row by row. What is left over at the
// right and at the bottom is in none; an image that is smaller one way is one tile that way. The
// whole image where `tile_size` is 0.
std::vector<cv::Rect> Tiles(cv::Size image, int tile_size);

// How many these are.
int64_t CountTiles(cv::Size image, int tile_size);

// Tiles of the same size that end where the image does, and hold what Tiles leaves over.
std::vector<cv::Rect> EdgeTiles(cv::Size image, int tile_size);

}  // namespace datasets

#endif  // DATASETS_IMAGES_TILES_H_
