// Weighted sums over images.
#include "losses/overlap.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/ones_like.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros_like.h>

#include <utility>

namespace losses {
namespace {

// [N, C, ...] to [U, C, pixels].
at::Tensor ByUnit(const at::Tensor& values, bool whole_batch) {
  const at::Tensor pixels = values.dim() == 2 ? values.unsqueeze(2) : values.flatten(2);
  if (!whole_batch) return pixels;
  return pixels.transpose(0, 1).reshape({1, pixels.size(1), -1});
}

thread_local const pipeline::Processes* sharing = nullptr;
thread_local bool asked = false;

// The sum over processes. Each has 1 / size of what is made of it, and all of the gradient with
// respect to its own part: so the gradient counts `size` times.
at::Tensor Shared(const at::Tensor& own) {
  const at::Tensor sum = sharing->Sum(own.detach());
  const at::Tensor scaled = own * sharing->size();
  return sum + (scaled - scaled.detach());
}

Overlap SumShared(const LossInput& input, bool squared) {
  asked = true;
  const at::Tensor p = ByUnit(input.probabilities(), true), t = ByUnit(input.one_hot(), true);
  const at::Tensor weight = input.weight().reshape({1, 1, -1});
  const at::Tensor total = sharing->Sum(weight.sum(2, /*keepdim=*/true));
  const at::Tensor counted = sharing->Sum((weight > 0).sum(2, /*keepdim=*/true)).clamp_min(1);
  const at::Tensor mean = total / counted;
  const at::Tensor v = weight / at::where(mean > 0, mean, at::ones_like(mean));
  return {mean.flatten() / sharing->size(), sharing->Sum(v.sum({1, 2})), Shared((p * t * v).sum(2)),
          Shared(((squared ? p.square() : p) * v).sum(2)), Shared((t * v).sum(2))};
}

}  // namespace

SharedSums::SharedSums(const pipeline::Processes* processes) { sharing = processes; }
SharedSums::~SharedSums() { sharing = nullptr; }
bool SharedSums::WereAsked() { return std::exchange(asked, false); }

Overlap SumOverlap(const LossInput& input, bool whole_batch, bool squared) {
  if (whole_batch && sharing != nullptr) return SumShared(input, squared);
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
