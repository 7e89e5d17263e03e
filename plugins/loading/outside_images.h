// Image files from outside the dataset, seen as its images are.
#ifndef PLUGINS_LOADING_OUTSIDE_IMAGES_H_
#define PLUGINS_LOADING_OUTSIDE_IMAGES_H_

#include <ATen/core/Tensor.h>
#include <google/protobuf/any.pb.h>

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "datasets/images/fit.h"
#include "pipeline/stage.h"
#include "pipeline/tiled_source.h"

namespace plugins {

// The option tile_size of a dataset that has one, and so cuts its images into tiles; else 0.
int TileSizeOf(const google::protobuf::Any& dataset);

// The methods are those of pipeline::Source and TiledSource.
class OutsideImages {
 public:
  // `size`: height and width of an image as it is seen.
  OutsideImages(int size, int64_t max_pixels, datasets::Fit fit)
      : size_(size), max_pixels_(max_pixels), fit_(fit) {}

  absl::StatusOr<pipeline::OutsideImage> Read(const std::string& path, bool color) const;
  absl::StatusOr<pipeline::OutsideImage::Size> SizeOf(const std::string& path) const;
  absl::StatusOr<at::Tensor> ReadWhole(const std::string& path) const;
  absl::StatusOr<pipeline::TiledImage> ReadTiles(const std::string& path, bool color,
                                                 int tile_size) const;

 private:
  const int size_;
  const int64_t max_pixels_;
  const datasets::Fit fit_;
};

}  // namespace plugins

#endif  // PLUGINS_LOADING_OUTSIDE_IMAGES_H_
