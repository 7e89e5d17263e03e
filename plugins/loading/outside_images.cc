// OpenCV's images as tensors.
#include "plugins/loading/outside_images.h"

#include <ATen/ops/from_blob.h>

#include <opencv2/core.hpp>

#include "datasets/images/image_file.h"

namespace plugins {
namespace {

// [3, height, width] of an 8-bit RGB image.
at::Tensor PixelsOf(const cv::Mat& image) {
  return at::from_blob(image.data, {image.rows, image.cols, 3}, at::kByte)
      .clone()
      .permute({2, 0, 1});
}

pipeline::OutsideImage::Part PartOf(const cv::Rect& rect) {
  return {rect.x, rect.y, rect.width, rect.height};
}

}  // namespace

absl::StatusOr<pipeline::OutsideImage> OutsideImages::Read(const std::string& path,
                                                           bool color) const {
  cv::Size whole;
  const absl::StatusOr<cv::Mat> read =
      datasets::ReadImage(path, max_pixels_, {size_, {}, color, fit_}, &whole);
  if (!read.ok()) return read.status();
  const datasets::Placing placing = datasets::PlacingOf(whole, size_, fit_);
  return pipeline::OutsideImage{PixelsOf(*read), whole.width, whole.height, PartOf(placing.from),
                                PartOf(placing.to)};
}

absl::StatusOr<pipeline::OutsideImage::Size> OutsideImages::SizeOf(const std::string& path) const {
  const absl::StatusOr<cv::Size> size = datasets::ImageSize(path, max_pixels_);
  if (!size.ok()) return size.status();
  return pipeline::OutsideImage::Size{size->width, size->height};
}

absl::StatusOr<at::Tensor> OutsideImages::ReadWhole(const std::string& path) const {
  const absl::StatusOr<cv::Mat> read = datasets::ReadWholeImage(path, max_pixels_);
  if (!read.ok()) return read.status();
  return PixelsOf(*read);
}

}  // namespace plugins
