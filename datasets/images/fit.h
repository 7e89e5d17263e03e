// How images and masks of any shape become square.
#ifndef DATASETS_IMAGES_FIT_H_
#define DATASETS_IMAGES_FIT_H_

#include <cstdint>
#include <opencv2/core/mat.hpp>
#include <opencv2/core/types.hpp>

namespace datasets {

enum class Fit {
  kStretch,    // the whole, its proportions lost
  kLetterbox,  // the whole in its proportions, between two bands of equal width
  kCrop,       // the largest square in the middle
};

// The part of an image that is seen, and where in the square.
struct Placing {
  cv::Rect from, to;
};
Placing PlacingOf(cv::Size image, int size, Fit fit);

// An 8-bit image of 1 to 4 channels as size x size, by ResizeBilinear. What lies beside it is 0.
//
// Letterboxed, the longer side has `size` pixels and the other one the nearest number, at least 1.
// Where no middle is, what is over lies on the right or below: a band one pixel wider, or a pixel
// more cut off.
cv::Mat FitImage(const cv::Mat& image, int size, Fit fit);

// The 8-bit mask of such an image likewise: each pixel is the one that lies there in the image, and
// what lies beside it is `outside`.
cv::Mat FitMask(const cv::Mat& mask, int size, Fit fit, uint8_t outside);

}  // namespace datasets

#endif  // DATASETS_IMAGES_FIT_H_
