// Image files of all formats, from their headers to a square of pixels.
#include <opencv2/core.hpp>

#include "datasets/images/image_file.h"
#include "fuzz/target.h"

namespace fuzz {
namespace {

constexpr int64_t kMaxPixels = 1 << 14;

void Read(const std::string& path, const datasets::ImageView& view) {
  const auto image = datasets::ReadImage(path, kMaxPixels, view);
  RequireReason(image.status(), path);
  if (!image.ok()) return;
  Require(image->type() == CV_8UC3 && image->size() == cv::Size(view.size, view.size),
          "an image becomes a square of RGB");
}

void Run(absl::string_view bytes) {
  const InputFile file(bytes);
  RequireReason(datasets::CheckImageHeader(file.path(), kMaxPixels), file.path());
  const auto size = datasets::ImageSize(file.path(), kMaxPixels);
  RequireReason(size.status(), file.path());
  if (!size.ok()) return;
  Require(size->area() > 0 && size->area() <= kMaxPixels, "an image has at most max_pixels");
  // One of the ways to decode each input, so that many are tried.
  constexpr datasets::Channels kChannels[] = {datasets::Channels::kColor, datasets::Channels::kGray,
                                              datasets::Channels::kStored};
  const auto image = datasets::DecodeImage(bytes, kChannels[bytes.size() % 3]);
  Require(!image.ok() || image->size() == *size, "an image is as large as its header says");
  const datasets::ImageView views[] = {{5, {}, true, datasets::Fit::kStretch},
                                       {16, {}, false, datasets::Fit::kLetterbox},
                                       {3, {}, true, datasets::Fit::kCrop},
                                       {8, cv::Rect(1, 2, 9, 5), true, datasets::Fit::kStretch}};
  Read(file.path(), views[bytes.size() % 4]);
}

const Target kTarget("images", Run);

}  // namespace
}  // namespace fuzz
