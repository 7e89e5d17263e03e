// Loops over channels, which lie side by side.
#include "kernels/max_pool.h"

#include <algorithm>

#include "kernels/simd.h"

namespace kernels {
namespace {

SIMD inline float Max(float a, float b) { return Select(b > a || b != b, b, a); }

// Puts `left` here or 0, and returns what is left.
SIMD inline float Place(bool here, float left, float* to) {
  *to = Select(here, left, 0);
  return Select(here, 0, left);
}

// Where the four pixels of a row's first maximum are.
struct Rows {
  SIMD Rows(const MapShape& shape, int64_t row) {
    const int64_t rows = shape.height / 2;
    top = ((row / rows * shape.height) + row % rows * 2) * shape.width * shape.channels;
    bottom = top + shape.width * shape.channels;
    out = row * (shape.width / 2) * shape.channels;
    last = row % rows == rows - 1;
  }
  int64_t top, bottom, out;
  bool last;  // of its image
};

}  // namespace

void MaxPool(const MapShape& shape, const float* x, float* y, int64_t begin, int64_t end) {
  Vectorized([&]() SIMD {
    const MapShape s = shape;
    for (int64_t row = begin; row < end; ++row) {
      const Rows rows(s, row);
      for (int64_t j = 0; j < s.width / 2; ++j) {
        const float* top = x + rows.top + j * 2 * s.channels;
        const float* bottom = x + rows.bottom + j * 2 * s.channels;
        float* out = y + rows.out + j * s.channels;
        const int64_t channels = s.channels;
#pragma GCC ivdep
        for (int64_t c = 0; c < channels; ++c) {
          out[c] = Max(Max(Max(top[c], top[channels + c]), bottom[c]), bottom[channels + c]);
        }
      }
    }
  });
}

void MaxPoolGradient(const MapShape& shape, const float* x, const float* y, const float* dy,
                     float* dx, int64_t begin, int64_t end) {
  Vectorized([&]() SIMD {
    const MapShape s = shape;
    const int64_t channels = s.channels, pairs = s.width / 2;
    for (int64_t row = begin; row < end; ++row) {
      const Rows rows(s, row);
      for (int64_t j = 0; j < pairs; ++j) {
        const int64_t top = rows.top + j * 2 * channels, bottom = rows.bottom + j * 2 * channels;
        const float* largest = y + rows.out + j * channels;
        const float* incoming = dy + rows.out + j * channels;
        const float *x0 = x + top, *x1 = x0 + channels, *x2 = x + bottom, *x3 = x2 + channels;
        float *dx0 = dx + top, *dx1 = dx0 + channels, *dx2 = dx + bottom, *dx3 = dx2 + channels;
        // None of these overlap.
#pragma GCC ivdep
        for (int64_t c = 0; c < channels; ++c) {
          const float maximum = largest[c];
          float left = incoming[c];  // until it has found its place
          left = Place(x0[c] == maximum, left, dx0 + c);
          left = Place(x1[c] == maximum, left, dx1 + c);
          left = Place(x2[c] == maximum, left, dx2 + c);
          Place(x3[c] == maximum, left, dx3 + c);
        }
      }
      if (s.width % 2 != 0) {
        std::fill_n(dx + rows.top + pairs * 2 * channels, channels, 0.0F);
        std::fill_n(dx + rows.bottom + pairs * 2 * channels, channels, 0.0F);
      }
      if (rows.last && s.height % 2 != 0) {
        std::fill_n(dx + rows.bottom + s.width * channels, s.width * channels, 0.0F);
      }
    }
  });
}

}  // namespace kernels
