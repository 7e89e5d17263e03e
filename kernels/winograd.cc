// Tiles to 36 points and back, and products of matrices between.
#include "kernels/winograd.h"

#include <algorithm>
#include <memory>

#include "kernels/packets.h"
#include "kernels/simd.h"
#include "kernels/winograd_points.h"

namespace kernels {

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)

namespace {

constexpr int64_t kChannels = 16;              // a multiple of it are the channels
constexpr int64_t kMostWeights = 1024 * 1024;  // of which there are 36 points in memory
// Rows of the points' matrices would share the few places of a cache that powers of two map to.
constexpr int64_t kPadding = 16;

using Buffer = std::unique_ptr<float[]>;
Buffer Allocate(int64_t count) { return std::make_unique_for_overwrite<float[]>(count); }

// How tiles lie in the maps: 4x4 outputs each, in rows, image by image.
struct Tiling {
  explicit Tiling(const ConvolutionShape& shape)
      : height(shape.height),
        width(shape.width),
        rows((shape.height + 3) / 4),
        columns((shape.width + 3) / 4),
        count(shape.images * rows * columns) {}

  struct Place {
    int64_t image, top, left;  // of the first output
    int64_t rows, columns;     // of outputs that are in the image
    int64_t pixel;             // the first, those of all images counted through
  };
  SIMD inline Place At(int64_t tile) const {
    const int64_t row = tile / columns;
    const int64_t image = row / rows, top = row % rows * 4, left = tile % columns * 4;
    return {image,
            top,
            left,
            std::min<int64_t>(4, height - top),
            std::min<int64_t>(4, width - left),
            (image * height + top) * width + left};
  }

  int64_t height, width, rows, columns, count;
};

// c[r, :] (+)= sum over k of a[r, k] b[k, :], for kRows rows and kPackets packets of columns.
template <int kRows, int kPackets, class V>
SIMD inline void Multiply(int64_t depth, const float* a, int64_t a_row, int64_t a_step,
                          const float* b, int64_t b_step, float* c, int64_t c_row, bool add) {
  constexpr int kLanes = sizeof(V) / sizeof(float);
  V sums[kRows][kPackets];
  for (int r = 0; r < kRows; ++r) {
    for (int j = 0; j < kPackets; ++j) {
      sums[r][j] = add ? Load<V>(c + r * c_row + j * kLanes) : V{};
    }
  }
  for (int64_t k = 0; k < depth; ++k) {
    V row[kPackets];
    for (int j = 0; j < kPackets; ++j) row[j] = Load<V>(b + j * kLanes);
    for (int r = 0; r < kRows; ++r) {
      const V factor = a[r * a_row] - V{};
      for (int j = 0; j < kPackets; ++j) sums[r][j] += factor * row[j];
    }
    a += a_step;
    b += b_step;
  }
  for (int r = 0; r < kRows; ++r) {
    for (int j = 0; j < kPackets; ++j) Store(sums[r][j], c + r * c_row + j * kLanes);
  }
}

// The same for any number of rows. Each row is summed in the same order in all of them.
template <int kPackets, class V>
SIMD inline void MultiplyRows(int64_t rows, int64_t depth, const float* a, int64_t a_row,
                              int64_t a_step, const float* b, int64_t b_step, float* c,
                              int64_t c_row, bool add) {
  int64_t r = 0;
  for (; r + 6 <= rows; r += 6) {
    Multiply<6, kPackets, V>(depth, a + r * a_row, a_row, a_step, b, b_step, c + r * c_row, c_row,
                             add);
  }
  for (; r + 2 <= rows; r += 2) {
    Multiply<2, kPackets, V>(depth, a + r * a_row, a_row, a_step, b, b_step, c + r * c_row, c_row,
                             add);
  }
  if (r < rows) {
    Multiply<1, kPackets, V>(depth, a + r * a_row, a_row, a_step, b, b_step, c + r * c_row, c_row,
                             add);
  }
}

// Calls body(columns from, packets) for panels of two packets, and one where one is left.
template <int kLanes, class Body>
SIMD inline void ForPanels(int64_t columns, const Body& body) {
  int64_t j = 0;
  for (; j + 2 * kLanes <= columns; j += 2 * kLanes) body(j, std::integral_constant<int, 2>());
  if (j < columns) body(j, std::integral_constant<int, 1>());
}

// The weights' points: of each point panels of columns, and in them rows of input channels.
// Input channels [begin, end) are written.
template <int kLanes>
SIMD inline void ExpandWeight(const ConvolutionShape& shape, const float* weight, float* expanded,
                              int64_t begin, int64_t end) {
  using V = Floats<kLanes>;
  const int64_t in = shape.in, out = shape.out;
  for (int64_t i = begin; i < end; ++i) {
    ForPanels<kLanes>(out, [&](int64_t from, auto packets) SIMD {
      for (int64_t j = 0; j < packets; ++j) {
        V g[3][3], u[6][6];
        for (int a = 0; a < 3; ++a) {
          for (int b = 0; b < 3; ++b) {
            g[a][b] = Load<V>(weight + ((a * 3 + b) * in + i) * out + from + j * kLanes);
          }
        }
        InBothDirections(g, u, [](const auto& x, auto& y) SIMD { WeightToPoints<V>(x, y); });
        StorePoints(u, expanded + from * in + (i * packets + j) * kLanes, in * out);
      }
    });
  }
}

// The points of `count` tiles from `first` on: points[p] is [count, channels], `stride` apart.
template <int kLanes>
SIMD inline void InputToPoints(const Tiling& tiling, const float* x, int64_t channels,
                               int64_t first, int64_t count, float* points, int64_t stride) {
  using V = Floats<kLanes>;
  for (int64_t t = 0; t < count; ++t) {
    const auto place = tiling.At(first + t);
    const float* image = x + place.image * tiling.height * tiling.width * channels;
    int64_t offsets[kPoints];  // -1 outside
    for (int p = 0; p < kPoints; ++p) {
      const int64_t i = place.top - 1 + p / 6, j = place.left - 1 + p % 6;
      const bool inside = i >= 0 && i < tiling.height && j >= 0 && j < tiling.width;
      offsets[p] = inside ? (i * tiling.width + j) * channels : -1;
    }
    for (int64_t c = 0; c < channels; c += kLanes) {
      V d[6][6], v[6][6];
      for (int p = 0; p < kPoints; ++p) {
        d[p / 6][p % 6] = offsets[p] < 0 ? V{} : Load<V>(image + offsets[p] + c);
      }
      InBothDirections(d, v, [](const auto& from, auto& to) SIMD { ToPoints<V>(from, to); });
      StorePoints(v, points + t * channels + c, stride);
    }
  }
}

// The same of the outputs' gradient.
template <int kLanes>
SIMD inline void GradientToPoints(const Tiling& tiling, const float* dy, int64_t channels,
                                  int64_t first, int64_t count, float* points, int64_t stride) {
  using V = Floats<kLanes>;
  for (int64_t t = 0; t < count; ++t) {
    const auto place = tiling.At(first + t);
    const float* corner = dy + place.pixel * channels;
    for (int64_t c = 0; c < channels; c += kLanes) {
      V y[4][4], m[6][6];
      for (int i = 0; i < 4; ++i) {
        for (int j = 0; j < 4; ++j) {
          y[i][j] = i < place.rows && j < place.columns
                        ? Load<V>(corner + (i * tiling.width + j) * channels + c)
                        : V{};
        }
      }
      InBothDirections(y, m, [](const auto& from, auto& to) SIMD { FromOutputs<V>(from, to); });
      StorePoints(m, points + t * channels + c, stride);
    }
  }
}

template <int kLanes>
SIMD inline void PointsToOutput(const Tiling& tiling, const float* points, int64_t stride,
                                const float* bias, int64_t channels, int64_t first, int64_t count,
                                float* y) {
  using V = Floats<kLanes>;
  for (int64_t t = 0; t < count; ++t) {
    const auto place = tiling.At(first + t);
    float* corner = y + place.pixel * channels;
    for (int64_t c = 0; c < channels; c += kLanes) {
      V m[6][6], out[4][4];
      LoadPoints(points + t * channels + c, stride, m);
      InBothDirections(m, out, [](const auto& from, auto& to) SIMD { ToOutputs<V>(from, to); });
      const V shift = bias == nullptr ? V{} : Load<V>(bias + c);
      for (int i = 0; i < 4; ++i) {
        for (int j = 0; j < 4; ++j) {
          if (i >= place.rows || j >= place.columns) continue;
          Store(out[i][j] + shift, corner + (i * tiling.width + j) * channels + c);
        }
      }
    }
  }
}

// What stays in a core's own cache, and in the one that cores share.
constexpr int64_t kNearFloats = 96 * 1024, kSharedFloats = 256 * 1024;

// As many tiles as have their points in so many floats; `least` where channels are many, since the
// weights are read once for them all.
int64_t TilesAtATime(const ConvolutionShape& shape, int64_t floats, int64_t least) {
  const int64_t fit = floats / (kPoints * (shape.in + shape.out));
  return std::max(least, fit / 6 * 6);
}

template <int kLanes>
SIMD inline void ConvolveBlock(const ConvolutionShape& shape, const Tiling& tiling, const float* x,
                               const float* expanded, const float* bias, float* y, int64_t first,
                               int64_t count, float* inputs, int64_t in_stride, float* outputs,
                               int64_t out_stride) {
  using V = Floats<kLanes>;
  InputToPoints<kLanes>(tiling, x, shape.in, first, count, inputs, in_stride);
  for (int p = 0; p < kPoints; ++p) {
    const float* a = inputs + p * in_stride;
    const float* weights = expanded + p * shape.in * shape.out;
    float* c = outputs + p * out_stride;
    ForPanels<kLanes>(shape.out, [&](int64_t from, auto packets) SIMD {
      constexpr int kPackets = decltype(packets)::value;
      MultiplyRows<kPackets, V>(count, shape.in, a, shape.in, 1, weights + from * shape.in,
                                kPackets * kLanes, c + from, shape.out, false);
    });
  }
  PointsToOutput<kLanes>(tiling, outputs, out_stride, bias, shape.out, first, count, y);
}

// VectorizedInLanes where there are several, as WinogradTakes() has made sure.
template <class Body>
void InLanes(const Body& body) {
  VectorizedInLanes([&](auto lanes) SIMD {
    if constexpr (decltype(lanes)::value > 1) body(lanes);
  });
}

}  // namespace

bool WinogradTakes(int64_t in, int64_t out) {
  return in % kChannels == 0 && out % kChannels == 0 && in * out <= kMostWeights &&
         ChosenInstructionSet() != InstructionSet::kBaseline;
}

void WinogradConvolve(const ConvolutionShape& shape, const float* x, const float* weight,
                      const float* bias, float* y, const Parallel& parallel) {
  const Tiling tiling(shape);
  const Buffer expanded = Allocate(kPoints * shape.in * shape.out);
  parallel(shape.in, [&](int64_t begin, int64_t end) {
    InLanes([&](auto lanes) SIMD {
      ExpandWeight<decltype(lanes)::value>(shape, weight, expanded.get(), begin, end);
    });
  });
  const int64_t tiles = TilesAtATime(shape, kNearFloats, 24);
  const int64_t in_stride = tiles * shape.in + kPadding, out_stride = tiles * shape.out + kPadding;
  parallel((tiling.count + tiles - 1) / tiles, [&](int64_t begin, int64_t end) {
    const Buffer inputs = Allocate(kPoints * in_stride), outputs = Allocate(kPoints * out_stride);
    InLanes([&](auto lanes) SIMD {
      for (int64_t block = begin; block < end; ++block) {
        const int64_t first = block * tiles, count = std::min(tiles, tiling.count - first);
        ConvolveBlock<decltype(lanes)::value>(shape, tiling, x, expanded.get(), bias, y, first,
                                              count, inputs.get(), in_stride, outputs.get(),
                                              out_stride);
      }
    });
  });
}

void WinogradWeightGradient(const ConvolutionShape& shape, const float* x, const float* dy,
                            float* weight, const Parallel& parallel) {
  const Tiling tiling(shape);
  const int64_t in = shape.in, out = shape.out;
  const int64_t tiles = TilesAtATime(shape, kSharedFloats, 96);
  const int64_t in_stride = tiles * in + kPadding, out_stride = tiles * out + kPadding;
  const Buffer inputs = Allocate(kPoints * in_stride), outputs = Allocate(kPoints * out_stride);
  const Buffer sums = Allocate(kPoints * in * out);
  if (tiling.count == 0) std::fill_n(sums.get(), kPoints * in * out, 0.0F);
  for (int64_t first = 0; first < tiling.count; first += tiles) {
    const int64_t count = std::min(tiles, tiling.count - first);
    parallel(count, [&](int64_t begin, int64_t end) {
      InLanes([&](auto lanes) SIMD {
        constexpr int kLanes = decltype(lanes)::value;
        InputToPoints<kLanes>(tiling, x, in, first + begin, end - begin, inputs.get() + begin * in,
                              in_stride);
        GradientToPoints<kLanes>(tiling, dy, out, first + begin, end - begin,
                                 outputs.get() + begin * out, out_stride);
      });
    });
    parallel(kPoints, [&](int64_t begin, int64_t end) {
      InLanes([&](auto lanes) SIMD {
        constexpr int kLanes = decltype(lanes)::value;
        using V = Floats<kLanes>;
        for (int64_t p = begin; p < end; ++p) {
          const float* a = inputs.get() + p * in_stride;
          const float* b = outputs.get() + p * out_stride;
          float* c = sums.get() + p * in * out;
          ForPanels<kLanes>(out, [&](int64_t from, auto packets) SIMD {
            MultiplyRows<decltype(packets)::value, V>(in, count, a, 1, in, b + from, out, c + from,
                                                      out, first > 0);
          });
        }
      });
    });
  }
  parallel(in, [&](int64_t begin, int64_t end) {
    InLanes([&](auto lanes) SIMD {
      constexpr int kLanes = decltype(lanes)::value;
      using V = Floats<kLanes>;
      for (int64_t i = begin; i < end; ++i) {
        for (int64_t c = 0; c < out; c += kLanes) {
          V u[6][6], g[3][3];
          LoadPoints(sums.get() + i * out + c, in * out, u);
          InBothDirections(u, g,
                           [](const auto& from, auto& to) SIMD { WeightFromPoints<V>(from, to); });
          for (int k = 0; k < 9; ++k) Store(g[k / 3][k % 3], weight + (k * in + i) * out + c);
        }
      }
    });
  });
}

#else

bool WinogradTakes(int64_t, int64_t) { return false; }
void WinogradConvolve(const ConvolutionShape&, const float*, const float*, const float*, float*,
                      const Parallel&) {}
void WinogradWeightGradient(const ConvolutionShape&, const float*, const float*, float*,
                            const Parallel&) {}

#endif

}  // namespace kernels
