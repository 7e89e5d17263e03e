// Softmax of blocks, exact also where logits lie far apart.
#include "losses/block_softmax.h"

#include <algorithm>
#include <cmath>

#include "kernels/simd.h"

namespace losses {
namespace {

using kernels::Exp;
using kernels::Log;
using kernels::LogOneMinus;
using kernels::Select;
using kernels::Vectorized;

// Logits further below the greatest count as this far below: probabilities stay normal numbers.
constexpr float kLeastLogit = -80;
// Where the target's probability, or all but one class's together, is below this, some may have
// been bounded by it: a little above exp(-64), which bounded ones change by less than rounding.
constexpr float kDistant = 1.7e-28F;

}  // namespace

const float* BlockSoftmax::RowOf(const Span& span, int c) const {
  return logits_ + span.image * layout_.image_stride + span.first * layout_.pixel_stride +
         c * layout_.class_stride;
}

void BlockSoftmax::LoadLabels(const Span& span, Scratch* s) const {
  Vectorized([&]() SIMD {
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
  });
}

void BlockSoftmax::Exponentiate(const Span& span, Scratch* s) const {
  Vectorized([&]() SIMD {
    const int classes = layout_.classes, stride = stride_, pixels = span.pixels;
    const int64_t step = layout_.pixel_stride, class_stride = layout_.class_stride;
    const float* from = logits_ + span.image * layout_.image_stride + span.first * step;
    float* __restrict top = s->dlog;  // unused so far
    float* __restrict sum = s->value;
    for (int c = 0; c < classes; ++c) {
      const float* __restrict row = from + c * class_stride;
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
  });
}

// As planes: channels-last logits give a block one stretch of memory.
float* BlockSoftmax::PlaneOf(float* gradient, const Span& span, int c) const {
  gradient += span.image * layout_.image_stride;
  return layout_.pixel_stride == 1
             ? gradient + c * layout_.class_stride + span.first
             : gradient + span.first * layout_.classes + int64_t{c} * span.pixels;
}

void BlockSoftmax::Keep(const Span& span, const Scratch& s, float* gradient) const {
  for (int c = 0; c < layout_.classes; ++c) {
    std::copy_n(s.p + c * stride_, span.pixels, PlaneOf(gradient, span, c));
  }
}

void BlockSoftmax::Restore(const Span& span, float* gradient, Scratch* s) const {
  Vectorized([&]() SIMD {
    const int classes = layout_.classes, stride = stride_, pixels = span.pixels;
    for (int c = 0; c < classes; ++c) {
      const float* __restrict from = PlaneOf(gradient, span, c);
      float* __restrict to = s->p + c * stride;
      for (int i = 0; i < pixels; ++i) to[i] = from[i];
      for (int i = pixels; i < stride; ++i) to[i] = 0;
    }
    float* __restrict inverse = s->value;
    for (int i = 0; i < stride; ++i) inverse[i] = 1;
  });
}

void BlockSoftmax::Normalize(const Span& span, Scratch* s) const {
  const int distant = Vectorized([&]() SIMD {
    const int classes = layout_.classes, stride = stride_;
    const float* __restrict inverse = s->value;
    const int32_t* __restrict y = s->y;
    float* __restrict rest = s->rest;
    float* __restrict excess = s->excess;
    float* __restrict p_y = s->p_y;
    for (int i = 0; i < stride; ++i) rest[i] = p_y[i] = excess[i] = 0;
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
    int found = 0;
    for (int i = 0; i < stride; ++i) {
      rest_y[i] = Select(p_y[i] > 0.5F, rest[i], 1 - p_y[i]);
      // Near 1, log p is what is left of 1.
      log_y[i] = Select(rest_y[i] < 0.29F, LogOneMinus(rest_y[i]), Log(p_y[i]));
      found |= p_y[i] <= kDistant ? 1 : 0;
    }
    return found;
  });
  if (distant != 0) TakeLogits(span, s);
}

void BlockSoftmax::TakeLogits(const Span& span, Scratch* s) const {
  for (int i = 0; i < span.pixels; ++i) {
    if (s->p_y[i] <= kDistant) TakeLogits(span, i, s);
  }
}

// log p of the target. Where one other class has nearly all, `rest` is then wrong as well: its
// parts are raised together until the greatest is at kLeastLogit, and `excess` says by how much.
void BlockSoftmax::TakeLogits(const Span& span, int pixel, Scratch* s) const {
  const int classes = layout_.classes;
  const float* z = RowOf(span, 0) + pixel * layout_.pixel_stride;
  const auto logit = [&](int c) { return double{z[c * layout_.class_stride]}; };
  int top = 0;
  for (int c = 1; c < classes; ++c) top = logit(c) > logit(top) ? c : top;
  double sum = 0, second = logit(s->y[pixel]);
  for (int c = 0; c < classes; ++c) {
    sum += std::exp(logit(c) - logit(top));
    if (c != top) second = std::max(second, logit(c));
  }
  s->log_y[pixel] = static_cast<float>(logit(s->y[pixel]) - logit(top) - std::log(sum));
  const double raised = std::max(0.0, kLeastLogit + logit(top) - second);
  if (!(s->rest[pixel] <= kDistant) || !std::isfinite(raised)) return;
  s->excess[pixel] = static_cast<float>(raised);
  s->rest[pixel] = 0;
  for (int c = 0; c < classes; ++c) {
    if (c == top) continue;
    const auto p = static_cast<float>(std::exp(logit(c) - logit(top) + raised));
    s->p[c * stride_ + pixel] = p;
    s->rest[pixel] += p;
  }
}

// sum_c v_c log p_c = V log p_y + sum_c v_c (z_c - z_y), with V the sum of the v_c.
void BlockSoftmax::SumLogs(const Span& span, const std::vector<float>& class_weights,
                           Scratch* s) const {
  Vectorized([&]() SIMD {
    const int classes = layout_.classes, stride = stride_, pixels = span.pixels;
    const int64_t step = layout_.pixel_stride;
    const int32_t* __restrict y = s->y;
    const float* __restrict log_y = s->log_y;
    float* __restrict own = s->spare;  // z_y
    float* __restrict sum = s->log_sum;
    float total = 0;
    for (const float weight : class_weights) total += weight;
    for (int i = 0; i < stride; ++i) own[i] = 0;
    for (int i = 0; i < stride; ++i) sum[i] = total * log_y[i];
    for (int c = 0; c < classes; ++c) {
      const float* __restrict row = RowOf(span, c);
      for (int i = 0; i < pixels; ++i) own[i] += Select(y[i] == c, row[i * step], 0);
    }
    for (int c = 0; c < classes; ++c) {
      const float* __restrict row = RowOf(span, c);
      const float weight = class_weights[c];
      for (int i = 0; i < pixels; ++i) sum[i] += weight * (row[i * step] - own[i]);
    }
  });
}

}  // namespace losses
