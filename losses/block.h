// The fast form of a loss on the processor: one cache-sized block of pixels at a time, all losses
// of a fusion on the same block. A loss may offer it beside its tensor form (Loss::pixel_form or
// ratio_form); both are tested equal. Loops go into kernels::Vectorized.
//
// Gradients are collected as dL/dp_c and dL/dlog p_y, from which the fusion makes dL/dz once.
#ifndef LOSSES_BLOCK_H_
#define LOSSES_BLOCK_H_

#include <cstdint>
#include <string>
#include <vector>

namespace losses {

// Planes are [classes][stride]; other arrays [stride]. `stride` is a multiple of 16, and loops may
// run over all of it: what lies beyond the block's pixels is valid and counts nothing.
struct Block {
  int classes = 0;
  int stride = 0;
  const float* p = nullptr;       // plane: probabilities
  const int32_t* y = nullptr;     // the target class
  const float* log_y = nullptr;   // log p of the target class
  const float* p_y = nullptr;     // p of the target class
  const float* rest_y = nullptr;  // 1 - p of the target class, exact also where p_y is nearly 1
  // Sum of p over the classes with p <= 1/2: where a class has p > 1/2, exactly 1 - p of that
  // class.
  const float* rest = nullptr;
  // log(1 - p) of a class with p > 1/2 that is not the target is log(rest) - excess: 0 unless all
  // other logits lie so far below that floats cannot hold their probabilities.
  const float* excess = nullptr;
  // Sum over the classes of log_weights()[c] log p_c, exact however far apart the logits are; only
  // where a loss of the fusion has log_weights.
  const float* log_sum = nullptr;

  float* value = nullptr;  // += the loss of each pixel
  float* dp = nullptr;     // plane: += scale dL/dp_c
  float* dlog = nullptr;   // += scale dL/dlog p_y
  // += scale (1 - p_c) dL/dp_c for the class with p_c > 1/2: instead of dp for losses whose slope
  // grows as 1 / (1 - p_c).
  float* dtop = nullptr;
  float* dlog_sum = nullptr;  // += scale dL/dlog_sum; where log_sum is

  int64_t epoch = 0;  // for losses that change over time
};

// A loss that is a mean over pixels. Weights are the fusion's.
class PixelLoss {
 public:
  virtual ~PixelLoss() = default;
  // Whether Add writes dp or dtop; if no loss of a fusion does, both are left out.
  virtual bool uses_dp() const { return true; }
  // If Add uses log_sum and dlog_sum: what the fusion's classes weigh (Classes::weights, which are
  // the same for all losses of a fusion; empty for 1 each). Else nullptr.
  virtual const std::vector<float>* log_weights() const { return nullptr; }
  virtual void Add(const Block& block, float scale) const = 0;

  // The same for one pixel, as a block of CUDA statements in braces: with CLASSES, y, p[c], p_y,
  // log_y, rest_y, rest, excess, log_sum and scale as above, += on value, dp[c], dlog, dtop and
  // dlog_sum; P(i) is the i-th of gpu_parameters. Without it a GPU takes the tensor form.
  virtual std::string gpu_form() const { return ""; }
  virtual std::vector<float> gpu_parameters(int64_t classes, int64_t epoch) const { return {}; }
};

// What a loss of ratios sees of a unit (an image, or the whole batch): weighted sums over its
// pixels by class, [classes] each. Weights are divided by their mean over the unit
// (losses/overlap.h).
struct ClassSums {
  int classes = 0;
  double amount = 0;                  // sum of the divided weights
  const double* both = nullptr;       // sum of p t
  const double* p = nullptr;          // sum of p
  const double* p_squared = nullptr;  // sum of p^2
  const double* t = nullptr;          // sum of t
};

// dL/dp_c of a pixel = constant[c] + (on_target[c] where t = c) + times_p[c] p_c; [classes] each,
// zero at first.
struct RatioGradient {
  double* constant = nullptr;
  double* on_target = nullptr;
  double* times_p = nullptr;
};

// A loss of ratios of class sums, a mean over units.
class RatioLoss {
 public:
  virtual ~RatioLoss() = default;
  virtual bool whole_batch() const = 0;  // or image by image
  // The loss of one unit and its gradient.
  virtual double Ratio(const ClassSums& sums, const RatioGradient& gradient) const = 0;

  // The same as a block of CUDA statements in braces, with CLASSES, amount, both[c], p[c],
  // p_squared[c] and t[c] as above, = on constant[c], on_target[c] and times_p[c], += on loss; P(i)
  // is the i-th of gpu_parameters. Without it a GPU takes the tensor form.
  virtual std::string gpu_form() const { return ""; }
  virtual std::vector<float> gpu_parameters() const { return {}; }
};

}  // namespace losses

#endif  // LOSSES_BLOCK_H_
