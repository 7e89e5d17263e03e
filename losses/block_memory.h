// Where the block form's numbers lie: logits in memory, blocks of pixels, and a thread's arrays.
#ifndef LOSSES_BLOCK_MEMORY_H_
#define LOSSES_BLOCK_MEMORY_H_

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>

namespace losses {

// How the elements of logits lie in memory. [N, C] is one image of N pixels, each a unit of its
// own; else an image is a unit.
struct Layout {
  // Of [N, C] or [N, C, H, W], contiguous or channels-last.
  explicit Layout(const at::Tensor& logits);

  int64_t images = 1, pixels = 0;  // pixels of an image
  int classes = 0;
  int64_t image_stride = 0, class_stride = 0, pixel_stride = 0;
  bool pixels_are_units = false;

  int64_t units() const { return pixels_are_units ? pixels : images; }
};

// The pixels of one block.
struct Span {
  int64_t image, first;
  int pixels;
};

// Cuts images into blocks of pixels whose arrays fit the cache of a core.
struct Blocks {
  explicit Blocks(const Layout& layout);

  Span SpanOf(int64_t block) const;
  int64_t ImageOf(int64_t block) const { return block / per_image; }

  int64_t pixels = 0;  // of an image
  int stride = 0;      // the length of arrays: pixels of a block, rounded up
  int64_t per_image = 0, count = 0;
};

// The memory of one thread for one block: see Block in block.h; arrays begin at multiples of 64
// bytes.
class Scratch {
 public:
  Scratch(int classes, int stride);

  float *p, *dp;  // planes
  float *weight, *q_top, *log_y, *p_y, *rest_y, *rest, *excess, *log_sum, *value;
  float *dlog, *dtop, *dlog_sum;
  float* spare;  // for what lives within one loop over the classes
  int32_t* y;

 private:
  std::unique_ptr<float[]> floats_;
  std::unique_ptr<int32_t[]> targets_;
};

}  // namespace losses

#endif  // LOSSES_BLOCK_MEMORY_H_
