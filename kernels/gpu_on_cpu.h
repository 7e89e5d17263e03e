// Lets a test compile a kernel's source (.cu) for the processor, where one block of one thread runs
// at a time: include this and then the source, within a namespace.
#ifndef KERNELS_GPU_ON_CPU_H_
#define KERNELS_GPU_ON_CPU_H_

#include <cmath>
#include <cstring>

#define __device__
#define __global__
#define __grid_constant__
#define __noinline__
#define __restrict__
#define SHARED_FLOATS(name) static float name[1 << 16]

struct OneDimension {
  unsigned x;
};
constexpr OneDimension threadIdx = {0}, blockDim = {1};
// The block that a kernel is run as, and of how many; extern "C", so that a test can set them in a
// library.
extern "C" {
inline unsigned block_of_kernel = 0, blocks_of_kernel = 1;
}
#define blockIdx (OneDimension{block_of_kernel})
#define gridDim (OneDimension{blocks_of_kernel})

inline void __syncthreads() {}

inline double BlockSum(double value) { return value; }

inline float __uint_as_float(unsigned bits) {
  float x;
  std::memcpy(&x, &bits, sizeof(x));
  return x;
}

inline unsigned __float_as_uint(float x) {
  unsigned bits;
  std::memcpy(&bits, &x, sizeof(bits));
  return bits;
}

inline float HalfToFloat(unsigned short bits) {
  _Float16 x;
  std::memcpy(&x, &bits, sizeof(x));
  return static_cast<float>(x);
}

inline unsigned short FloatToHalf(float wide) {
  const auto x = static_cast<_Float16>(wide);
  unsigned short bits;
  std::memcpy(&bits, &x, sizeof(bits));
  return bits;
}

#endif  // KERNELS_GPU_ON_CPU_H_
