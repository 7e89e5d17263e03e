// OpenCV's images as tensors.
#include "plugins/loading/outside_images.h"

#include <ATen/ops/from_blob.h>
#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>

#include <opencv2/core.hpp>
#include <opencv2/imgproc.hpp>

#include "absl/strings/str_cat.h"
#include "datasets/images/image_file.h"
#include "datasets/images/image_header.h"
#include "datasets/images/tiles.h"
#include "pipeline/registry.h"

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

cv::Rect RectOf(const pipeline::OutsideImage::Part& part) {
  return {static_cast<int>(part.x), static_cast<int>(part.y), static_cast<int>(part.width),
          static_cast<int>(part.height)};
}

}  // namespace

int TileSizeOf(const google::protobuf::Any& dataset) {
  const auto options = pipeline::UnpackOptions(dataset);
  if (options == nullptr) return 0;
  const auto* field = options->GetDescriptor()->FindFieldByName("tile_size");
  return field == nullptr ? 0 : options->GetReflection()->GetInt32(*options, field);
}

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

absl::StatusOr<pipeline::TiledImage> OutsideImages::ReadTiles(const std::string& path, bool color,
                                                              int tile_size) const {
  const absl::StatusOr<std::string> bytes = datasets::ReadImageBytes(path, max_pixels_);
  if (!bytes.ok()) return bytes.status();
  // As ReadImage: of other files the colors are what gray is made of.
  const bool gray = !color && datasets::IsJpeg(*bytes);
  const absl::StatusOr<cv::Mat> whole =
      datasets::DecodeImage(*bytes, gray ? datasets::Channels::kGray : datasets::Channels::kColor);
  if (!whole.ok()) {
    return absl::InvalidArgumentError(absl::StrCat(path, ": damaged: ", whole.status().message()));
  }
  pipeline::TiledImage image;
  image.width = whole->cols;
  image.height = whole->rows;
  for (const auto& tile : datasets::EdgeTiles(whole->size(), tile_size)) {
    image.tiles.push_back(PartOf(tile));
  }
  image.edges = image.tiles.size();
  for (const auto& tile : datasets::Tiles(whole->size(), tile_size)) {
    image.tiles.push_back(PartOf(tile));
  }
  image.read = [whole = *whole, size = size_, fit = fit_](const auto& part) {
    const cv::Mat tile = datasets::FitImage(whole(RectOf(part)), size, fit);
    cv::Mat rgb;
    cv::cvtColor(tile, rgb, tile.channels() == 1 ? cv::COLOR_GRAY2RGB : cv::COLOR_BGR2RGB);
    const datasets::Placing placing = datasets::PlacingOf(
        {static_cast<int>(part.width), static_cast<int>(part.height)}, size, fit);
    return pipeline::OutsideImage{PixelsOf(rgb), part.width, part.height, PartOf(placing.from),
                                  PartOf(placing.to)};
  };
  return image;
}

}  // namespace plugins
