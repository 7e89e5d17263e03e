// One placing for images and masks, so that they cannot drift apart.
#include "datasets/images/fit.h"

#include <algorithm>
#include <opencv2/core.hpp>
#include <opencv2/imgproc.hpp>

#include "datasets/images/resize.h"

namespace datasets {
namespace {

cv::Rect InTheMiddle(cv::Size part, cv::Size whole) {
  return {(whole.width - part.width) / 2, (whole.height - part.height) / 2, part.width,
          part.height};
}

cv::Mat Framed(const cv::Mat& resized, const cv::Rect& at, int size, uint8_t outside) {
  if (resized.rows == size && resized.cols == size) return resized;
  cv::Mat framed(size, size, resized.type(), cv::Scalar::all(outside));
  resized.copyTo(framed(at));
  return framed;
}

}  // namespace

Placing PlacingOf(cv::Size image, int size, Fit fit) {
  const cv::Size square(size, size);
  if (fit == Fit::kCrop) {
    const int side = std::min(image.width, image.height);
    return {InTheMiddle({side, side}, image), cv::Rect({}, square)};
  }
  if (fit == Fit::kStretch) return {cv::Rect({}, image), cv::Rect({}, square)};
  const int64_t longer = std::max(image.width, image.height);
  const auto scaled = [&](int64_t side) {
    return static_cast<int>(std::max<int64_t>(1, (2 * side * size + longer) / (2 * longer)));
  };
  return {cv::Rect({}, image), InTheMiddle({scaled(image.width), scaled(image.height)}, square)};
}

cv::Mat FitImage(const cv::Mat& image, int size, Fit fit) {
  const auto [from, to] = PlacingOf(image.size(), size, fit);
  return Framed(ResizeBilinear(image(from), to.size()), to, size, 0);
}

cv::Mat FitMask(const cv::Mat& mask, int size, Fit fit, uint8_t outside) {
  const auto [from, to] = PlacingOf(mask.size(), size, fit);
  cv::Mat resized;
  // The centers of pixels lie where the image's do.
  cv::resize(mask(from), resized, to.size(), 0, 0, cv::INTER_NEAREST_EXACT);
  return Framed(resized, to, size, outside);
}

}  // namespace datasets
