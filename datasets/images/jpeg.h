// JPEG by libjpeg-turbo itself, for what OpenCV's interface to it cannot ask for.
#ifndef DATASETS_IMAGES_JPEG_H_
#define DATASETS_IMAGES_JPEG_H_

#include <cstddef>
#include <opencv2/core/mat.hpp>
#include <opencv2/core/types.hpp>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace datasets {

struct JpegHeader {
  int width = 0, height = 0;  // as stored
  std::string exif;           // what the first EXIF segment holds, a TIFF; "" where there is none
  size_t scan = 0;            // where the pixels begin
};

// What a file tells before its pixels, as far as they begin in `bytes`. Errors say why.
absl::StatusOr<JpegHeader> ReadJpegHeader(absl::string_view bytes);

struct JpegDecoding {
  int reduction = 1;  // 1, 2, 4 or 8: the factor by which both sides get smaller, rounded up
  bool gray = false;  // the luminance alone, which is stored by itself
  cv::Rect part;      // of the image as it is stored, not reduced; empty means the whole
};

// 8 bits as stored (not turned by EXIF orientation): [H, W, 3] with blue first, or [H, W] where
// gray is asked for or the file is gray. The pixels are those of cv::imdecode, in less time: a part
// costs no transforms outside it and nothing at all below it. CMYK is taken for Adobe's, which is
// inverted, as by OpenCV and Pillow; its gray is that of the colors.
//
// Damage that costs pixels is an error, where OpenCV and Pillow make up the rest of the image; so
// are more than 500 scans, each of which takes time anew for few bytes. Errors say why.
absl::StatusOr<cv::Mat> DecodeJpeg(absl::string_view bytes, const JpegDecoding& how);

}  // namespace datasets

#endif  // DATASETS_IMAGES_JPEG_H_
