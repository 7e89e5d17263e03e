// Layouts, blocks and their memory.
#include "losses/block_memory.h"

#include <algorithm>

namespace losses {
namespace {

constexpr int kLanes = 16;
// Of a set of planes: the few that are used fit the cache of a core.
constexpr int kBlockFloats = 4096;
constexpr int kArrays = 13;

int RoundUp(int64_t count) { return static_cast<int>((count + kLanes - 1) / kLanes * kLanes); }

}  // namespace

Layout::Layout(const at::Tensor& logits) : classes(static_cast<int>(logits.size(1))) {
  if (logits.dim() == 2) {
    pixels = logits.size(0);
    class_stride = 1;
    pixel_stride = classes;
    pixels_are_units = true;
    return;
  }
  images = logits.size(0);
  pixels = logits.size(2) * logits.size(3);
  image_stride = pixels * classes;
  const bool planes = logits.is_contiguous();
  class_stride = planes ? pixels : 1;
  pixel_stride = planes ? 1 : classes;
}

Blocks::Blocks(const Layout& layout) : pixels(layout.pixels) {
  const int fitting = std::max(kLanes, kBlockFloats / layout.classes / kLanes * kLanes);
  stride = std::min(fitting, std::max(kLanes, RoundUp(pixels)));
  per_image = (pixels + stride - 1) / stride;
  count = per_image * layout.images;
}

Span Blocks::SpanOf(int64_t block) const {
  const int64_t first = block % per_image * stride;
  return {block / per_image, first, static_cast<int>(std::min<int64_t>(stride, pixels - first))};
}

Scratch::Scratch(int classes, int stride) {
  const size_t rows = 2 * static_cast<size_t>(classes) + kArrays;
  size_t bytes = (rows * stride + kLanes) * sizeof(float);
  floats_ = std::make_unique<float[]>(bytes / sizeof(float));
  targets_ = std::make_unique<int32_t[]>(stride);
  void* aligned = floats_.get();
  auto* next = static_cast<float*>(std::align(64, sizeof(float), aligned, bytes));
  const auto take = [&](int count) {
    float* taken = next;
    next += static_cast<size_t>(count) * stride;
    return taken;
  };
  p = take(classes);
  dp = take(classes);
  for (float** array : {&weight, &q_top, &log_y, &p_y, &rest_y, &rest, &excess, &log_sum, &value,
                        &dlog, &dtop, &dlog_sum, &spare}) {
    *array = take(1);
  }
  y = targets_.get();
}

}  // namespace losses
