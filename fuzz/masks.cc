// Masks: of colors and indices, and of black and white.
#include <opencv2/core.hpp>

#include "datasets/dataset.h"
#include "datasets/masks/mask_file.h"
#include "datasets/masks/mask_runs.h"
#include "fuzz/target.h"

namespace fuzz {
namespace {

constexpr int64_t kMaxPixels = 1 << 14;

void Check(const absl::StatusOr<datasets::Mask>& mask, const std::string& path, int classes) {
  RequireReason(mask.status(), path);
  if (!mask.ok()) return;
  const cv::Mat& pixels = mask->classes;
  Require(pixels.type() == CV_8UC1 && static_cast<int64_t>(pixels.total()) <= kMaxPixels,
          "a mask has at most max_pixels");
  const cv::Mat sane = (pixels < classes) | (pixels == datasets::kIgnoredMask);
  Require(cv::countNonZero(sane) == static_cast<int>(pixels.total()), "a mask is of its classes");
  Require(mask->stray >= 0 && mask->stray <= static_cast<int64_t>(pixels.total()), "stray pixels");
  const cv::Rect part(pixels.cols / 3, pixels.rows / 3, pixels.cols / 2, pixels.rows / 2);
  const datasets::MaskRuns runs(pixels);
  Require(part.empty() || cv::countNonZero(runs.Part(part) != pixels(part)) == 0,
          "runs are the mask again");
}

void Run(absl::string_view bytes) {
  const InputFile file(bytes);
  Check(datasets::ReadBinaryMask(file.path(), kMaxPixels), file.path(), 2);
  const std::vector<datasets::MaskColor> table = {
      {0, 0, 0, 0}, {255, 255, 0, 1}, {0, 0, 255, 2}, {255, 255, 255, datasets::kIgnoredMask}};
  Check(datasets::ReadColorMask(file.path(), table, kMaxPixels), file.path(), 3);
}

const Target kTarget("masks", Run);

}  // namespace
}  // namespace fuzz
