// Colors, and OpenCV's encoders.
#include "pipeline/pictures.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>

#include <algorithm>
#include <opencv2/core/mat.hpp>
#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"

namespace pipeline {
namespace {

constexpr int64_t kColors = 8;
constexpr uint8_t kPalette[kColors][3] = {{0, 0, 0},     {230, 159, 0},  {86, 180, 233},
                                          {0, 158, 115}, {240, 228, 66}, {0, 114, 178},
                                          {213, 94, 0},  {204, 121, 167}};
constexpr uint8_t kIgnoredGray = 128;
constexpr int kThumbnail = 160;  // pixels each way
constexpr int kPageQuality = 80;

absl::StatusOr<std::string> Encode(const at::Tensor& picture, const char* kind,
                                   const std::vector<int>& options) {
  const bool color = picture.size(0) == 3;
  // OpenCV's encoders want BGR.
  const at::Tensor bytes =
      (color ? picture.flip(0) : picture).to(at::kCPU).permute({1, 2, 0}).contiguous();
  const cv::Mat pixels(static_cast<int>(bytes.size(0)), static_cast<int>(bytes.size(1)),
                       color ? CV_8UC3 : CV_8UC1, bytes.data_ptr());
  std::vector<unsigned char> file;
  if (!cv::imencode(kind, pixels, file, options)) {
    return absl::InternalError(absl::StrCat("cannot encode a picture as ", kind));
  }
  return std::string(file.begin(), file.end());
}

}  // namespace

at::Tensor ColoredMasks(const at::Tensor& masks) {
  at::Tensor table = at::full({kColors + 1, 3}, kIgnoredGray, at::kByte);
  std::copy_n(&kPalette[0][0], kColors * 3, table.data_ptr<uint8_t>());
  const at::Tensor colors = masks.remainder(kColors).masked_fill(masks < 0, kColors);
  const at::Tensor colored = table.index_select(0, colors.flatten());
  return colored.view({colors.size(0), colors.size(1), colors.size(2), 3}).permute({0, 3, 1, 2});
}

at::Tensor Thumbnail(const at::Tensor& image) {
  const at::Tensor rgb = image.size(0) == 3 ? image : image.slice(0, 0, 1).expand({3, -1, -1});
  const at::Tensor bytes = rgb.permute({1, 2, 0}).contiguous();
  const cv::Mat pixels(static_cast<int>(bytes.size(0)), static_cast<int>(bytes.size(1)), CV_8UC3,
                       bytes.data_ptr());
  at::Tensor small = at::empty({kThumbnail, kThumbnail, 3}, at::kByte);
  cv::Mat into(kThumbnail, kThumbnail, CV_8UC3, small.data_ptr());
  const bool larger = pixels.rows > kThumbnail;
  cv::resize(pixels, into, into.size(), 0, 0, larger ? cv::INTER_AREA : cv::INTER_CUBIC);
  return small.permute({2, 0, 1});
}

absl::StatusOr<std::string> EncodePng(const at::Tensor& picture) {
  return Encode(picture, ".png", {});
}

absl::StatusOr<std::string> EncodeJpeg(const at::Tensor& picture, int quality) {
  return Encode(picture, ".jpg", {cv::IMWRITE_JPEG_QUALITY, quality});
}

absl::StatusOr<Picture> ToPicture(const at::Tensor& picture, std::string caption, std::string alt) {
  absl::StatusOr<std::string> jpeg = EncodeJpeg(picture, kPageQuality);
  if (!jpeg.ok()) return jpeg.status();
  return Picture{*std::move(jpeg), std::move(caption), std::move(alt)};
}

}  // namespace pipeline
