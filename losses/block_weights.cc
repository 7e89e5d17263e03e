// Sums of weights over units.
#include "losses/block_weights.h"

#include <ATen/Parallel.h>

#include "kernels/simd.h"

namespace losses {
namespace {

constexpr int64_t kBlocksPerThread = 8;

// By block, so that the number of threads changes nothing.
void SumImages(const Blocks& blocks, const float* weight, UnitWeights* units) {
  std::vector<double> weights(blocks.count), counts(blocks.count);
  at::parallel_for(0, blocks.count, kBlocksPerThread, [&](int64_t begin, int64_t end) {
    for (int64_t block = begin; block < end; ++block) {
      const Span span = blocks.SpanOf(block);
      const float* from = weight + span.image * blocks.pixels + span.first;
      kernels::Vectorized([&]() SIMD {
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
  for (int64_t block = 0; block < blocks.count; ++block) {
    units->weight[blocks.ImageOf(block)] += weights[block];
    units->count[blocks.ImageOf(block)] += counts[block];
  }
}

}  // namespace

UnitWeights::UnitWeights(const Layout& layout, const Blocks& blocks, const float* weights)
    : weight(layout.units()), count(layout.units()) {
  if (layout.pixels_are_units) {
    for (int64_t i = 0; i < layout.pixels; ++i) {
      weight[i] = weights == nullptr ? 1 : weights[i];
      count[i] = weight[i] > 0 ? 1 : 0;
    }
  } else if (weights == nullptr) {
    weight.assign(layout.units(), static_cast<double>(layout.pixels));
    count = weight;
  } else {
    SumImages(blocks, weights, this);
  }
  for (const double unit : weight) total += unit;
}

}  // namespace losses
