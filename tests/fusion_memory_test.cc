// What a fusion allocates at its peak, beyond its inputs.
#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/randint.h>
#include <ATen/ops/randn.h>
#include <c10/core/CPUAllocator.h>
#include <gtest/gtest.h>
#include <malloc.h>
#include <torch/csrc/autograd/autograd.h>

#include <atomic>
#include <cstdlib>
#include <new>

#include "losses/fusion.h"
#include "tests/oracle.h"

namespace {

std::atomic<int64_t> live{0}, peak{0};

void Count(int64_t bytes) {
  const int64_t now = live += bytes;
  for (int64_t seen = peak; now > seen && !peak.compare_exchange_weak(seen, now);) {
  }
}

void Release(void* memory) {
  if (memory != nullptr) Count(-static_cast<int64_t>(malloc_usable_size(memory)));
  std::free(memory);
}

// LibTorch's memory for tensors, counted.
class CountingAllocator : public c10::Allocator {
 public:
  // One overrides LibTorch 1.13's, the other 2.15's.
  c10::DataPtr allocate(size_t bytes) const { return Make(bytes); }  // NOLINT
  c10::DataPtr allocate(size_t bytes) { return Make(bytes); }        // NOLINT
  void copy_data(void* to, const void* from, std::size_t bytes) const {
    std::copy_n(static_cast<const char*>(from), bytes, static_cast<char*>(to));
  }
  c10::DeleterFnPtr raw_deleter() const override { return &Release; }

 private:
  static c10::DataPtr Make(size_t bytes) {
    void* memory = std::aligned_alloc(64, (bytes + 63) / 64 * 64);
    if (memory != nullptr) Count(static_cast<int64_t>(malloc_usable_size(memory)));
    return {memory, memory, &Release, c10::Device(c10::kCPU)};
  }
};

}  // namespace

// Everything else.
void* operator new(size_t bytes) {
  void* memory = std::malloc(bytes);
  if (memory == nullptr) throw std::bad_alloc();
  Count(static_cast<int64_t>(malloc_usable_size(memory)));
  return memory;
}
void operator delete(void* memory) noexcept { Release(memory); }
void operator delete(void* memory, size_t) noexcept { Release(memory); }

namespace {

// The bar: twice the logits.
TEST(FusionMemory, IsAtMostTwiceTheLogits) {
  static CountingAllocator allocator;
  c10::SetCPUAllocator(&allocator, /*priority=*/1);
  std::vector<std::unique_ptr<losses::Loss>> seven;
  std::vector<losses::Term> terms;
  for (const char* name : {"Tversky", "SmoothL1", "Focal", "CategoricalCrossEntropy", "Mse", "Dice",
                           "BinaryCrossEntropy"}) {
    auto loss =
        losses::Losses::Get().Create(testing_support::PluginOf(std::string("losses/") + name, ""));
    ASSERT_TRUE(loss.ok());
    seven.push_back(*std::move(loss));
    terms.push_back({seven.back().get(), 1});
  }
  for (const std::vector<double>& class_weights : {std::vector<double>{}, {0.5, 1.5}}) {
    for (const auto format : {at::MemoryFormat::Contiguous, at::MemoryFormat::ChannelsLast}) {
      const at::Tensor logits =
          at::randn({8, 2, 224, 224}).contiguous(format).detach().clone(format).requires_grad_();
      at::Tensor labels = at::randint(2, {8, 224, 224}, at::kLong);
      if (!class_weights.empty()) labels[0].fill_(pipeline::kIgnoredLabel);
      const int64_t before = live;
      peak = before;
      at::Tensor weight;
      ASSERT_TRUE(losses::WeighLabels(labels, 2, class_weights, &weight).ok());
      const auto value = losses::Fuse(pipeline::Step(), logits, labels, weight, terms);
      const at::Tensor gradient = torch::autograd::grad({value.total}, {logits})[0];
      const auto bytes = static_cast<double>(logits.nbytes());
      const double extra = static_cast<double>(peak - before) / bytes;
      EXPECT_LE(extra, 2);
      EXPECT_GE(extra, 1) << "the gradient alone is 1: nothing was counted";
      RecordProperty("extra", std::to_string(extra));
    }
  }
}

}  // namespace
