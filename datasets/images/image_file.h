// Image files, distrusted until decoded.
#ifndef DATASETS_IMAGES_IMAGE_FILE_H_
#define DATASETS_IMAGES_IMAGE_FILE_H_

#include <cstdint>
#include <exception>
#include <opencv2/core/mat.hpp>
#include <opencv2/core/types.hpp>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "datasets/images/fit.h"

namespace datasets {

// Whether the name ends like an image's: .jpg .jpeg .jpe .jfif .png .bmp .dib .tif .tiff .webp .jp2
// .j2k .ppm .pgm .pbm .pnm, in any case; .gif too, so that such files are named, not passed over.
bool HasImageName(const std::string& path);

// Whether the file begins like an image of at most `max_pixels` and is not cut short, without
// decoding it. Errors name the file and say why: "PATH: why", or "cannot read PATH: why".
absl::Status CheckImageHeader(const std::string& path, int64_t max_pixels);

// The bytes of a file that passes that check.
absl::StatusOr<std::string> ReadImageBytes(const std::string& path, int64_t max_pixels);

// What an exception means that came up while a file was decoded: damage, or too little memory.
absl::Status WhenDecoded(const std::string& path, const std::exception& error);

// Width and height that the file decodes to, as its header tells.
// Errors name the file and say why.
absl::StatusOr<cv::Size> ImageSize(const std::string& path, int64_t max_pixels);

enum class Channels {
  kColor,   // 8 bits; 3, blue first, or 1 where a JPEG is gray
  kGray,    // 8 bits; 1, of a JPEG its luminance
  kStored,  // as many bits and channels as there are, blue first, alpha last
};

// The pixels of a file that ReadImageBytes gave, turned as ImageHeader::orientation says. Errors
// say why, without the path; damage that costs pixels is one.
absl::StatusOr<cv::Mat> DecodeImage(absl::string_view bytes, Channels channels);

// What of an image is wanted.
struct ImageView {
  int size = 0;             // of the sides of the square that it becomes
  cv::Rect tile;            // the part of the image; empty means the whole
  bool color = true;        // false: nobody looks at colors, so red, green and blue may be equal
  Fit fit = Fit::kStretch;  // how what is not square becomes so
};

// 8-bit RGB of size x size: turned by its orientation, 16-bit scaled down, gray repeated, alpha
// dropped, made square by FitImage. Errors name the file and say why.
//
// A JPEG whose sides are at least 6, 12 or 24 times as large as what they become is decoded at a
// half, a quarter or an eighth of its size, which takes less time. So what ResizeBilinear gets is
// at least 3 times as large as what it makes, and the result hardly differs from that of the whole
// image: on the five JPEG folders of our real images by 0.2 to 0.4 gray levels on average (1.2 in
// the worst image), by 7 in one of 1,000 values, and by 17 at most. (From twice as large on it
// would be 0.9, 9 and 23.) Sides that the factor does not divide, and tiles, are not reduced.
//
// Without color a JPEG is read by its luminance alone, in half the time. On the same folders that
// differs from the gray of the color image by 0.2 gray levels on average and by 1 at most; it can
// differ by more where the stored colors lie outside RGB and are clamped.
//
// `whole`, if given, becomes the size of the image that the file shows.
absl::StatusOr<cv::Mat> ReadImage(const std::string& path, int64_t max_pixels,
                                  const ImageView& view, cv::Size* whole = nullptr);

// The same image as it is: 8-bit RGB.
absl::StatusOr<cv::Mat> ReadWholeImage(const std::string& path, int64_t max_pixels);

}  // namespace datasets

#endif  // DATASETS_IMAGES_IMAGE_FILE_H_
