// Class sums by block, ratios by unit.
#include "losses/block_ratios.h"

#include <algorithm>

#include "kernels/simd.h"

namespace losses {
namespace {

using kernels::Select;
using kernels::Vectorized;

// Sums over a unit of w, by class: of p t, p, p^2 and t.
constexpr int64_t kSums = 4;

}  // namespace

BlockRatios::BlockRatios(const Layout& layout, const Blocks& blocks, const UnitWeights& units,
                         const std::vector<BlockTerm>& terms)
    : layout_(layout),
      blocks_(blocks),
      units_(units),
      terms_(terms),
      by_block_(layout.pixels_are_units ? 0 : blocks.count * kSums * layout.classes),
      class_sums_(layout.units() * kSums * layout.classes),
      coefficients_(layout.units() * 3 * layout.classes) {}

void BlockRatios::AddBlock(int64_t block, Scratch* s) {
  if (layout_.pixels_are_units) return ListPixels(blocks_.SpanOf(block), s);
  SumBlock(*s, &by_block_[block * kSums * layout_.classes]);
}

void BlockRatios::SumBlock(const Scratch& s, double* sums) const {
  Vectorized([&]() SIMD {
    const int classes = layout_.classes, stride = blocks_.stride;
    const int32_t* __restrict y = s.y;
    const float* __restrict weight = s.weight;
    const float* __restrict inverse = s.value;
    for (int c = 0; c < classes; ++c) {
      float* __restrict row = s.p + c * stride;
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
  });
}

// The same where every pixel is a unit.
void BlockRatios::ListPixels(const Span& span, Scratch* s) {
  const int classes = layout_.classes, stride = blocks_.stride;
  for (int i = 0; i < span.pixels; ++i) {
    double* sums = &class_sums_[(span.first + i) * kSums * classes];
    const double w = s->weight[i];
    for (int c = 0; c < classes; ++c) {
      const double p = s->p[c * stride + i] *= s->value[i];
      if (!(w > 0)) continue;
      sums[classes + c] = w * p;
      sums[2 * classes + c] = w * p * p;
      if (c != s->y[i]) continue;
      sums[c] = w * p;
      sums[3 * classes + c] = w;
    }
  }
}

void BlockRatios::AddUp() {
  const int64_t row = kSums * layout_.classes;
  if (!layout_.pixels_are_units) {
    for (int64_t block = 0; block < blocks_.count; ++block) {
      double* sums = &class_sums_[blocks_.ImageOf(block) * row];
      for (int64_t i = 0; i < row; ++i) sums[i] += by_block_[block * row + i];
    }
  }
  totals_.assign(2 + row, 0);
  for (int64_t unit = 0; unit < layout_.units(); ++unit) {
    if (units_.count[unit] > 0) totals_[0] += units_.weight[unit] / units_.count[unit];
    totals_[1] += units_.count[unit];
    for (int64_t i = 0; i < row; ++i) totals_[2 + i] += class_sums_[unit * row + i];
  }
}

void BlockRatios::Finish(double weight, BlockResult* result) {
  const int64_t row = kSums * layout_.classes;
  for (size_t k = 0; k < terms_.size(); ++k) {
    const RatioLoss* ratio = terms_[k].ratio;
    if (ratio == nullptr) continue;
    if (ratio->whole_batch()) {
      AddBatchRatio(k, weight, result);
      continue;
    }
    result->amounts[k] = totals_[0];
    for (int64_t unit = 0; unit < layout_.units(); ++unit) {
      AddRatio(k, &class_sums_[unit * row], units_.weight[unit], units_.count[unit], unit, unit + 1,
               result);
    }
  }
}

void BlockRatios::AddBatchRatio(size_t k, double weight, BlockResult* result) {
  const double count = totals_[1];
  if (count > 0) result->amounts[k] = weight / count;
  AddRatio(k, totals_.data() + 2, weight, count, 0, layout_.units(), result);
}

// One unit's loss of term k; its gradient goes to the pixels of [first, last).
void BlockRatios::AddRatio(size_t k, const double* sums, double weight, double count, int64_t first,
                           int64_t last, BlockResult* result) {
  if (count == 0) return;
  const int classes = layout_.classes;
  const double mean = weight / count;
  divided_.assign(sums, sums + kSums * classes);
  for (double& sum : divided_) sum /= mean;
  ratio_gradient_.assign(3 * static_cast<size_t>(classes), 0);
  const double* divided = divided_.data();
  double* gradient = ratio_gradient_.data();
  const ClassSums view = {
      classes, count, divided, divided + classes, divided + 2 * classes, divided + 3 * classes};
  const RatioGradient slots = {gradient, gradient + classes, gradient + 2 * classes};
  result->sums[k] += mean * terms_[k].ratio->Ratio(view, slots);
  // d(total)/dp of a pixel is w_i times this: the unit's weight `mean` and the division by it
  // cancel.
  const double scale = terms_[k].weight / result->amounts[k];
  for (int64_t unit = first; unit < last; ++unit) {
    for (int i = 0; i < 3 * classes; ++i) {
      coefficients_[unit * 3 * classes + i] += static_cast<float>(scale * gradient[i]);
    }
  }
}

void BlockRatios::Start(const Span& span, Scratch* s) const {
  if (layout_.pixels_are_units) return StartPixels(span, s);
  const int classes = layout_.classes;
  const float* by_class = &coefficients_[span.image * 3 * classes];
  Vectorized([&]() SIMD {
    const int stride = blocks_.stride, count = classes;
    const int32_t* __restrict y = s->y;
    for (int c = 0; c < count; ++c) {
      const float constant = by_class[c], on_target = constant + by_class[count + c],
                  times_p = by_class[2 * count + c];
      const float* __restrict p = s->p + c * stride;
      float* __restrict dp = s->dp + c * stride;
      for (int i = 0; i < stride; ++i) {
        dp[i] = Select(y[i] == c, on_target, constant) + times_p * p[i];
      }
    }
  });
}

void BlockRatios::StartPixels(const Span& span, Scratch* s) const {
  const int classes = layout_.classes, stride = blocks_.stride;
  std::fill_n(s->dp, int64_t{classes} * stride, 0.0F);
  for (int i = 0; i < span.pixels; ++i) {
    const float* by_class = &coefficients_[(span.first + i) * 3 * classes];
    for (int c = 0; c < classes; ++c) {
      s->dp[c * stride + i] = by_class[c] + by_class[2 * classes + c] * s->p[c * stride + i] +
                              (s->y[i] == c ? by_class[classes + c] : 0.0F);
    }
  }
}

}  // namespace losses
