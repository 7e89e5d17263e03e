// Losses fused over random batches, in block form or by tensors.
#ifndef TESTS_FUSIONS_H_
#define TESTS_FUSIONS_H_

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/rand.h>
#include <ATen/ops/randint.h>
#include <ATen/ops/randn.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "losses/fusion.h"
#include "tests/oracle.h"

namespace testing_support {

inline const pipeline::Step kStep;

inline std::unique_ptr<losses::Loss> Make(const std::string& name,
                                          const std::string& options = "") {
  auto made = losses::Losses::Get().Create(PluginOf("losses/" + name, options));
  EXPECT_TRUE(made.ok()) << made.status();
  return *std::move(made);
}

struct Batch {
  at::Tensor logits, labels, weight;  // float64
};

// With ignored labels, if `ignored`, and weights of 0.5 to 1.5, if `weighted`.
inline Batch RandomBatch(const std::vector<int64_t>& shape, double scale, bool ignored,
                         bool weighted) {
  std::vector<int64_t> label_shape = shape;
  label_shape.erase(label_shape.begin() + 1);
  Batch batch = {at::randn(shape, at::kDouble) * scale,
                 at::randint(shape[1], label_shape, at::kLong), at::Tensor()};
  if (weighted) batch.weight = at::rand(label_shape, at::kDouble) + 0.5;
  if (ignored) {
    const at::Tensor out = at::rand(label_shape) < 0.2;
    batch.labels.masked_fill_(out, pipeline::kIgnoredLabel);
    if (!weighted) batch.weight = at::ones(label_shape, at::kDouble);
    batch.weight = batch.weight.masked_fill(out, 0);
  }
  return batch;
}

struct Result {
  double total = 0;
  at::Tensor gradient;
  losses::FusedValue value;
};

inline Result RunFusion(const Batch& batch, const std::vector<losses::Term>& terms,
                        at::ScalarType type, bool use_blocks,
                        at::MemoryFormat format = at::MemoryFormat::Contiguous) {
  const at::Tensor leaf =
      batch.logits.to(type).contiguous(format).detach().clone(format).requires_grad_();
  const at::Tensor weight = batch.weight.defined() ? batch.weight.to(type) : batch.weight;
  Result result;
  result.value = losses::Fuse(kStep, leaf, batch.labels, weight, terms, use_blocks);
  result.total = result.value.total.item<double>();
  result.gradient = torch::autograd::grad({result.value.total}, {leaf})[0];
  return result;
}

inline double RelativeError(const at::Tensor& a, const at::Tensor& b) {
  const at::Tensor expected = b.to(at::kDouble);
  return ((a.to(at::kDouble) - expected).norm() / expected.norm().clamp_min(1e-30)).item<double>();
}

}  // namespace testing_support

#endif  // TESTS_FUSIONS_H_
