// Runs row by row, so that a part finds its own without those above it.
#include "datasets/masks/mask_runs.h"

#include <algorithm>
#include <opencv2/core.hpp>

namespace datasets {

MaskRuns::MaskRuns(const cv::Mat& classes) : size_(classes.size()) {
  CV_Assert(classes.type() == CV_8UC1 && !classes.empty());
  for (int y = 0; y < classes.rows; ++y) {
    rows_.push_back(ends_.size());
    const auto* const row = classes.ptr<uint8_t>(y);
    const auto* const end = row + classes.cols;
    for (const auto* run = row; run < end;) {
      const auto* const next =
          std::find_if(run, end, [run](uint8_t value) { return value != *run; });
      ends_.push_back(static_cast<int32_t>(next - row));
      values_.push_back(*run);
      run = next;
    }
  }
  rows_.push_back(ends_.size());
  ends_.shrink_to_fit();
  values_.shrink_to_fit();
}

size_t MaskRuns::bytes() const {
  return rows_.size() * sizeof(rows_[0]) + ends_.size() * (sizeof(ends_[0]) + sizeof(values_[0]));
}

cv::Mat MaskRuns::Part(const cv::Rect& part) const {
  CV_Assert((part & cv::Rect({}, size_)) == part);
  cv::Mat pixels(part.size(), CV_8UC1);
  for (int y = 0; y < part.height; ++y) {
    const auto first = ends_.begin() + static_cast<std::ptrdiff_t>(rows_[part.y + y]);
    const auto last = ends_.begin() + static_cast<std::ptrdiff_t>(rows_[part.y + y + 1]);
    auto run = std::upper_bound(first, last, part.x);
    auto* const row = pixels.ptr<uint8_t>(y);
    for (int x = 0; x < part.width; ++run) {
      const int end = std::min(part.width, *run - part.x);
      std::fill(row + x, row + end, values_[run - ends_.begin()]);
      x = end;
    }
  }
  return pixels;
}

}  // namespace datasets
