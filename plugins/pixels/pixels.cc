// Gray, motion, jitter and scaling as loops over pixels in memory.
#include "plugins/pixels/pixels.h"

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <vector>

#include "kernels/simd.h"
#include "pipeline/stage.h"
#include "plugins/pixels/gray.h"

namespace plugins {
namespace {

// Pixels of one image and channel: pixel (y, x) is data[y * row + x * step].
struct Plane {
  const uint8_t* data;
  int64_t row, step;
};

Plane PlaneOf(const at::Tensor& images, int64_t image, int64_t channel) {
  return {images.data_ptr<uint8_t>() + image * images.stride(0) + channel * images.stride(1),
          images.stride(2), images.stride(3)};
}

// Runs `body` for each image or mask of a batch whose last two extents are height and width. On
// several threads where there are very many pixels: less takes no longer than waiting for threads
// that the loader keeps busy.
template <class Body>
void ForEachImage(const at::Tensor& images, const Body& body) {
  constexpr int64_t kPixelsOfThread = 1 << 21;
  const int64_t pixels = std::max<int64_t>(1, images.size(-1) * images.size(-2));
  const int64_t grain = std::max<int64_t>(1, kPixelsOfThread / pixels);
  at::parallel_for(0, images.size(0), grain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) body(i);
  });
}

// The map of an image in pixels: output (x, y) comes from (x0 + xx x + xy y, y0 + yx x + yy y),
// where pixel i has its middle at i.
struct Map {
  double x0, xx, xy, y0, yx, yy;
};

Map InPixels(const float* motion, double height, double width) {
  // [-1, 1] spans a side: pixel i of n lies at (2 i + 1) / n - 1, and u lies at (u + 1) n / 2 -
  // 1/2.
  const double ratio = height / width;
  Map map = {};
  map.xx = motion[0];
  map.xy = motion[1] / ratio;
  map.yx = motion[3] * ratio;
  map.yy = motion[4];
  map.x0 = (motion[2] + 1 + motion[0] * (1 / width - 1) + motion[1] * (1 / height - 1)) * width / 2;
  map.y0 =
      (motion[5] + 1 + motion[3] * (1 / width - 1) + motion[4] * (1 / height - 1)) * height / 2;
  map.x0 -= 0.5;
  map.y0 -= 0.5;
  return map;
}

// Zeros around a picture: with two before it and one behind, a coordinate that is clamped to
// [-2, size + 1/2] finds all four pixels around it.
constexpr int64_t kBefore = 2, kAround = 3;

// Each pixel of a plane with its neighbors to the right, below, and below right, as the bytes of
// one word, lowest first: what bilinear interpolation needs is one load. Row y - kBefore, column
// x - kBefore holds the pixel (y, x).
void Gather(const Plane& plane, int64_t height, int64_t width, std::vector<uint32_t>* words) {
  const int64_t wide = width + kAround;
  words->assign((height + kAround) * wide, 0);
  std::vector<uint8_t> above(wide + 1), below(wide + 1);  // rows with their zeros
  for (int64_t y = 0; y <= height; ++y) {
    above.swap(below);
    if (y == height) {
      std::fill(below.begin(), below.end(), uint8_t{0});
    } else if (plane.step == 1) {
      std::memcpy(&below[kBefore], plane.data + y * plane.row, width);
    } else {
      const uint8_t* from = plane.data + y * plane.row;
      for (int64_t x = 0; x < width; ++x) below[kBefore + x] = from[x * plane.step];
    }
    uint32_t* to = words->data() + (y + kBefore - 1) * wide;
    kernels::Vectorized([&]() SIMD {
      const uint8_t *a = above.data(), *b = below.data();
      uint32_t* const out = to;
      const int64_t n = wide;
      for (int64_t x = 0; x < n; ++x) {
        out[x] = a[x] | a[x + 1] << 8 | b[x] << 16 | static_cast<uint32_t>(b[x + 1]) << 24;
      }
    });
  }
}

// Resamples a plane; returns the sum of what it makes.
double Warp(const std::vector<uint32_t>& words, const Map& map, int64_t height, int64_t width,
            float* to) {
  constexpr int kLanes = 16;
  float sums[kLanes] = {};
  double sum = 0;
  for (int64_t y = 0; y < height; ++y, to += width) {
    const auto row = static_cast<double>(y);
    const auto x0 = static_cast<float>(map.x0 + map.xy * row + kBefore);
    const auto y0 = static_cast<float>(map.y0 + map.yy * row + kBefore);
    kernels::Vectorized([&]() SIMD {
      const uint32_t* const from = words.data();
      float* const out = to;
      const auto right = static_cast<float>(width) + 0.5F + kBefore;
      const auto bottom = static_cast<float>(height) + 0.5F + kBefore;
      const auto xx = static_cast<float>(map.xx), yx = static_cast<float>(map.yx);
      const float left = x0, top = y0;
      const int wide = static_cast<int>(width + kAround), n = static_cast<int>(width);
      for (int x = 0; x < n; ++x) {
        const auto at = static_cast<float>(x);
        float u = left + xx * at, v = top + yx * at;
        // What is not a number becomes 0 as well.
        u = u > 0 ? u : 0;
        u = u < right ? u : right;
        v = v > 0 ? v : 0;
        v = v < bottom ? v : bottom;
        const int i = static_cast<int>(v), j = static_cast<int>(u);
        const float down = v - static_cast<float>(i), along = u - static_cast<float>(j);
        const uint32_t four = from[i * wide + j];
        const auto a = static_cast<float>(static_cast<int>(four & 255));
        const auto b = static_cast<float>(static_cast<int>(four >> 8 & 255));
        const auto c = static_cast<float>(static_cast<int>(four >> 16 & 255));
        const auto d = static_cast<float>(static_cast<int>(four >> 24));
        const float upper = a + along * (b - a), lower = c + along * (d - c);
        out[x] = upper + down * (lower - upper);
      }
      for (float& one : sums) one = 0;
      int x = 0;
      for (; x + kLanes <= n; x += kLanes) {
        for (int k = 0; k < kLanes; ++k) sums[k] += out[x + k];
      }
      for (; x < n; ++x) sums[0] += out[x];
    });
    for (const float one : sums) sum += one;
  }
  return sum;
}

SIMD inline uint8_t Rounded(float x) {
  // Adding it rounds a small float to the nearest integer.
  constexpr float kRound = 12582912.0F;  // 1.5 * 2^23
  x = x > 0 ? x : 0;
  x = x < 255 ? x : 255;
  return static_cast<uint8_t>(static_cast<int32_t>((x + kRound) - kRound));
}

// to = factor * from + shift, rounded.
void Affine(const float* from, float factor, float shift, int64_t count, uint8_t* to) {
  kernels::Vectorized([&]() SIMD {
    const float* const in = from;
    uint8_t* const out = to;
    const float a = factor, b = shift;
    const int64_t n = count;
    for (int64_t i = 0; i < n; ++i) out[i] = Rounded(a * in[i] + b);
  });
}

// The same where channels are also drawn from their mean: by `mix`, towards it where mix < 1.
// Planes lie `count` apart.
void AffineMixed(const std::vector<float>& from, float factor, float shift, float mix,
                 int64_t channels, int64_t count, uint8_t* to) {
  constexpr int64_t kBlock = 1024;
  kernels::Vectorized([&]() SIMD {
    for (int64_t begin = 0; begin < count; begin += kBlock) {
      const int64_t n = std::min(kBlock, count - begin);
      float gray[kBlock] = {};
      for (int64_t c = 0; c < channels; ++c) {
        const float* const in = from.data() + c * count + begin;
        for (int64_t i = 0; i < n; ++i) gray[i] += in[i];
      }
      const float share = (1 - mix) / static_cast<float>(channels);
      const float a = factor, b = shift, own = mix;
      for (int64_t c = 0; c < channels; ++c) {
        const float* const in = from.data() + c * count + begin;
        uint8_t* const out = to + c * count + begin;
        for (int64_t i = 0; i < n; ++i) {
          out[i] = Rounded(a * (own * in[i] + share * gray[i]) + b);
        }
      }
    }
  });
}

void MoveMask(const int64_t* from, const Map& map, int64_t height, int64_t width, int64_t* to) {
  for (int64_t y = 0; y < height; ++y, to += width) {
    const auto row = static_cast<double>(y);
    const auto x0 = static_cast<float>(map.x0 + map.xy * row);
    const auto y0 = static_cast<float>(map.y0 + map.yy * row);
    kernels::Vectorized([&]() SIMD {
      constexpr float kRound = 12582912.0F;
      const int64_t* const in = from;
      int64_t* const out = to;
      const float left = x0, top = y0, bottom = static_cast<float>(height - 1),
                  right = static_cast<float>(width - 1);
      const auto xx = static_cast<float>(map.xx), yx = static_cast<float>(map.yx);
      const int wide = static_cast<int>(width), n = wide;
      for (int x = 0; x < n; ++x) {
        const auto at = static_cast<float>(x);
        const float u = (left + xx * at + kRound) - kRound, v = (top + yx * at + kRound) - kRound;
        float j = u > 0 ? u : 0, i = v > 0 ? v : 0;
        j = j < right ? j : right;
        i = i < bottom ? i : bottom;
        const int64_t label = in[static_cast<int>(i) * wide + static_cast<int>(j)];
        out[x] = u == j && v == i ? label : pipeline::kIgnoredLabel;
      }
    });
  }
}

// Pixels in the order of memory, of which every `period`-th has the same channel.
void Scale(const uint8_t* from, int64_t count, const float* factor, const float* shift,
           int64_t period, float* to) {
  kernels::Vectorized([&]() SIMD {
    const uint8_t* in = from;
    float* out = to;
    const float *a = factor, *b = shift;
    const int64_t n = period;
    int64_t left = count;
    for (; left >= n; left -= n, in += n, out += n) {
      for (int64_t i = 0; i < n; ++i) out[i] = static_cast<float>(in[i]) * a[i] + b[i];
    }
    for (int64_t i = 0; i < left; ++i) out[i] = static_cast<float>(in[i]) * a[i] + b[i];
  });
}

}  // namespace

at::Tensor Gray(const at::Tensor& images) {
  if (!images.is_cpu()) return GrayByOperators(images);
  const int64_t height = images.size(2), width = images.size(3);
  at::Tensor gray = at::empty({images.size(0), 1, height, width}, at::kByte);
  ForEachImage(images, [&](int64_t image) {
    const Plane red = PlaneOf(images, image, 0);
    const int64_t next = images.stride(1);
    for (int64_t y = 0; y < height; ++y) {
      kernels::Vectorized([&]() SIMD {
        const uint8_t* const in = red.data + y * red.row;
        uint8_t* const out = gray.data_ptr<uint8_t>() + (image * height + y) * width;
        const int64_t n = width, channel = next, step = red.step;
        if (channel == 1 && step == 3) {
          for (int64_t x = 0; x < n; ++x) {
            out[x] = GrayOf(in[3 * x], in[3 * x + 1], in[3 * x + 2]);
          }
        } else {
          for (int64_t x = 0; x < n; ++x) {
            const uint8_t* const pixel = in + x * step;
            out[x] = GrayOf(pixel[0], pixel[channel], pixel[2 * channel]);
          }
        }
      });
    }
  });
  return gray;
}

at::Tensor Moved(const at::Tensor& images, const at::Tensor& motion) {
  if (!images.is_cpu()) return MovedByOperators(images, motion);
  const int64_t height = images.size(2), width = images.size(3), pixels = height * width;
  // Channels that are one and the same in memory are moved once.
  const bool repeated = images.stride(1) == 0;
  const int64_t channels = repeated ? 1 : images.size(1);
  at::Tensor moved = at::empty({images.size(0), channels, height, width}, at::kByte);
  ForEachImage(images, [&](int64_t image) {
    const float* const numbers = motion.data_ptr<float>() + image * kMotion;
    const Map map = InPixels(numbers, static_cast<double>(height), static_cast<double>(width));
    std::vector<uint32_t> words;
    std::vector<float> warped(channels * pixels);
    double sum = 0;
    for (int64_t c = 0; c < channels; ++c) {
      Gather(PlaneOf(images, image, c), height, width, &words);
      sum += Warp(words, map, height, width, warped.data() + c * pixels);
    }
    const float brightness = numbers[6], contrast = numbers[7], saturation = numbers[8];
    const auto mean = static_cast<float>(sum / static_cast<double>(channels * pixels)) * brightness;
    const float factor = brightness * contrast, shift = mean * (1 - contrast);
    uint8_t* const to = moved.data_ptr<uint8_t>() + image * channels * pixels;
    if (channels == 1) {
      Affine(warped.data(), factor, shift, pixels, to);
    } else {
      AffineMixed(warped, factor, shift, saturation, channels, pixels, to);
    }
  });
  return repeated ? moved.expand({-1, images.size(1), -1, -1}) : moved;
}

at::Tensor MovedMasks(const at::Tensor& masks, const at::Tensor& motion) {
  if (!masks.is_cpu()) return MovedMasksByOperators(masks, motion);
  const int64_t height = masks.size(1), width = masks.size(2), pixels = height * width;
  const at::Tensor from = masks.contiguous();
  at::Tensor moved = at::empty_like(from);
  ForEachImage(masks, [&](int64_t image) {
    const Map map = InPixels(motion.data_ptr<float>() + image * kMotion,
                             static_cast<double>(height), static_cast<double>(width));
    MoveMask(from.data_ptr<int64_t>() + image * pixels, map, height, width,
             moved.data_ptr<int64_t>() + image * pixels);
  });
  return moved;
}

at::Tensor Scaled(const at::Tensor& images, const at::Tensor& factor, const at::Tensor& shift) {
  if (!images.is_cpu()) return ScaledByOperators(images, factor, shift);
  const int64_t channels = images.size(1), pixels = images.size(2) * images.size(3);
  const bool last = channels > 1 && images.is_contiguous(at::MemoryFormat::ChannelsLast);
  const bool dense = images.stride(3) == 1 && images.stride(2) == images.size(3);
  const at::Tensor from = last || dense ? images : images.contiguous();
  const auto format = last ? at::MemoryFormat::ChannelsLast : at::MemoryFormat::Contiguous;
  at::Tensor scaled =
      at::empty(images.sizes(), at::TensorOptions(at::kFloat).memory_format(format));
  // Each number as often as a loop takes pixels at once, in their order.
  constexpr int64_t kPixels = 64;
  const auto repeated = [&](const at::Tensor& values) {
    return last ? values.repeat({kPixels}) : values.repeat_interleave(kPixels);
  };
  const at::Tensor factors = repeated(factor), shifts = repeated(shift);
  const float *a = factors.data_ptr<float>(), *b = shifts.data_ptr<float>();
  ForEachImage(images, [&](int64_t image) {
    float* const to = scaled.data_ptr<float>() + image * channels * pixels;
    if (last) {
      Scale(PlaneOf(from, image, 0).data, channels * pixels, a, b, channels * kPixels, to);
      return;
    }
    for (int64_t c = 0; c < channels; ++c) {
      Scale(PlaneOf(from, image, c).data, pixels, a + c * kPixels, b + c * kPixels, kPixels,
            to + c * pixels);
    }
  });
  return scaled;
}

}  // namespace plugins
