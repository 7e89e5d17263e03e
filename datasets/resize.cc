// A separable triangle filter in the fixed-point arithmetic of Pillow (its Resample.c defines the
// result: 22 bits, rows first, rounded to 8 bits between the passes).
#include "datasets/resize.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

namespace datasets {
namespace {

constexpr int kBits = 22;

// The inputs that make one output, and their weights in units of 2^-22.
struct Taps {
  int first = 0;
  std::vector<int32_t> weights;
};

std::vector<Taps> TapsFor(int in, int out) {
  const double scale = static_cast<double>(in) / out;
  const double width = std::max(1.0, scale);  // half the base of the triangle
  std::vector<Taps> taps(out);
  for (int i = 0; i < out; ++i) {
    const double center = (i + 0.5) * scale;
    const int first = std::max(0, static_cast<int>(std::floor(center - width + 0.5)));
    const int last = std::min(in, static_cast<int>(std::floor(center + width + 0.5)));
    std::vector<double> weights;
    double sum = 0;
    for (int x = first; x < last; ++x) {
      weights.push_back(std::max(0.0, 1 - std::abs((x - center + 0.5) / width)));
      sum += weights.back();
    }
    taps[i].first = first;
    for (const double weight : weights) {
      taps[i].weights.push_back(
          static_cast<int32_t>(std::floor(0.5 + weight / sum * (1 << kBits))));
    }
  }
  return taps;
}

uint8_t Rounded(int32_t sum) { return static_cast<uint8_t>(std::clamp(sum >> kBits, 0, 255)); }

constexpr int32_t kHalf = 1 << (kBits - 1);

template <int kChannels>
void ResizeRow(const uint8_t* from, const std::vector<Taps>& taps, uint8_t* to) {
  for (const Taps& tap : taps) {
    int32_t sums[kChannels];
    std::fill_n(sums, kChannels, kHalf);
    const uint8_t* pixel = from + static_cast<size_t>(tap.first) * kChannels;
    for (const int32_t weight : tap.weights) {
      for (int c = 0; c < kChannels; ++c) sums[c] += weight * *pixel++;
    }
    for (int c = 0; c < kChannels; ++c) *to++ = Rounded(sums[c]);
  }
}

}  // namespace

cv::Mat ResizeBilinear(const cv::Mat& image, cv::Size size) {
  CV_Assert(image.type() == CV_8UC1 || image.type() == CV_8UC3);
  const std::vector<Taps> columns = TapsFor(image.cols, size.width);
  cv::Mat narrow(image.rows, size.width, image.type());
  for (int y = 0; y < image.rows; ++y) {
    image.channels() == 1 ? ResizeRow<1>(image.ptr(y), columns, narrow.ptr(y))
                          : ResizeRow<3>(image.ptr(y), columns, narrow.ptr(y));
  }
  const std::vector<Taps> rows = TapsFor(image.rows, size.height);
  cv::Mat resized(size, image.type());
  const int bytes = size.width * image.channels();
  std::vector<int32_t> sums(bytes);
  for (int y = 0; y < size.height; ++y) {
    std::fill(sums.begin(), sums.end(), kHalf);
    // Whole rows at a time, so that the loop over a row vectorises.
    for (size_t i = 0; i < rows[y].weights.size(); ++i) {
      const int32_t weight = rows[y].weights[i];
      const uint8_t* row = narrow.ptr(rows[y].first + static_cast<int>(i));
      for (int x = 0; x < bytes; ++x) sums[x] += weight * row[x];
    }
    std::transform(sums.begin(), sums.end(), resized.ptr(y), Rounded);
  }
  return resized;
}

}  // namespace datasets
