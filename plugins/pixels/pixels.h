// What stages do to the pixels of a batch: gray, motion and jitter, scaling.
//
// Each function runs as loops of our own where the images are in memory, one pass over an image
// that stays in the cache, and by tensor operators elsewhere. The form by operators can be called
// by itself, for tests: on the same input the two give the same gray and the same labels, moved
// images that differ by 1 in less than one of 1,000 values (sums in another order round a tie to
// the other side), and scaled ones that differ by 1e-6 of the largest.
#ifndef PLUGINS_PIXELS_PIXELS_H_
#define PLUGINS_PIXELS_PIXELS_H_

#include <ATen/core/Tensor.h>

namespace plugins {

// uint8 [N, 3, H, W], RGB, to uint8 [N, 1, H, W]: (19595 R + 38470 G + 7471 B + 2^15) / 2^16, which
// is Pillow's convert("L") to the last bit, and OpenCV's within 1.
at::Tensor Gray(const at::Tensor& images);
at::Tensor GrayByOperators(const at::Tensor& images);

// What moves an image and changes its colors: a row of numbers, float32 [N, kMotion] in memory.
// The first six are the map [2, 3] from output to input coordinates (x, y), both in [-1, 1] from
// edge to edge; then the factors of brightness, contrast and saturation.
constexpr int64_t kMotion = 9;

// uint8 [N, C, H, W] to the same: resampled (bilinear; black comes from outside), multiplied by the
// brightness, drawn away from the image's mean by the contrast and, where C > 1, from the mean of
// the channels by the saturation; clamped and rounded to the nearest.
at::Tensor Moved(const at::Tensor& images, const at::Tensor& motion);
at::Tensor MovedByOperators(const at::Tensor& images, const at::Tensor& motion);

// int64 [N, H, W], resampled by the nearest; what comes from outside is kIgnoredLabel.
at::Tensor MovedMasks(const at::Tensor& masks, const at::Tensor& motion);
at::Tensor MovedMasksByOperators(const at::Tensor& masks, const at::Tensor& motion);

// uint8 [N, C, H, W] to float32 of the same memory format: pixel * factor + shift. float32 [C]
// each, in memory or where the images are.
at::Tensor Scaled(const at::Tensor& images, const at::Tensor& factor, const at::Tensor& shift);
at::Tensor ScaledByOperators(const at::Tensor& images, const at::Tensor& factor,
                             const at::Tensor& shift);

}  // namespace plugins

#endif  // PLUGINS_PIXELS_PIXELS_H_
