// Image files from outside the dataset, seen as its images are.
#ifndef PLUGINS_LOADING_OUTSIDE_IMAGES_H_
#define PLUGINS_LOADING_OUTSIDE_IMAGES_H_

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "datasets/images/fit.h"
#include "pipeline/stage.h"

namespace plugins {

// The methods are those of pipeline::Source.
class OutsideImages {
 public:
  // `size`: height and width of an image as it is seen.
  OutsideImages(int size, int64_t max_pixels, datasets::Fit fit)
      : size_(size), max_pixels_(max_pixels), fit_(fit) {}

  absl::StatusOr<pipeline::OutsideImage> Read(const std::string& path, bool color) const;
  absl::StatusOr<pipeline::OutsideImage::Size> SizeOf(const std::string& path) const;
  absl::StatusOr<at::Tensor> ReadWhole(const std::string& path) const;

 private:
  const int size_;
  const int64_t max_pixels_;
  const datasets::Fit fit_;
};

}  // namespace plugins

#endif  // PLUGINS_LOADING_OUTSIDE_IMAGES_H_
