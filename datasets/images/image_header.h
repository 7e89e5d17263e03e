// What an image file says of itself before anything is decoded.
#ifndef DATASETS_IMAGES_IMAGE_HEADER_H_
#define DATASETS_IMAGES_IMAGE_HEADER_H_

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"

namespace datasets {

struct ImageHeader {
  int64_t width = 0, height = 0;  // as stored
  // 1 (as stored) to 8: how the image is to be turned, by the EXIF data of a JPEG, PNG or WebP and
  // the tag of a TIFF. From 5 on rows become columns.
  int orientation = 1;
  int bits = 8;  // of a sample: 8, or less; 16, or between
};

// What the first bytes of a file say it is instead of an image of a format that is read here; ""
// where it begins like one.
std::string NoImage(absl::string_view head);

// What is wrong with a file of `head` (its first 256 KiB, of a TIFF the whole) and `tail` (its last
// bytes, or all that follow AfterHeaders), or "": then `*header` is what decoders will find.
std::string ReadImageHeader(absl::string_view head, absl::string_view tail, ImageHeader* header);

bool IsJpeg(absl::string_view bytes);
bool IsPng(absl::string_view bytes);
bool IsTiff(absl::string_view bytes);
// Whether values may have been blurred to take less room: JPEG, JPEG 2000, WebP.
bool IsLossy(absl::string_view bytes);

// What is wrong with the chunks of a whole PNG that an image cannot do without, or "". libpng would
// say it on stderr, without the file's name.
std::string PngDamage(absl::string_view bytes);

// What follows the headers of a whole file; they may hold a preview that has an end of its own. All
// of it where they cannot be read.
absl::string_view AfterHeaders(absl::string_view bytes);

}  // namespace datasets

#endif  // DATASETS_IMAGES_IMAGE_HEADER_H_
