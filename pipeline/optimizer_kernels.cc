// Loops that the compiler vectorises for each instruction set; the processor chooses at run time.
#include "pipeline/optimizer_kernels.h"

#include <algorithm>
#include <cmath>

// Not every platform can choose between clones when a program is loaded.
#if defined(__x86_64__) && defined(__linux__) && defined(__GNUC__) && !defined(__clang__) && \
    !defined(__SANITIZE_ADDRESS__)
#define CLONES __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define CLONES
#endif

namespace pipeline {
namespace {

constexpr float kBeta1 = 0.9F, kBeta2 = 0.999F, kEpsilon = 1e-8F, kMomentum = 0.9F;
// Floats are summed within a block, doubles across.
constexpr int64_t kBlock = 1024;

}  // namespace

CLONES void UpdateAdam(const UpdateRule& rule, int64_t n, const float* __restrict g,
                       float* __restrict p, float* __restrict m, float* __restrict v) {
  const UpdateRule r = rule;
  for (int64_t i = 0; i < n; ++i) {
    const float gradient = g[i] * r.gradient_factor + r.penalty * p[i];
    m[i] = kBeta1 * m[i] + (1 - kBeta1) * gradient;
    v[i] = kBeta2 * v[i] + (1 - kBeta2) * gradient * gradient;
    p[i] = r.shrink * p[i] - r.rate * m[i] / (std::sqrt(v[i]) * r.second_scale + kEpsilon);
  }
}

CLONES void UpdateSgd(const UpdateRule& rule, bool first, int64_t n, const float* __restrict g,
                      float* __restrict p, float* __restrict m) {
  const UpdateRule r = rule;
  const float kept = first ? 0 : kMomentum;
  for (int64_t i = 0; i < n; ++i) {
    const float gradient = g[i] * r.gradient_factor + r.penalty * p[i];
    m[i] = kept * m[i] + gradient;
    p[i] -= r.rate * (gradient + kMomentum * m[i]);
  }
}

CLONES double SumOfSquares(int64_t n, const float* g) {
  double total = 0;
  for (int64_t begin = 0; begin < n; begin += kBlock) {
    const int64_t end = std::min(n, begin + kBlock);
    float sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int64_t i = begin; i < end; ++i) sum += g[i] * g[i];
    total += sum;
  }
  return total;
}

}  // namespace pipeline
