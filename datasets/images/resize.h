// Resizing as Python users know it: Pillow's BILINEAR, to the last bit.
#ifndef DATASETS_IMAGES_RESIZE_H_
#define DATASETS_IMAGES_RESIZE_H_

#include <opencv2/core/mat.hpp>

namespace datasets {

// Resizes an 8-bit image of 1 to 4 channels to `size` with a triangle filter, which is as wide as
// the shrinking asks for: antialiased, unlike OpenCV's INTER_LINEAR, and smoother than its
// INTER_AREA. Equals PIL.Image.resize(size, BILINEAR) and torchvision's Resize on PIL images, so
// weights that were trained there see the same pixels here. (Pillow 13 shrinks some images that are
// higher than wide down their columns first; the rounding between the passes then differs, by 1.)
cv::Mat ResizeBilinear(const cv::Mat& image, cv::Size size);

}  // namespace datasets

#endif  // DATASETS_IMAGES_RESIZE_H_
