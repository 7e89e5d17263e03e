// Hooks behind the gradients' accumulation fill buckets.
#include "pipeline/parallel/buckets.h"

#include <ATen/core/Tensor.h>
#include <ATen/ops/zeros.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/function.h>
#include <torch/csrc/autograd/utils/lambda_post_hook.h>
#include <torch/csrc/autograd/variable.h>

#include <utility>

namespace pipeline {
namespace {

// The gradients that come first are few, so that sending begins early.
constexpr int64_t kFirstBucketBytes = 1 << 20, kBucketBytes = 25 << 20;

// Gradients of a few parameters, one after the other in the order in which they lie in memory.
struct Bucket {
  std::vector<size_t> parameters;
  at::Tensor values;
  size_t missing = 0;          // gradients of this step
  std::function<void()> wait;  // until the sum is there
};

class BucketSum : public GradientSum {
 public:
  BucketSum(std::vector<at::Tensor> parameters, StartSum start)
      : parameters_(std::move(parameters)), start_(std::move(start)), slots_(parameters_.size()) {
    Deal();
    for (size_t i = 0; i < parameters_.size(); ++i) {
      accumulators_.push_back(torch::autograd::impl::grad_accumulator(parameters_[i]));
      hooks_.push_back(
          accumulators_[i]->add_post_hook(std::make_unique<torch::autograd::utils::LambdaPostHook>(
              [this, i](const torch::autograd::variable_list& outputs,
                        const torch::autograd::variable_list&) {
                if (begun_) Take(i);
                return outputs;
              })));
    }
  }

  ~BucketSum() override {
    for (size_t i = 0; i < hooks_.size(); ++i) accumulators_[i]->del_post_hook(hooks_[i]);
  }

  void Begin() override {
    begun_ = true;
    next_ = 0;
    taken_.assign(parameters_.size(), false);
    for (Bucket& bucket : buckets_) bucket.missing = bucket.parameters.size();
  }

  void Finish() override {
    // What backward has not reached here it reached nowhere: all run the same graph. Its gradient
    // is that of earlier batches, or none.
    for (size_t i = 0; i < parameters_.size(); ++i) {
      if (!taken_[i]) Settle(i, parameters_[i].grad());
    }
    begun_ = false;
    for (Bucket& bucket : buckets_) bucket.wait();
    for (size_t i = 0; i < parameters_.size(); ++i) {
      if (parameters_[i].grad().defined()) parameters_[i].mutable_grad() = slots_[i];
    }
  }

 private:
  void Deal() {
    int64_t bytes = 0, most = kFirstBucketBytes;
    for (size_t i = parameters_.size(); i-- > 0;) {
      const at::Tensor& parameter = parameters_[i];
      const auto own = static_cast<int64_t>(parameter.nbytes());
      const bool fits =
          !buckets_.empty() && bytes + own <= most &&
          parameters_[buckets_.back().parameters[0]].options().type_equal(parameter.options());
      if (!fits) {
        if (!buckets_.empty()) most = kBucketBytes;
        buckets_.emplace_back();
        bytes = 0;
      }
      buckets_.back().parameters.push_back(i);
      bytes += own;
    }
    bucket_of_.resize(parameters_.size());
    for (size_t b = 0; b < buckets_.size(); ++b) Allocate(b);
  }

  void Allocate(size_t b) {
    Bucket& bucket = buckets_[b];
    int64_t count = 0;
    for (const size_t i : bucket.parameters) count += parameters_[i].numel();
    bucket.values =
        at::zeros({count}, parameters_[bucket.parameters[0]].options().requires_grad(false));
    int64_t offset = 0;
    for (const size_t i : bucket.parameters) {
      const at::Tensor& parameter = parameters_[i];
      bucket_of_[i] = b;
      slots_[i] = parameter.is_non_overlapping_and_dense()
                      ? bucket.values.as_strided(parameter.sizes(), parameter.strides(), offset)
                      : bucket.values.narrow(0, offset, parameter.numel()).view(parameter.sizes());
      offset += parameter.numel();
    }
  }

  void Take(size_t i) {
    taken_[i] = true;
    Settle(i, parameters_[i].grad());
  }

  void Settle(size_t i, const at::Tensor& gradient) {
    const c10::NoGradGuard no_gradients;
    if (gradient.defined()) {
      slots_[i].copy_(gradient);
    } else {
      slots_[i].zero_();
    }
    --buckets_[bucket_of_[i]].missing;
    for (; next_ < buckets_.size() && buckets_[next_].missing == 0; ++next_) {
      buckets_[next_].wait = start_(buckets_[next_].values);
    }
  }

  const std::vector<at::Tensor> parameters_;
  const StartSum start_;
  std::vector<Bucket> buckets_;
  std::vector<size_t> bucket_of_;
  std::vector<at::Tensor> slots_;  // of the parameters, in the buckets
  std::vector<bool> taken_;
  size_t next_ = 0;  // bucket to be sent
  bool begun_ = false;
  // Pointers of another kind in later versions of LibTorch.
  std::vector<decltype(torch::autograd::impl::grad_accumulator(at::Tensor()))> accumulators_;
  std::vector<uintptr_t> hooks_;
};

}  // namespace

std::unique_ptr<GradientSum> SumInBuckets(std::vector<at::Tensor> parameters, StartSum start) {
  return std::make_unique<BucketSum>(std::move(parameters), std::move(start));
}

}  // namespace pipeline
