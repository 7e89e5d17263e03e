// One class at a time, so that a large image needs little memory.
#include "pipeline/prediction/mask_files.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/full.h>
#include <ATen/ops/where.h>

#include <filesystem>
#include <opencv2/core.hpp>
#include <opencv2/imgproc.hpp>

#include "absl/strings/str_cat.h"
#include "pipeline/files.h"
#include "pipeline/pictures.h"

namespace pipeline {
namespace {

constexpr int kQuality = 90;

cv::Rect RectOf(const OutsideImage::Part& part) {
  return {static_cast<int>(part.x), static_cast<int>(part.y), static_cast<int>(part.width),
          static_cast<int>(part.height)};
}

}  // namespace

at::Tensor MaskOf(const at::Tensor& probabilities, const OutsideImage& image) {
  const at::Tensor values = probabilities.to(at::kFloat).contiguous();
  const auto side = static_cast<int>(values.size(1));
  at::Tensor mask = at::full({image.height, image.width}, kUnseen, at::kByte);
  const cv::Mat whole(static_cast<int>(image.height), static_cast<int>(image.width), CV_8UC1,
                      mask.data_ptr());
  const cv::Rect seen = RectOf(image.from);
  cv::Mat best, resized;
  for (int64_t c = 0; c < values.size(0); ++c) {
    const cv::Mat plane(side, side, CV_32FC1, values.data_ptr<float>() + c * side * side);
    cv::resize(plane(RectOf(image.to)), resized, seen.size(), 0, 0, cv::INTER_LINEAR);
    const cv::Mat likelier = c == 0 ? cv::Mat(resized == resized) : cv::Mat(resized > best);
    whole(seen).setTo(static_cast<double>(c), likelier);
    if (c == 0) {
      best = resized.clone();
    } else {
      cv::max(best, resized, best);
    }
  }
  return mask;
}

absl::StatusOr<std::string> MaskFiles::Write(const std::string& path, const at::Tensor& mask,
                                             const at::Tensor& whole) {
  const std::string stem = std::filesystem::path(path).stem().string();
  std::string name = stem;
  for (int again = 2; !names_.insert(name).second; ++again) name = absl::StrCat(stem, "-", again);
  const std::string file = absl::StrCat(folder_, "/", name, ".png");
  const at::Tensor seen = mask != kUnseen;
  // Background and what was not seen stay as they are.
  const at::Tensor classes = at::where(seen, mask.to(at::kLong), at::full({}, 0, at::kLong));
  const at::Tensor colors = ColoredMasks(classes.unsqueeze(0))[0];
  const at::Tensor blended =
      (whole.to(at::kFloat) * 0.5 + colors.to(at::kFloat) * 0.5).to(at::kByte);
  const at::Tensor overlay = at::where(classes.unsqueeze(0) > 0, blended, whole);
  const absl::StatusOr<std::string> png = EncodePng(mask.unsqueeze(0));
  const absl::StatusOr<std::string> jpeg = EncodeJpeg(overlay, kQuality);
  if (!png.ok()) return png.status();
  if (!jpeg.ok()) return jpeg.status();
  absl::Status written = MakeFolders(folder_);
  if (written.ok()) written = WriteFileAtomically(file, *png);
  if (written.ok()) {
    written = WriteFileAtomically(absl::StrCat(folder_, "/", name, "_overlay.jpg"), *jpeg);
  }
  if (!written.ok()) return written;
  return file;
}

}  // namespace pipeline
