// Tensors as pictures that people look at.
#ifndef PIPELINE_PICTURES_H_
#define PIPELINE_PICTURES_H_

#include <ATen/core/Tensor.h>

#include <string>

#include "absl/status/statusor.h"
#include "pipeline/gallery.h"

namespace pipeline {

// Class masks in colors: int64 [N, H, W] -> uint8 [N, 3, H, W]. Class 0 is black, the next seven
// are those that Okabe and Ito chose to be told apart by the colorblind, then they come again; what
// is below 0 is gray.
at::Tensor ColoredMasks(const at::Tensor& masks);

// Of a uint8 image [C, H, W] (its first channel, unless there are 3) for a page: [3, 160, 160].
at::Tensor Thumbnail(const at::Tensor& image);

// A file of a uint8 picture [C, H, W] of 1 or 3 (RGB) channels.
absl::StatusOr<std::string> EncodePng(const at::Tensor& picture);
absl::StatusOr<std::string> EncodeJpeg(const at::Tensor& picture, int quality);
// The same for a page.
absl::StatusOr<Picture> ToPicture(const at::Tensor& picture, std::string caption, std::string alt);

}  // namespace pipeline

#endif  // PIPELINE_PICTURES_H_
