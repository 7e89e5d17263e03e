// Loops over parameters, for the processor's best instruction set.
#include "pipeline/training/optimizer_kernels.h"

#include <algorithm>
#include <cmath>

#include "kernels/simd.h"

namespace pipeline {
namespace {

constexpr float kBeta1 = 0.9F, kBeta2 = 0.999F, kEpsilon = 1e-8F, kMomentum = 0.9F;
// Floats are summed within a block, doubles across.
constexpr int64_t kBlock = 1024;

SIMD inline void AdamLoop(const UpdateRule r, int64_t n, const float* __restrict g,
                          float* __restrict p, float* __restrict m, float* __restrict v) {
  for (int64_t i = 0; i < n; ++i) {
    const float gradient = g[i] * r.gradient_factor + r.penalty * p[i];
    m[i] = kBeta1 * m[i] + (1 - kBeta1) * gradient;
    v[i] = kBeta2 * v[i] + (1 - kBeta2) * gradient * gradient;
    p[i] = r.shrink * p[i] - r.rate * m[i] / (std::sqrt(v[i]) * r.second_scale + kEpsilon);
  }
}

SIMD inline void SgdLoop(const UpdateRule r, bool first, int64_t n, const float* __restrict g,
                         float* __restrict p, float* __restrict m) {
  const float kept = first ? 0 : kMomentum;
  for (int64_t i = 0; i < n; ++i) {
    const float gradient = g[i] * r.gradient_factor + r.penalty * p[i];
    m[i] = kept * m[i] + gradient;
    p[i] -= r.rate * (gradient + kMomentum * m[i]);
  }
}

}  // namespace

void UpdateAdam(const UpdateRule& rule, int64_t n, const float* __restrict g, float* __restrict p,
                float* __restrict m, float* __restrict v) {
  kernels::Vectorized([=]() SIMD { AdamLoop(rule, n, g, p, m, v); });
}

void UpdateSgd(const UpdateRule& rule, bool first, int64_t n, const float* __restrict g,
               float* __restrict p, float* __restrict m) {
  kernels::Vectorized([=]() SIMD { SgdLoop(rule, first, n, g, p, m); });
}

double SumOfSquares(int64_t n, const float* g) {
  const double quick = kernels::Vectorized([=]() SIMD {
    double total = 0;
    for (int64_t begin = 0; begin < n; begin += kBlock) {
      const int64_t end = std::min(n, begin + kBlock);
      float sum = 0;
#pragma omp simd reduction(+ : sum)
      for (int64_t i = begin; i < end; ++i) sum += g[i] * g[i];
      total += sum;
    }
    return total;
  });
  if (std::isfinite(quick)) return quick;
  double total = 0;  // squares of some floats are no floats
  for (int64_t i = 0; i < n; ++i) total += double{g[i]} * g[i];
  return total;
}

}  // namespace pipeline
