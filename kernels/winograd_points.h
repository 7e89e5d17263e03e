// Winograd's F(4x4, 3x3) of one tile or weight: from values to 6x6 points and back, and the
// adjoints.
#ifndef KERNELS_WINOGRAD_POINTS_H_
#define KERNELS_WINOGRAD_POINTS_H_

#include <cstdint>

#include "kernels/packets.h"
#include "kernels/simd.h"

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)

namespace kernels {

constexpr int kPoints = 36;

// The points 0, +-kA, +-kB and infinity. Of those that floats hold exactly these lose the fewest
// digits: errors are twice those of a plain sum, where 0, +-1, +-2 have four times.
constexpr float kA = 0.625F, kB = 1.5F;
constexpr float kA2 = kA * kA, kB2 = kB * kB;

// B' d: 6 values to 6 points; the coefficients of M(x) / (x - point), M the product of all x -
// point.
template <class V>
SIMD inline void ToPoints(const V (&d)[6], V (&p)[6]) {
  const V even = d[4] - kB2 * d[2], odd = kA * (d[3] - kB2 * d[1]);
  const V even2 = d[4] - kA2 * d[2], odd2 = kB * (d[3] - kA2 * d[1]);
  p[0] = kA2 * kB2 * d[0] - (kA2 + kB2) * d[2] + d[4];
  p[1] = even + odd;
  p[2] = even - odd;
  p[3] = even2 + odd2;
  p[4] = even2 - odd2;
  p[5] = kA2 * kB2 * d[1] - (kA2 + kB2) * d[3] + d[5];
}

// A' m: 6 points to 4 outputs; the powers of the points.
template <class V>
SIMD inline void ToOutputs(const V (&m)[6], V (&y)[4]) {
  const V sum = m[1] + m[2], difference = kA * (m[1] - m[2]);
  const V sum2 = m[3] + m[4], difference2 = kB * (m[3] - m[4]);
  y[0] = m[0] + sum + sum2;
  y[1] = difference + difference2;
  y[2] = kA2 * sum + kB2 * sum2;
  y[3] = kA2 * difference + kB2 * difference2 + m[5];
}

// A dy: the adjoint of ToOutputs.
template <class V>
SIMD inline void FromOutputs(const V (&y)[4], V (&m)[6]) {
  const V even = y[0] + kA2 * y[2], odd = kA * (y[1] + kA2 * y[3]);
  const V even2 = y[0] + kB2 * y[2], odd2 = kB * (y[1] + kB2 * y[3]);
  m[0] = y[0];
  m[1] = even + odd;
  m[2] = even - odd;
  m[3] = even2 + odd2;
  m[4] = even2 - odd2;
  m[5] = y[3];
}

// What a point's product is divided by: the product of its distances from the others.
constexpr float kOf0 = 1 / (kA2 * kB2);
constexpr float kOfA = 1 / (2 * kA2 * (kA2 - kB2)), kOfB = 1 / (2 * kB2 * (kB2 - kA2));

// G g: 3 weights to 6 points; the powers of the points, divided.
template <class V>
SIMD inline void WeightToPoints(const V (&g)[3], V (&p)[6]) {
  const V even = kOfA * (g[0] + kA2 * g[2]), odd = kOfA * kA * g[1];
  const V even2 = kOfB * (g[0] + kB2 * g[2]), odd2 = kOfB * kB * g[1];
  p[0] = kOf0 * g[0];
  p[1] = even + odd;
  p[2] = even - odd;
  p[3] = even2 + odd2;
  p[4] = even2 - odd2;
  p[5] = g[2];
}

// G' u: the adjoint of WeightToPoints.
template <class V>
SIMD inline void WeightFromPoints(const V (&p)[6], V (&g)[3]) {
  const V sum = kOfA * (p[1] + p[2]), sum2 = kOfB * (p[3] + p[4]);
  g[0] = kOf0 * p[0] + sum + sum2;
  g[1] = kOfA * kA * (p[1] - p[2]) + kOfB * kB * (p[3] - p[4]);
  g[2] = kA2 * sum + kB2 * sum2 + p[5];
}

// Transforms the columns and then the rows of kFrom x kFrom values.
template <int kFrom, int kTo, class V, class Transform>
SIMD inline void InBothDirections(const V (&from)[kFrom][kFrom], V (&to)[kTo][kTo],
                                  const Transform& transform) {
  V halfway[kTo][kFrom];
  for (int j = 0; j < kFrom; ++j) {
    V column[kFrom], transformed[kTo];
    for (int i = 0; i < kFrom; ++i) column[i] = from[i][j];
    transform(column, transformed);
    for (int i = 0; i < kTo; ++i) halfway[i][j] = transformed[i];
  }
  for (int i = 0; i < kTo; ++i) transform(halfway[i], to[i]);
}

// The points of a tile or of a weight, `stride` apart in memory.
template <class V>
SIMD inline void LoadPoints(const float* from, int64_t stride, V (&points)[6][6]) {
  for (int p = 0; p < kPoints; ++p) points[p / 6][p % 6] = Load<V>(from + p * stride);
}
template <class V>
SIMD inline void StorePoints(const V (&points)[6][6], float* to, int64_t stride) {
  for (int p = 0; p < kPoints; ++p) Store(points[p / 6][p % 6], to + p * stride);
}

}  // namespace kernels

#endif

#endif  // KERNELS_WINOGRAD_POINTS_H_
