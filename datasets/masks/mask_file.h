// Mask files, distrusted until decoded.
#ifndef DATASETS_MASKS_MASK_FILE_H_
#define DATASETS_MASKS_MASK_FILE_H_

#include <cstdint>
#include <opencv2/core/mat.hpp>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace datasets {

struct Mask {
  // What the values of a mask of two classes were.
  enum class Values {
    kOther,
    kBlackAndWhite,  // the largest, 255 or 65535, alone or beside 0
    kWithIgnored,    // 0 and 1, and the largest for what is ignored
  };
  cv::Mat classes;    // 8-bit, as large as the file: the class of each pixel, or kIgnoredMask
  int64_t stray = 0;  // ignored pixels that mean nothing: of a color in no table, or transparent
  Values values = Values::kOther;
};

// What a color of a mask means.
struct MaskColor {
  uint8_t red = 0, green = 0, blue = 0;
  uint8_t meaning = 0;  // a class, or kIgnoredMask
};

// A color belongs to the table's nearest if no channel differs by more: JPEG leaves fewer than 2 %
// of a land-cover mask farther away, and the colors between two classes that smoothing leaves on an
// edge are mostly farther away from both (tables of corners of the color cube, 255 apart).
constexpr int kColorTolerance = 48;

// A mask of classes that `table` lists. Read are 8 and 16 bits, palettes, gray (as a color of equal
// channels), and masks of indices: of one channel and not JPEG, whose values are all indices into
// `table` or 255 (ignored), at least one of them in between (0 and 255 alone are black and white).
// Pixels of other colors, and transparent ones, are ignored and counted.
//
// Errors name the file and say why: what ReadImage refuses, samples that are no integers of 8 or 16
// bits, and masks of which most pixels are of no color in the table. Exchanged channels cannot be
// noticed where they give colors of the table.
absl::StatusOr<Mask> ReadColorMask(const std::string& path, const std::vector<MaskColor>& table,
                                   int64_t max_pixels);

// A mask of 0 (nothing) and 1 (the thing). What counts is a pixel's brightest channel. In a file
// whose values are all 0 or 1, 1 is the thing; where both are there, and the largest value (255, or
// 65535 of 16 bits) beside them but no other, that one is ignored. In any other file values of at
// least half the range are the thing: 128, or 32768 where 16 bits hold values above 255. JPEG and
// WebP, which blur values, are always of this last kind: values of at most 16 are noise there.
// Transparent pixels are ignored and counted.
//
// Errors name the file and say why: what ReadImage refuses, samples that are no integers of 8 or 16
// bits, values that all lie below half the range although they are not 0, 1 or noise, and 1 and
// 255 alone, either of which may be the thing. An inverted mask cannot be noticed.
absl::StatusOr<Mask> ReadBinaryMask(const std::string& path, int64_t max_pixels);

// An error that names both sizes, unless the mask is as large as the image that it belongs to. Fine
// where that image has no size: reading it will say why.
absl::Status CheckMaskSize(const std::string& mask_path, cv::Size mask,
                           const std::string& image_path, int64_t max_pixels);

}  // namespace datasets

#endif  // DATASETS_MASKS_MASK_FILE_H_
