// Weighted sums over images.
#include "losses/overlap.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/ones_like.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros_like.h>

namespace losses {
namespace {

// [N, C, ...] to [U, C, pixels].
at::Tensor ByUnit(const at::Tensor& values, bool whole_batch) {
  const at::Tensor pixels = values.dim() == 2 ? values.unsqueeze(2) : values.flatten(2);
  if (!whole_batch) return pixels;
  return pixels.transpose(0, 1).reshape({1, pixels.size(1), -1});
}

}  // namespace

Overlap SumOverlap(const LossInput& input, bool whole_batch, bool squared) {
  const at::Tensor p = ByUnit(input.probabilities(), whole_batch);
  const at::Tensor t = ByUnit(input.one_hot(), whole_batch);
  const at::Tensor weight = input.weight().reshape({p.size(0), 1, -1});
  const at::Tensor counted = (weight > 0).sum(2, /*keepdim=*/true).clamp_min(1);
  const at::Tensor mean = weight.sum(2, /*keepdim=*/true) / counted;
  const at::Tensor v = weight / at::where(mean > 0, mean, at::ones_like(mean));
  return {mean.flatten(), v.sum({1, 2}), (p * t * v).sum(2),
          ((squared ? p.square() : p) * v).sum(2), (t * v).sum(2)};
}

LossValue PerUnit(const Overlap& overlap, const at::Tensor& losses) {
  // A unit without weight adds exactly nothing, whatever its ratio came to.
  return {at::where(overlap.weight > 0, losses * overlap.weight, at::zeros_like(losses)),
          overlap.weight};
}

}  // namespace losses
