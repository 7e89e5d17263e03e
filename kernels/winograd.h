// Convolutions of 3x3 with stride 1 and zeros around the maps, in float32, by Winograd's minimal
// filtering F(4x4, 3x3) as Lavin and Gray (2016) have it: 36 products where 4x4 outputs take 144.
//
//   Y = A' [ (G g G') (.) (B' d B) ] A    of each tile d of 6x6 inputs, summed over channels
//
// The products of one of the 36 points are a product of matrices (tiles, channels in, channels
// out), and so are those of the gradients. Rounding differs from that of sums of 9 products: see
// tests/convolution_test.cc for how far. No result depends on the number of threads, and no output
// on which other images there are.
//
// Maps are dense [images, height, width, channels]; weights are [3, 3, in, out].
#ifndef KERNELS_WINOGRAD_H_
#define KERNELS_WINOGRAD_H_

#include <cstdint>
#include <functional>

namespace kernels {

struct ConvolutionShape {
  int64_t images, height, width;
  int64_t in, out;  // channels
};

// Calls `range` for ranges that make up [0, count), on any threads.
using Parallel = std::function<void(int64_t count,
                                    const std::function<void(int64_t begin, int64_t end)>& range)>;

// Whether the functions below take these channels on this processor: multiples of 16, in * out at
// most 2^20, and AVX2 or better.
bool WinogradTakes(int64_t in, int64_t out);

// y = x convolved with `weight`, plus `bias` [out] (nullptr: none).
void WinogradConvolve(const ConvolutionShape& shape, const float* x, const float* weight,
                      const float* bias, float* y, const Parallel& parallel);

// The gradient of the weights from that of y: summed over images and pixels.
void WinogradWeightGradient(const ConvolutionShape& shape, const float* x, const float* dy,
                            float* weight, const Parallel& parallel);

}  // namespace kernels

#endif  // KERNELS_WINOGRAD_H_
