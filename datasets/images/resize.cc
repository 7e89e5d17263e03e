// A separable triangle filter in the fixed-point arithmetic of Pillow (its Resample.c defines the
// result: 22 bits, rows first, rounded to 8 bits between the passes).
#include "datasets/images/resize.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <opencv2/core.hpp>
#include <vector>

#include "kernels/simd.h"

namespace datasets {
namespace {

constexpr int kBits = 22;
constexpr int32_t kHalf = 1 << (kBits - 1);

// Bytes that are weighed together, in the registers of one loop.
constexpr int kLanes = 64;

// The inputs that make each output, and their weights in units of 2^-22.
struct Taps {
  double scale = 1;  // inputs for each output
  int longest = 0;
  std::vector<int> first, count;
  std::vector<int32_t> weights;  // of output i from i * longest on
};

Taps TapsFor(int in, int out) {
  Taps taps;
  taps.scale = static_cast<double>(in) / out;
  const double width = std::max(1.0, taps.scale);  // half the base of the triangle
  taps.longest = std::min(in, static_cast<int>(std::ceil(width)) * 2 + 1);
  taps.first.resize(out);
  taps.count.resize(out);
  taps.weights.resize(static_cast<size_t>(out) * taps.longest);
  std::vector<double> weights(taps.longest);
  for (int i = 0; i < out; ++i) {
    const double center = (i + 0.5) * taps.scale;
    const int first = std::max(0, static_cast<int>(std::floor(center - width + 0.5)));
    const int last = std::min(in, static_cast<int>(std::floor(center + width + 0.5)));
    double sum = 0;
    for (int x = first; x < last; ++x) {
      weights[x - first] = std::max(0.0, 1 - std::abs((x - center + 0.5) / width));
      sum += weights[x - first];
    }
    taps.first[i] = first;
    taps.count[i] = last - first;
    int32_t* to = &taps.weights[static_cast<size_t>(i) * taps.longest];
    for (int k = 0; k < last - first; ++k) {
      to[k] = static_cast<int32_t>(std::floor(0.5 + weights[k] / sum * (1 << kBits)));
    }
  }
  return taps;
}

// The weighted sum of `count` groups of kLanes bytes, which begin `stride` bytes apart.
SIMD inline void Weigh(const uint8_t* from, size_t stride, const int32_t* weights, int count,
                       uint8_t* to) {
  int32_t sums[kLanes];
  for (int32_t& sum : sums) sum = kHalf;
  for (int k = 0; k < count; ++k, from += stride) {
    const int32_t weight = weights[k];
    for (int i = 0; i < kLanes; ++i) sums[i] += weight * from[i];
  }
  // Weights of very many inputs may add up to more than 1; none is negative.
  for (int i = 0; i < kLanes; ++i) to[i] = static_cast<uint8_t>(std::min(sums[i] >> kBits, 255));
}

// Pixels lie `kStep` bytes apart while they are worked on: a power of two, so that a pixel moves as
// one word and kLanes is a whole number of them.
template <int kChannels>
constexpr int kStep = kChannels == 3 ? 4 : kChannels;

// Resizes rows [y, y + kLanes / kStep) of the image into those of `narrow`. Lanes hold the same
// column of all these rows: their pixels are first brought together, as many columns at a time as
// the first cache holds. The last row stands in for rows below it.
template <int kChannels>
SIMD inline void ResizeRows(const cv::Mat& image, int y, const Taps& taps,
                            std::vector<uint8_t>* columns, cv::Mat* narrow) {
  constexpr int kWide = kStep<kChannels>, kRows = kLanes / kWide;
  constexpr int kColumns = 1024;
  const int outputs = static_cast<int>(taps.first.size());
  const int at_once = std::max(1, static_cast<int>(kColumns / std::max(1.0, taps.scale)));
  const int rows = std::min(kRows, image.rows - y);
  for (int begin = 0; begin < outputs; begin += at_once) {
    const int end = std::min(outputs, begin + at_once);
    const int first = taps.first[begin], last = taps.first[end - 1] + taps.count[end - 1];
    columns->resize(static_cast<size_t>(last - first) * kLanes);
    for (int row = 0; row < kRows; ++row) {
      const uint8_t* from = image.ptr(y + std::min(row, rows - 1)) + size_t{kChannels} * first;
      uint8_t* to = columns->data() + row * kWide;
      // Each word but the last may hold a byte of the next pixel.
      for (int x = first; x + 1 < last; ++x, from += kChannels, to += kLanes) {
        std::memcpy(to, from, kWide);
      }
      std::memcpy(to, from, kChannels);
    }
    const uint8_t* const from = columns->data();
    for (int i = begin; i < end; ++i) {
      uint8_t pixels[kLanes];
      Weigh(from + static_cast<size_t>(taps.first[i] - first) * kLanes, kLanes,
            &taps.weights[static_cast<size_t>(i) * taps.longest], taps.count[i], pixels);
      for (int row = 0; row < rows; ++row) {
        std::memcpy(narrow->ptr(y + row) + i * kWide, pixels + row * kWide, kWide);
      }
    }
  }
}

// Makes row y of the image of rows of `narrow`.
template <int kChannels>
SIMD inline void MakeRow(const cv::Mat& narrow, int y, const Taps& taps, std::vector<uint8_t>* row,
                         cv::Mat* image) {
  constexpr int kWide = kStep<kChannels>;
  const int32_t* weights = &taps.weights[static_cast<size_t>(y) * taps.longest];
  const uint8_t* from = narrow.ptr(taps.first[y]);
  for (int x = 0; x < narrow.cols; x += kLanes) {
    Weigh(from + x, narrow.step[0], weights, taps.count[y], row->data() + x);
  }
  const uint8_t* pixel = row->data();
  uint8_t* to = image->ptr(y);
  // A word may reach into the next pixel, which is written after it.
  for (int x = 0; x + 1 < image->cols; ++x, pixel += kWide, to += kChannels) {
    std::memcpy(to, pixel, kWide);
  }
  std::memcpy(to, pixel, kChannels);
}

// The width that rows of `outputs` pixels need in memory: whole lanes, of which nobody reads the
// last ones.
template <int kChannels>
int NarrowBytes(size_t outputs) {
  return (static_cast<int>(outputs) * kStep<kChannels> + kLanes - 1) / kLanes * kLanes;
}

// Resizes every row.
template <int kChannels>
cv::Mat Narrow(const cv::Mat& image, const Taps& taps) {
  cv::Mat narrow(image.rows, NarrowBytes<kChannels>(taps.first.size()), CV_8U);
  std::vector<uint8_t> buffer;
  kernels::Vectorized([&]() SIMD {
    for (int y = 0; y < image.rows; y += kLanes / kStep<kChannels>) {
      ResizeRows<kChannels>(image, y, taps, &buffer, &narrow);
    }
  });
  return narrow;
}

// Each fourth row from `first` on, of `columns` columns.
cv::Mat EachFourth(cv::Mat* image, int first, int columns) {
  return {image->rows / 4, columns, CV_8UC1, image->ptr(first), 4 * image->step[0]};
}

// Four rows are resized as one of four channels: single bytes would take four times as many moves.
template <>
cv::Mat Narrow<1>(const cv::Mat& image, const Taps& taps) {
  cv::Mat padded = image;
  if (image.rows % 4 != 0) {
    cv::copyMakeBorder(image, padded, 0, 4 - image.rows % 4, 0, 0,
                       cv::BORDER_REPLICATE | cv::BORDER_ISOLATED);
  }
  const auto outputs = static_cast<int>(taps.first.size());
  cv::Mat narrow(padded.rows, NarrowBytes<1>(taps.first.size()), CV_8U);
  std::array<cv::Mat, 4> from, to;
  for (int i = 0; i < 4; ++i) {
    from[i] = EachFourth(&padded, i, padded.cols);
    to[i] = EachFourth(&narrow, i, outputs);
  }
  cv::Mat fours;
  cv::merge(from.data(), from.size(), fours);
  cv::Mat narrow_fours = Narrow<4>(fours, taps);
  cv::split(cv::Mat(fours.rows, outputs, CV_8UC4, narrow_fours.data, narrow_fours.step[0]),
            to.data());
  return narrow;
}

template <int kChannels>
cv::Mat Resize(const cv::Mat& image, const cv::Size& size) {
  const Taps rows = TapsFor(image.rows, size.height);
  const cv::Mat narrow = Narrow<kChannels>(image, TapsFor(image.cols, size.width));
  cv::Mat resized(size, image.type());
  std::vector<uint8_t> buffer(narrow.cols);
  kernels::Vectorized([&]() SIMD {
    for (int y = 0; y < size.height; ++y) {
      MakeRow<kChannels>(narrow, y, rows, &buffer, &resized);
    }
  });
  return resized;
}

}  // namespace

cv::Mat ResizeBilinear(const cv::Mat& image, cv::Size size) {
  CV_Assert(image.depth() == CV_8U && !image.empty());
  switch (image.channels()) {
    case 1:
      return Resize<1>(image, size);
    case 2:
      return Resize<2>(image, size);
    case 3:
      return Resize<3>(image, size);
    default:
      CV_Assert(image.channels() == 4);
      return Resize<4>(image, size);
  }
}

}  // namespace datasets
