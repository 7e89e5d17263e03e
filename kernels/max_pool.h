// The maximum over 2x2 of dense maps [images, height, width, channels] of float32; a last row or
// column that has no partner is left out. Sizes are halved, rounding down.
#ifndef KERNELS_MAX_POOL_H_
#define KERNELS_MAX_POOL_H_

#include <cstdint>

namespace kernels {

struct MapShape {
  int64_t images, height, width, channels;
};

// Rows [begin, end) of y, those of all images counted through. NaN wins.
void MaxPool(const MapShape& shape, const float* x, float* y, int64_t begin, int64_t end);

// The gradient of x from that of y: each goes to the first of the four that is the maximum, the
// others get 0. To the rows of x that rows [begin, end) of y are from; of an image's last one what
// was left out too.
void MaxPoolGradient(const MapShape& shape, const float* x, const float* y, const float* dy,
                     float* dx, int64_t begin, int64_t end);

}  // namespace kernels

#endif  // KERNELS_MAX_POOL_H_
