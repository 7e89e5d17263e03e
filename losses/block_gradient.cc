// dL/dz_k of every pixel. With q_k = dL/dp_k, g = dL/dlog p_y and h = dL/d(sum_c v_c log p_c):
//   dL/dz_k = p_k (q_k - sum_c p_c q_c) + g ([k = y] - p_k) + h (v_k - p_k sum_c v_c).
// Where a class m has p_m > 1/2, 1 - p_m is taken from rest, since differences would cancel, and
// q_m has a part dtop / (1 - p_m), which is multiplied out:
//   dL/dz_m = p_m ((1 - p_m) q_m + dtop - dot),       dot: the sum without m
//   dL/dz_k = p_k (q_k - p_m q_m - dot) - p_k / (1 - p_m) p_m dtop.
#include "losses/block_gradient.h"

#include "kernels/simd.h"

namespace losses {
namespace {

using kernels::Select;
using kernels::Vectorized;

SIMD inline void Write(const Layout& layout, const Span& span, int k, const float* __restrict row,
                       float* gradient) {
  const int64_t step = layout.pixel_stride;
  float* __restrict to =
      gradient + span.image * layout.image_stride + span.first * step + k * layout.class_stride;
  if (step == 1) {
    for (int i = 0; i < span.pixels; ++i) to[i] = row[i];
  } else {
    for (int i = 0; i < span.pixels; ++i) to[i * step] = row[i];
  }
}

// The parts that are the same for all classes but m: value = (1 - p_m) q_m + dtop - dot, q_top =
// p_m q_m + dot, dtop = p_m dtop and rest = 1 / (1 - p_m); where there is no m, p_m and q_m count
// as 0 (rest is about 1 there, and at most about 1/2 elsewhere).
SIMD inline void Contract(int classes, int stride, const Scratch& s) {
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

// The plane of class k, of g alone.
SIMD inline void ByTarget(int k, int stride, const Scratch& s) {
  const float* __restrict dlog = s.dlog;
  const float* __restrict rest_y = s.rest_y;
  const float* __restrict weight = s.weight;
  const int32_t* __restrict y = s.y;
  float* __restrict p = s.p + k * stride;
  for (int i = 0; i < stride; ++i) {
    const float z = dlog[i] * Select(y[i] == k, rest_y[i], -p[i]);
    p[i] = Select(weight[i] > 0, weight[i] * z, 0);
  }
}

// The plane of class k, of g and q, after Contract.
SIMD inline void ByAll(int k, int stride, const Scratch& s) {
  const float* __restrict dlog = s.dlog;
  const float* __restrict rest_y = s.rest_y;
  const float* __restrict weight = s.weight;
  const int32_t* __restrict y = s.y;
  const float* __restrict at_top = s.value;
  const float* __restrict elsewhere = s.q_top;
  const float* __restrict p_top = s.dtop;
  const float* __restrict inverse = s.rest;
  const float* __restrict dp = s.dp + k * stride;
  float* __restrict p = s.p + k * stride;
  for (int i = 0; i < stride; ++i) {
    const bool top = p[i] > 0.5F;
    const float share = Select(top, 0, p[i] * inverse[i]);
    const float own = Select(top, at_top[i], dp[i] - elsewhere[i]);
    const float direct = dlog[i] * Select(y[i] == k, rest_y[i], -p[i]);
    const float z = p[i] * own - share * p_top[i] + direct;
    p[i] = Select(weight[i] > 0, weight[i] * z, 0);
  }
}

// What h adds to the plane of class k: before p is written over.
SIMD inline void SpareLogs(int k, int stride, float own, float total, const Scratch& s) {
  const float* __restrict p = s.p + k * stride;
  const float* __restrict dlog_sum = s.dlog_sum;
  const float* __restrict weight = s.weight;
  float* __restrict spare = s.spare;
  for (int i = 0; i < stride; ++i) {
    spare[i] = Select(weight[i] > 0, weight[i] * dlog_sum[i] * (own - p[i] * total), 0);
  }
}

SIMD inline void AddSpare(int k, int stride, const Scratch& s) {
  float* __restrict p = s.p + k * stride;
  const float* __restrict spare = s.spare;
  for (int i = 0; i < stride; ++i) p[i] += spare[i];
}

}  // namespace

void StoreGradient(const Layout& layout, const Span& span, int stride, const Derivatives& used,
                   Scratch* s, float* gradient) {
  float total = 0;
  if (used.log_weights != nullptr) {
    for (const float weight : *used.log_weights) total += weight;
  }
  Vectorized([&]() SIMD {
    if (used.dp) Contract(layout.classes, stride, *s);
    for (int k = 0; k < layout.classes; ++k) {
      if (used.log_weights != nullptr) SpareLogs(k, stride, (*used.log_weights)[k], total, *s);
      if (used.dp) {
        ByAll(k, stride, *s);
      } else {
        ByTarget(k, stride, *s);
      }
      if (used.log_weights != nullptr) AddSpare(k, stride, *s);
      Write(layout, span, k, s->p + k * stride, gradient);
    }
  });
}

}  // namespace losses
