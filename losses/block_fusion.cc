// Two passes over blocks of pixels: class sums for the losses of ratios, then values and gradients.
#include "losses/block_fusion.h"

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty_like.h>

#include <algorithm>
#include <cmath>
#include <memory>

#include "kernels/simd.h"

namespace losses {
namespace {

using kernels::Exp;
using kernels::Log;
using kernels::LogOneMinus;
using kernels::Select;
using kernels::Vectorized;

constexpr int kLanes = 16;
// Logits further below the greatest count as this far below: probabilities stay normal numbers.
// (The target's log p is exact all the same.)
constexpr float kLeastLogit = -80;
constexpr float kLeastProbability = 1.81e-35F;  // a little above its exponential
// Of a set of planes: the few that are used fit the cache of a core.
constexpr int kBlockFloats = 4096;

int RoundUp(int64_t count) { return static_cast<int>((count + kLanes - 1) / kLanes * kLanes); }

// How elements lie in memory. [N, C] is one image of N pixels, each a unit of its own.
struct Layout {
  int64_t images = 1, pixels = 0;  // pixels of an image
  int classes = 0;
  int64_t image_stride = 0, class_stride = 0, pixel_stride = 0;
  bool pixels_are_units = false;

  int64_t units() const { return pixels_are_units ? pixels : images; }
};

Layout LayoutOf(const at::Tensor& logits) {
  Layout layout;
  layout.classes = static_cast<int>(logits.size(1));
  if (logits.dim() == 2) {
    layout.pixels = logits.size(0);
    layout.class_stride = 1;
    layout.pixel_stride = layout.classes;
    layout.pixels_are_units = true;
    return layout;
  }
  layout.images = logits.size(0);
  layout.pixels = logits.size(2) * logits.size(3);
  layout.image_stride = layout.pixels * layout.classes;
  const bool planes = logits.is_contiguous();
  layout.class_stride = planes ? layout.pixels : 1;
  layout.pixel_stride = planes ? 1 : layout.classes;
  return layout;
}

// The memory of one thread for one block.
class Scratch {
 public:
  Scratch(int classes, int stride) : stride_(stride) {
    const size_t planes = 2 * static_cast<size_t>(classes);
    size_t bytes = ((planes + kArrays) * stride + kLanes) * sizeof(float);
    floats_ = std::make_unique<float[]>(bytes / sizeof(float));
    targets_ = std::make_unique<int32_t[]>(stride);
    // Rows begin at multiples of 64 bytes.
    void* aligned = floats_.get();
    auto* at = static_cast<float*>(std::align(64, sizeof(float), aligned, bytes));
    const auto take = [&](int rows) {
      float* taken = at;
      at += static_cast<size_t>(rows) * stride_;
      return taken;
    };
    p = take(classes);
    dp = take(classes);
    weight = take(1);
    q_top = take(1);
    log_y = take(1);
    p_y = take(1);
    rest_y = take(1);
    rest = take(1);
    value = take(1);
    dlog = take(1);
    dtop = take(1);
    y = targets_.get();
  }

  float *p, *dp, *weight, *q_top, *log_y, *p_y, *rest_y, *rest, *value, *dlog, *dtop;
  int32_t* y;

 private:
  static constexpr int kArrays = 9;
  const size_t stride_;
  std::unique_ptr<float[]> floats_;
  std::unique_ptr<int32_t[]> targets_;
};

class Fusion {
 public:
  Fusion(const at::Tensor& logits, const at::Tensor& labels, const at::Tensor& weight,
         int64_t epoch, const std::vector<BlockTerm>& terms)
      : layout_(LayoutOf(logits)),
        logits_(logits.data_ptr<float>()),
        labels_(labels.data_ptr<int64_t>()),
        weight_(weight.defined() ? weight.data_ptr<float>() : nullptr),
        epoch_(epoch),
        terms_(terms) {
    const int fitting = std::max(kLanes, kBlockFloats / layout_.classes / kLanes * kLanes);
    stride_ = std::min(fitting, std::max(kLanes, RoundUp(layout_.pixels)));
    per_image_ = (layout_.pixels + stride_ - 1) / stride_;
    blocks_ = per_image_ * layout_.images;
    for (const BlockTerm& term : terms) {
      has_ratios_ = has_ratios_ || term.ratio != nullptr;
      uses_dp_ = uses_dp_ || term.ratio != nullptr || term.pixel->uses_dp();
    }
    sums_.resize(terms.size());
    amounts_.resize(terms.size());
  }

  BlockResult Run(float* gradient) {
    SumWeights();
    if (has_ratios_) {
      AddUpClasses(gradient);
      FindRatios();
    }
    Differentiate(gradient);
    return {at::Tensor(), sums_, amounts_};
  }

 private:
  struct Span {
    int64_t image, first;
    int pixels;
  };

  Span SpanOf(int64_t block) const {
    const int64_t first = block % per_image_ * stride_;
    return {block / per_image_, first,
            static_cast<int>(std::min<int64_t>(stride_, layout_.pixels - first))};
  }

  // Calls body(block, scratch) for every block.
  template <class Body>
  void ForBlocks(const Body& body) const {
    const auto range = [&](int64_t begin, int64_t end) {
      Scratch scratch(layout_.classes, stride_);
      for (int64_t block = begin; block < end; ++block) body(block, &scratch);
    };
    if (blocks_ == 1) return range(0, 1);
    at::parallel_for(0, blocks_, 1, range);
  }

  // Total weight of each unit, and how many of its pixels have any.
  void SumWeights() {
    unit_weight_.assign(layout_.units(), 0);
    unit_count_.assign(layout_.units(), 0);
    if (layout_.pixels_are_units) {
      for (int64_t i = 0; i < layout_.pixels; ++i) {
        unit_weight_[i] = weight_ == nullptr ? 1 : weight_[i];
        unit_count_[i] = unit_weight_[i] > 0 ? 1 : 0;
      }
    } else if (weight_ == nullptr) {
      std::fill(unit_weight_.begin(), unit_weight_.end(), static_cast<double>(layout_.pixels));
      unit_count_ = unit_weight_;
    } else {
      std::vector<double> weights(blocks_), counts(blocks_);
      at::parallel_for(0, blocks_, 8, [&](int64_t begin, int64_t end) {
        for (int64_t block = begin; block < end; ++block) {
          const Span span = SpanOf(block);
          const float* from = weight_ + span.image * layout_.pixels + span.first;
          Vectorized([&]() SIMD {
            float sum = 0, count = 0;
#pragma omp simd reduction(+ : sum, count)
            for (int i = 0; i < span.pixels; ++i) {
              sum += from[i];
              count += from[i] > 0 ? 1.0F : 0.0F;
            }
            weights[block] = sum;
            counts[block] = count;
          });
        }
      });
      for (int64_t block = 0; block < blocks_; ++block) {
        unit_weight_[block / per_image_] += weights[block];
        unit_count_[block / per_image_] += counts[block];
      }
    }
    for (const double weight : unit_weight_) total_weight_ += weight;
    for (size_t k = 0; k < terms_.size(); ++k) {
      if (terms_[k].pixel != nullptr) amounts_[k] = total_weight_;
    }
  }

  // Targets and weights of a block. What lies beyond the pixels has no weight.
  SIMD inline void LoadLabels(const Span& span, Scratch* s) const {
    const int pixels = span.pixels, stride = stride_;
    const int64_t at = span.image * layout_.pixels + span.first;
    const int64_t* __restrict labels = labels_ + at;
    int32_t* __restrict y = s->y;
    float* __restrict weight = s->weight;
    for (int i = 0; i < pixels; ++i) y[i] = std::max(static_cast<int32_t>(labels[i]), 0);
    for (int i = pixels; i < stride; ++i) y[i] = 0;
    if (weight_ != nullptr) {
      const float* __restrict from = weight_ + at;
      for (int i = 0; i < pixels; ++i) weight[i] = from[i];
    } else {
      for (int i = 0; i < pixels; ++i) weight[i] = 1;
    }
    for (int i = pixels; i < stride; ++i) weight[i] = 0;
  }

  // p = exp(z - max z), and value = 1 / their sum. Beyond the pixels all logits are 0.
  SIMD inline void Exponentiate(const Span& span, Scratch* s) const {
    const int classes = layout_.classes, stride = stride_, pixels = span.pixels;
    const int64_t step = layout_.pixel_stride;
    const float* from = logits_ + span.image * layout_.image_stride + span.first * step;
    float* __restrict top = s->dlog;  // unused until Start
    float* __restrict sum = s->value;
    for (int c = 0; c < classes; ++c) {
      const float* __restrict row = from + c * layout_.class_stride;
      float* __restrict to = s->p + c * stride;
      if (step == 1) {
        for (int i = 0; i < pixels; ++i) to[i] = row[i];
      } else {
        for (int i = 0; i < pixels; ++i) to[i] = row[i * step];
      }
      for (int i = pixels; i < stride; ++i) to[i] = 0;
    }
    const float* __restrict first = s->p;
    for (int i = 0; i < stride; ++i) top[i] = first[i];
    for (int c = 1; c < classes; ++c) {
      const float* __restrict row = s->p + c * stride;
      for (int i = 0; i < stride; ++i) top[i] = Select(row[i] > top[i], row[i], top[i]);
    }
    for (int i = 0; i < stride; ++i) sum[i] = 0;
    for (int c = 0; c < classes; ++c) {
      float* __restrict row = s->p + c * stride;
      for (int i = 0; i < stride; ++i) {
        const float x = row[i] - top[i];
        const float e = Exp(Select(x < kLeastLogit, kLeastLogit, x));
        sum[i] += e;
        row[i] = e;
      }
    }
    for (int i = 0; i < stride; ++i) sum[i] = 1 / sum[i];
  }

  // Where a block's probabilities wait for the second pass: in its part of the gradient, which is
  // written only then. As planes: channels-last logits give a block one stretch of memory.
  float* PlaneOf(float* gradient, const Span& span, int c) const {
    gradient += span.image * layout_.image_stride;
    return layout_.pixel_stride == 1
               ? gradient + c * layout_.class_stride + span.first
               : gradient + span.first * layout_.classes + int64_t{c} * span.pixels;
  }

  // Takes them back, as what Exponentiate leaves.
  SIMD inline void Restore(const Span& span, float* gradient, Scratch* s) const {
    const int classes = layout_.classes, stride = stride_, pixels = span.pixels;
    for (int c = 0; c < classes; ++c) {
      const float* __restrict from = PlaneOf(gradient, span, c);
      float* __restrict to = s->p + c * stride;
      for (int i = 0; i < pixels; ++i) to[i] = from[i];
      for (int i = pixels; i < stride; ++i) to[i] = 0;
    }
    float* __restrict inverse = s->value;
    for (int i = 0; i < stride; ++i) inverse[i] = 1;
  }

  // From what Exponentiate leaves: p, rest, and what the losses want to know of the target.
  SIMD inline void Normalize(const Span& span, Scratch* s) const {
    const int classes = layout_.classes, stride = stride_;
    const float* __restrict inverse = s->value;
    const int32_t* __restrict y = s->y;
    float* __restrict rest = s->rest;
    float* __restrict p_y = s->p_y;
    for (int i = 0; i < stride; ++i) rest[i] = p_y[i] = 0;
    for (int c = 0; c < classes; ++c) {
      float* __restrict row = s->p + c * stride;
      for (int i = 0; i < stride; ++i) {
        const float q = row[i] * inverse[i];
        row[i] = q;
        rest[i] += Select(q > 0.5F, 0, q);
        p_y[i] += Select(y[i] == c, q, 0);
      }
    }
    float* __restrict rest_y = s->rest_y;
    float* __restrict log_y = s->log_y;
    int least = 0;
    for (int i = 0; i < stride; ++i) {
      rest_y[i] = Select(p_y[i] > 0.5F, rest[i], 1 - p_y[i]);
      // Near 1, log p is what is left of 1.
      log_y[i] = Select(rest_y[i] < 0.29F, LogOneMinus(rest_y[i]), Log(p_y[i]));
      least |= p_y[i] <= kLeastProbability ? 1 : 0;
    }
    if (least != 0) TakeLogits(span, s);
  }

  // log p of targets whose p may have been bounded by kLeastLogit.
  void TakeLogits(const Span& span, Scratch* s) const {
    for (int i = 0; i < span.pixels; ++i) {
      if (!(s->p_y[i] <= kLeastProbability)) continue;
      const float* z =
          logits_ + span.image * layout_.image_stride + (span.first + i) * layout_.pixel_stride;
      const auto logit = [&](int c) { return double{z[c * layout_.class_stride]}; };
      double top = logit(0), sum = 0;
      for (int c = 1; c < layout_.classes; ++c) top = std::max(top, logit(c));
      for (int c = 0; c < layout_.classes; ++c) sum += std::exp(logit(c) - top);
      s->log_y[i] = static_cast<float>(logit(s->y[i]) - top - std::log(sum));
    }
  }

  // Sums over units of w, by class: of p t, p, p^2 and t.
  static constexpr int kSums = 4;

  // Leaves the probabilities in `gradient`, if there is one.
  void AddUpClasses(float* gradient) {
    const int classes = layout_.classes;
    const int64_t row = int64_t{kSums} * classes;
    class_sums_.assign(layout_.units() * row, 0);
    std::vector<double> by_block(layout_.pixels_are_units ? 0 : blocks_ * row);
    ForBlocks([&](int64_t block, Scratch* s) {
      const Span span = SpanOf(block);
      Vectorized([&]() SIMD {
        LoadLabels(span, s);
        Exponentiate(span, s);
        if (!layout_.pixels_are_units) SumClasses(s, &by_block[block * row]);
      });
      if (layout_.pixels_are_units) ListClasses(span, s);
      if (gradient == nullptr) return;
      for (int c = 0; c < classes; ++c) {
        std::copy_n(s->p + c * stride_, span.pixels, PlaneOf(gradient, span, c));
      }
    });
    if (layout_.pixels_are_units) return;
    for (int64_t block = 0; block < blocks_; ++block) {
      double* sums = &class_sums_[block / per_image_ * row];
      for (int64_t i = 0; i < row; ++i) sums[i] += by_block[block * row + i];
    }
  }

  // Sums of a block; p is normalized on the way.
  SIMD inline void SumClasses(Scratch* s, double* sums) const {
    const int classes = layout_.classes, stride = stride_;
    const int32_t* __restrict y = s->y;
    const float* __restrict weight = s->weight;
    const float* __restrict inverse = s->value;
    for (int c = 0; c < classes; ++c) {
      float* __restrict row = s->p + c * stride;
      float both = 0, plain = 0, squared = 0, target = 0;
#pragma omp simd reduction(+ : both, plain, squared, target)
      for (int i = 0; i < stride; ++i) {
        row[i] *= inverse[i];
        const float q = Select(weight[i] > 0, row[i], 0);  // not even NaN counts there
        const float wp = weight[i] * q;
        plain += wp;
        squared += wp * q;
        both += Select(y[i] == c, wp, 0);
        target += Select(y[i] == c, weight[i], 0);
      }
      sums[c] = both;
      sums[classes + c] = plain;
      sums[2 * classes + c] = squared;
      sums[3 * classes + c] = target;
    }
  }

  // The same where every pixel is a unit.
  void ListClasses(const Span& span, Scratch* s) {
    const int classes = layout_.classes;
    for (int i = 0; i < span.pixels; ++i) {
      double* sums = &class_sums_[(span.first + i) * kSums * classes];
      const double w = s->weight[i];
      for (int c = 0; c < classes; ++c) {
        const double p = s->p[c * stride_ + i] *= s->value[i];
        if (!(w > 0)) continue;
        sums[classes + c] = w * p;
        sums[2 * classes + c] = w * p * p;
        if (c != s->y[i]) continue;
        sums[c] = w * p;
        sums[3 * classes + c] = w;
      }
    }
  }

  // Values of the losses of ratios, and their gradients as coefficients by unit and class.
  void FindRatios() {
    const int64_t units = layout_.units(), row = int64_t{kSums} * layout_.classes;
    coefficients_.assign(units * 3 * layout_.classes, 0);
    std::vector<double> batch;  // the class sums of the whole batch
    double batch_weight = 0, batch_count = 0;
    for (size_t k = 0; k < terms_.size(); ++k) {
      const RatioLoss* ratio = terms_[k].ratio;
      if (ratio == nullptr) continue;
      if (!ratio->whole_batch()) {
        for (int64_t unit = 0; unit < units; ++unit) {
          if (unit_count_[unit] > 0) amounts_[k] += unit_weight_[unit] / unit_count_[unit];
        }
        for (int64_t unit = 0; unit < units; ++unit) {
          AddRatio(k, &class_sums_[unit * row], unit_weight_[unit], unit_count_[unit], unit,
                   unit + 1);
        }
        continue;
      }
      if (batch.empty()) {
        batch.assign(row, 0);
        for (int64_t unit = 0; unit < units; ++unit) {
          batch_weight += unit_weight_[unit];
          batch_count += unit_count_[unit];
          for (int64_t i = 0; i < row; ++i) batch[i] += class_sums_[unit * row + i];
        }
      }
      if (batch_count > 0) amounts_[k] = batch_weight / batch_count;
      AddRatio(k, batch.data(), batch_weight, batch_count, 0, units);
    }
  }

  // One unit's loss of term k; its gradient goes to the pixels of [first, last).
  void AddRatio(size_t k, const double* sums, double weight, double count, int64_t first,
                int64_t last) {
    if (count == 0) return;
    const int classes = layout_.classes;
    const double mean = weight / count;
    divided_.assign(sums, sums + int64_t{kSums} * classes);
    for (double& sum : divided_) sum /= mean;
    ratio_gradient_.assign(3 * classes, 0);
    const double* divided = divided_.data();
    double* gradient = ratio_gradient_.data();
    const ClassSums view = {
        classes, count, divided, divided + classes, divided + 2 * classes, divided + 3 * classes};
    const RatioGradient slots = {gradient, gradient + classes, gradient + 2 * classes};
    sums_[k] += mean * terms_[k].ratio->Ratio(view, slots);
    // d(total)/dp of a pixel is w_i times this: the unit's weight `mean` and the division by it
    // cancel.
    const double scale = terms_[k].weight / amounts_[k];
    for (int64_t unit = first; unit < last; ++unit) {
      for (int i = 0; i < 3 * classes; ++i) {
        coefficients_[unit * 3 * classes + i] += static_cast<float>(scale * gradient[i]);
      }
    }
  }

  void Differentiate(float* gradient) {
    if (gradient == nullptr && !HasPixelLosses()) return;
    std::vector<double> by_block(blocks_ * terms_.size());
    ForBlocks([&](int64_t block, Scratch* s) {
      const Span span = SpanOf(block);
      Vectorized([&]() SIMD {
        LoadLabels(span, s);
        if (has_ratios_ && gradient != nullptr) {
          Restore(span, gradient, s);
        } else {
          Exponentiate(span, s);
        }
        Normalize(span, s);
      });
      Start(span, s);
      for (size_t k = 0; k < terms_.size(); ++k) {
        if (terms_[k].pixel == nullptr) continue;
        by_block[block * terms_.size() + k] = AddPixelLoss(terms_[k], s);
      }
      if (gradient != nullptr) Vectorized([&]() SIMD { Store(span, *s, gradient); });
    });
    for (int64_t block = 0; block < blocks_; ++block) {
      for (size_t k = 0; k < terms_.size(); ++k) sums_[k] += by_block[block * terms_.size() + k];
    }
  }

  bool HasPixelLosses() const {
    return std::any_of(terms_.begin(), terms_.end(),
                       [](const BlockTerm& term) { return term.pixel != nullptr; });
  }

  // Gradients begin with what the losses of ratios add.
  void Start(const Span& span, Scratch* s) const {
    std::fill_n(s->dlog, stride_, 0.0F);
    if (!uses_dp_) return;
    std::fill_n(s->dtop, stride_, 0.0F);
    if (!has_ratios_) {
      std::fill_n(s->dp, int64_t{layout_.classes} * stride_, 0.0F);
      return;
    }
    const int classes = layout_.classes;
    if (layout_.pixels_are_units) {
      std::fill_n(s->dp, int64_t{classes} * stride_, 0.0F);
      for (int i = 0; i < span.pixels; ++i) {
        const float* by_class = &coefficients_[(span.first + i) * 3 * classes];
        for (int c = 0; c < classes; ++c) {
          s->dp[c * stride_ + i] = by_class[c] + by_class[2 * classes + c] * s->p[c * stride_ + i] +
                                   (s->y[i] == c ? by_class[classes + c] : 0.0F);
        }
      }
      return;
    }
    const float* by_class = &coefficients_[span.image * 3 * classes];
    Vectorized([&]() SIMD {
      const int stride = stride_;
      const int32_t* __restrict y = s->y;
      for (int c = 0; c < classes; ++c) {
        const float constant = by_class[c], on_target = constant + by_class[classes + c],
                    times_p = by_class[2 * classes + c];
        const float* __restrict p = s->p + c * stride;
        float* __restrict dp = s->dp + c * stride;
        for (int i = 0; i < stride; ++i) {
          dp[i] = Select(y[i] == c, on_target, constant) + times_p * p[i];
        }
      }
    });
  }

  // Adds the gradient of a term; returns the weighted sum of its values.
  double AddPixelLoss(const BlockTerm& term, Scratch* s) const {
    std::fill_n(s->value, stride_, 0.0F);
    const Block block = {layout_.classes, stride_,  s->p,  s->y,    s->log_y, s->p_y, s->rest_y,
                         s->rest,         s->value, s->dp, s->dlog, s->dtop,  epoch_};
    const double scale = total_weight_ > 0 ? term.weight / total_weight_ : 0;
    term.pixel->Add(block, static_cast<float>(scale));
    return Vectorized([&]() SIMD {
      const float* __restrict value = s->value;
      const float* __restrict weight = s->weight;
      float sum = 0;
      // Where nothing weighs, not even an infinity may count.
#pragma omp simd reduction(+ : sum)
      for (int i = 0; i < stride_; ++i) sum += Select(weight[i] > 0, weight[i] * value[i], 0);
      return static_cast<double>(sum);
    });
  }

  // dL/dz_k of every pixel, times its weight, in the logits' layout. With q_k = dL/dp_k and g =
  // dL/dlog p_y:
  //   dL/dz_k = p_k (q_k - sum_c p_c q_c) + g ([k = y] - p_k).
  // Where a class m has p_m > 1/2, 1 - p_m is taken from rest, since differences would cancel, and
  // q_m has a part dtop / (1 - p_m), which is multiplied out:
  //   dL/dz_m = p_m ((1 - p_m) q_m + dtop - dot),       dot: the sum without m
  //   dL/dz_k = p_k (q_k - p_m q_m - dot) - p_k / (1 - p_m) p_m dtop.
  SIMD inline void Store(const Span& span, const Scratch& s, float* gradient) const {
    const int classes = layout_.classes, stride = stride_;
    const float* __restrict dlog = s.dlog;
    const float* __restrict rest_y = s.rest_y;
    const float* __restrict weight = s.weight;
    const int32_t* __restrict y = s.y;
    float* to = gradient + span.image * layout_.image_stride + span.first * layout_.pixel_stride;
    if (!uses_dp_) {
      for (int k = 0; k < classes; ++k) {
        float* __restrict p = s.p + k * stride;
        for (int i = 0; i < stride; ++i) {
          const float z = dlog[i] * Select(y[i] == k, rest_y[i], -p[i]);
          p[i] = Select(weight[i] > 0, weight[i] * z, 0);
        }
        Write(p, k, span, to);
      }
      return;
    }
    Contract(s);
    const float* __restrict at_top = s.value;
    const float* __restrict elsewhere = s.q_top;
    const float* __restrict p_top = s.dtop;
    const float* __restrict inverse = s.rest;
    for (int k = 0; k < classes; ++k) {
      float* __restrict p = s.p + k * stride;
      const float* __restrict dp = s.dp + k * stride;
      for (int i = 0; i < stride; ++i) {
        const bool top = p[i] > 0.5F;
        const float share = Select(top, 0, p[i] * inverse[i]);
        const float own = Select(top, at_top[i], dp[i] - elsewhere[i]);
        const float direct = dlog[i] * Select(y[i] == k, rest_y[i], -p[i]);
        const float z = p[i] * own - share * p_top[i] + direct;
        p[i] = Select(weight[i] > 0, weight[i] * z, 0);
      }
      Write(p, k, span, to);
    }
  }

  // The parts of Store that are the same for all classes but m: value = (1 - p_m) q_m + dtop - dot,
  // q_top = p_m q_m + dot, dtop = p_m dtop and rest = 1 / (1 - p_m); where there is no m, p_m and
  // q_m count as 0 (rest is about 1 there, and at most about 1/2 elsewhere).
  SIMD inline void Contract(const Scratch& s) const {
    const int classes = layout_.classes, stride = stride_;
    float* __restrict dot = s.value;
    float* __restrict q_top = s.q_top;
    float* __restrict dtop = s.dtop;
    float* __restrict rest = s.rest;
    for (int i = 0; i < stride; ++i) dot[i] = q_top[i] = 0;
    for (int c = 0; c < classes; ++c) {
      const float* __restrict p = s.p + c * stride;
      const float* __restrict dp = s.dp + c * stride;
      for (int i = 0; i < stride; ++i) {
        const bool top = p[i] > 0.5F;
        dot[i] += Select(top, 0, p[i] * dp[i]);
        q_top[i] += Select(top, dp[i], 0);
      }
    }
    for (int i = 0; i < stride; ++i) {
      const float p_top = Select(rest[i] < 0.75F, 1 - rest[i], 0);
      const float at_top = rest[i] * q_top[i] + dtop[i] - dot[i];
      const float elsewhere = p_top * q_top[i] + dot[i];
      dot[i] = at_top;
      q_top[i] = elsewhere;
      dtop[i] *= p_top;
      rest[i] = 1 / rest[i];
    }
  }

  SIMD inline void Write(const float* __restrict row, int k, const Span& span,
                         float* __restrict to) const {
    const int64_t step = layout_.pixel_stride;
    to += k * layout_.class_stride;
    if (step == 1) {
      for (int i = 0; i < span.pixels; ++i) to[i] = row[i];
    } else {
      for (int i = 0; i < span.pixels; ++i) to[i * step] = row[i];
    }
  }

  const Layout layout_;
  const float* const logits_;
  const int64_t* const labels_;
  const float* const weight_;
  const int64_t epoch_;
  const std::vector<BlockTerm>& terms_;
  int stride_ = 0;
  int64_t per_image_ = 0, blocks_ = 0;
  bool has_ratios_ = false, uses_dp_ = false;

  std::vector<double> unit_weight_, unit_count_;
  double total_weight_ = 0;
  std::vector<double> class_sums_;                // [units][kSums][classes]
  std::vector<float> coefficients_;               // [units][3][classes]
  std::vector<double> divided_, ratio_gradient_;  // of AddRatio
  std::vector<double> sums_, amounts_;            // by term
};

}  // namespace

BlockResult FuseBlocks(const at::Tensor& logits, const at::Tensor& labels, const at::Tensor& weight,
                       int64_t epoch, const std::vector<BlockTerm>& terms, bool with_gradient) {
  const bool in_place = logits.is_contiguous() ||
                        (logits.dim() == 4 && logits.is_contiguous(at::MemoryFormat::ChannelsLast));
  const at::Tensor source = in_place ? logits : logits.contiguous();
  const at::Tensor gradient = with_gradient ? at::empty_like(source) : at::Tensor();
  if (source.numel() == 0) {
    return {gradient, std::vector<double>(terms.size()), std::vector<double>(terms.size())};
  }
  Fusion fusion(source, labels, weight, epoch, terms);
  BlockResult result = fusion.Run(with_gradient ? gradient.data_ptr<float>() : nullptr);
  result.gradient = gradient;
  return result;
}

}  // namespace losses
