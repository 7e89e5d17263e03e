// The kernels of fused losses: their source compiled for the processor, against the block form, and
// compiled for cards.
#include "losses/fusion_gpu.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/rand.h>
#include <ATen/ops/randint.h>
#include <ATen/ops/randn.h>
#include <dlfcn.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <condition_variable>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "kernels/gpu_check.h"
#include "kernels/gpu_program.h"
#include "losses/fusion.h"
#include "pipeline/training/device.h"
#include "tests/oracle.h"

namespace losses {
namespace {

// As in the kernel.
struct Parameters {
  float values[kMostGpuParameters] = {};
};
struct Layout {
  long long pixels, inner, image_stride, pixel_stride, class_stride;
};
using SumsKernel = void(const float*, const long long*, const float*, double*, int, Layout);
using RatiosKernel = void(const double*, int, long long, double*, float*, double*, int, int,
                          Parameters);
using FuseKernel = void(const float*, const long long*, const float*, const double*, const float*,
                        float*, double*, Layout, Parameters);
using FinishKernel = void(const double*, int, const double*, double*, float*, int, Parameters);

// Calls a function with the arguments that a launch points to.
template <class... Arguments, size_t... places>
void CallWith(void (*kernel)(Arguments...), void** arguments, std::index_sequence<places...>) {
  kernel(*static_cast<Arguments*>(arguments[places])...);
}
template <class... Arguments>
void CallWith(void (*kernel)(Arguments...), void** arguments) {
  CallWith(kernel, arguments, std::index_sequence_for<Arguments...>());
}

// The losses that have a form for GPUs, each way.
const std::pair<const char*, const char*> kLosses[] = {
    {"SmoothL1", ""},
    {"SmoothL1", "beta: 0"},
    {"CategoricalCrossEntropy", ""},
    {"CategoricalCrossEntropy", "label_smoothing: 0.2"},
    {"BinaryCrossEntropy", ""},
    {"Mse", ""},
    {"Focal", ""},
    {"Focal", "gamma: 0.5 alpha: 0.3"},
    {"Focal", "gamma: 1 adaptive_gamma: true"},
    {"Dice", ""},
    {"Dice", "squared: true empty: SKIP"},
    {"Dice", "sums: PER_BATCH empty: CLEAN"},
    {"Tversky", ""},
    {"Tversky", "sums: PER_BATCH gamma: 0.75 alpha: 0.6"},
    {"Calibration", ""}};

class Fused {
 public:
  // Of the losses at these places in kLosses; a class weighs as `class_weights` says.
  Fused(const std::vector<int>& which, int64_t classes, std::vector<double> class_weights) {
    Classes about;
    about.count = classes;
    about.weights = std::move(class_weights);
    double weight = 0.5;
    for (const int i : which) {
      const auto& [name, options] = kLosses[i];
      losses_.push_back(
          *Losses::Get().Create(testing_support::PluginOf(std::string("losses/") + name, options)));
      EXPECT_TRUE(losses_.back()->Prepare(about).ok());
      terms_.push_back({losses_.back().get(), weight});
      gpu_terms_.push_back({losses_.back()->pixel_form(), losses_.back()->ratio_form(), weight});
      weight += 0.75;
    }
  }
  const std::vector<Term>& terms() const { return terms_; }
  const std::vector<GpuTerm>& gpu_terms() const { return gpu_terms_; }

 private:
  std::vector<std::unique_ptr<Loss>> losses_;
  std::vector<Term> terms_;
  std::vector<GpuTerm> gpu_terms_;
};

// A source, compiled for the processor; once, since compilers are slow.
void* Compiled(const std::string& source) {
  static std::map<std::string, void*> libraries;
  void*& library = libraries[source];
  if (library != nullptr) return library;
  const std::string path = absl::StrCat(std::getenv("TEST_TMPDIR"), "/kernel", libraries.size());
  std::ofstream(path + ".cc") << "#include \"kernels/gpu_on_cpu.h\"\n" << source;
  const std::string line =
      absl::StrCat("g++ -std=c++20 -O1 -w -fPIC -shared -I. ", path, ".cc -o ", path);
  EXPECT_EQ(std::system(line.c_str()), 0) << line;
  library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  EXPECT_NE(library, nullptr) << dlerror();
  return library;
}

// Runs its kernels block after block.
class OnCpu : public KernelRunner {
 public:
  explicit OnCpu(const std::string& source) : library_(Compiled(source)) {}

  bool Launch(const std::string& kernel, const kernels::GpuProgram::Shape& shape,
              void** arguments) override {
    const std::lock_guard<std::mutex> lock(mutex_);
    *static_cast<unsigned*>(dlsym(library_, "blocks_of_kernel")) = shape.blocks;
    for (unsigned block = 0; block < shape.blocks; ++block) {
      *static_cast<unsigned*>(dlsym(library_, "block_of_kernel")) = block;
      if (kernel == "Sums") CallWith(Find<SumsKernel>(kernel), arguments);
      if (kernel == "Ratios") CallWith(Find<RatiosKernel>(kernel), arguments);
      if (kernel == "Fuse") CallWith(Find<FuseKernel>(kernel), arguments);
      if (kernel == "Finish") CallWith(Find<FinishKernel>(kernel), arguments);
    }
    return true;
  }

  uint32_t Blocks(int64_t, int64_t) const override { return 5; }

 private:
  template <class Kernel>
  Kernel* Find(const std::string& name) const {
    return reinterpret_cast<Kernel*>(dlsym(library_, name.c_str()));
  }

  std::mutex mutex_;
  void* const library_;
};

struct Values {
  at::Tensor total, account, gradient;
};

Values ByKernel(const Fused& fused, OnCpu* compiled, const at::Tensor& logits,
                const at::Tensor& labels, const at::Tensor& weight, int64_t epoch,
                const pipeline::Processes* processes = nullptr) {
  const at::Tensor leaf = logits.detach().requires_grad_();
  const GpuSource program = MakeGpuSource(fused.gpu_terms(), logits.size(1), epoch);
  const FusedOnGpu made =
      RunKernels(compiled, leaf, labels.contiguous(), weight.contiguous(), program,
                 static_cast<int64_t>(fused.terms().size()), processes);
  return {made.total.detach(), made.account, torch::autograd::grad({made.total}, {leaf})[0]};
}

// Threads of this process that train together.
class Together {
 public:
  explicit Together(int size) : size_(size) {}

  class One : public pipeline::Processes {
   public:
    One(Together* all, int rank) : Processes(rank, all->size_, rank, all->size_), all_(*all) {}
    std::unique_ptr<pipeline::GradientSum> SumGradients(std::vector<at::Tensor>) const override {
      return nullptr;
    }

   protected:
    std::vector<at::Tensor> GatherAll(const at::Tensor& tensor) const override {
      return all_.Meet(rank(), tensor);
    }
    void BroadcastToAll(const at::Tensor&) const override {}

   private:
    Together& all_;
  };

 private:
  std::vector<at::Tensor> Meet(int rank, const at::Tensor& tensor) {
    std::unique_lock<std::mutex> lock(mutex_);
    const int64_t round = come_ / size_;
    coming_.resize(size_);
    coming_[rank] = tensor.clone();
    if (++come_ % size_ == 0) {
      met_ = coming_;
      all_came_.notify_all();
    }
    all_came_.wait(lock, [&] { return come_ / size_ > round; });
    return met_;
  }

  const int size_;
  std::mutex mutex_;
  std::condition_variable all_came_;
  int64_t come_ = 0;
  std::vector<at::Tensor> coming_, met_;
};

void ExpectSame(const Fused& fused, OnCpu* compiled, const at::Tensor& logits,
                const at::Tensor& labels, const at::Tensor& weight, int64_t epoch) {
  pipeline::Step step;
  step.epoch = epoch;
  const at::Tensor leaf = logits.detach().requires_grad_();
  const FusedValue expected = Fuse(step, leaf, labels, weight, fused.terms());
  const at::Tensor gradient = torch::autograd::grad({expected.total}, {leaf})[0];
  const Values found = ByKernel(fused, compiled, logits, labels, weight, epoch);
  const auto total = expected.total.item<double>();
  EXPECT_NEAR(found.total.item<double>(), total, 4e-6 * std::max(1.0, std::abs(total)));
  EXPECT_LT((found.account - expected.account).norm().item<double>(),
            4e-6 * expected.account.norm().item<double>());
  EXPECT_LT((found.gradient - gradient).norm().item<double>(),
            1e-5 * std::max(1e-7, gradient.norm().item<double>()));
}

void ExpectSameOnBatches(const std::vector<int>& which, const std::vector<double>& class_weights) {
  pipeline::SeedGenerators(7);
  for (const auto& shape : std::vector<std::vector<int64_t>>{{9, 3}, {2, 3, 12, 11}}) {
    const Fused fused(which, 3, class_weights);
    OnCpu compiled(MakeGpuSource(fused.gpu_terms(), 3, 0, /*for_gpu=*/false).source);
    std::vector<int64_t> label_shape = shape;
    label_shape.erase(label_shape.begin() + 1);
    for (const double scale : {1.0, 20.0, 300.0}) {
      const at::Tensor logits = at::randn(shape) * scale;
      at::Tensor labels = at::randint(3, label_shape, at::kLong);
      labels.masked_fill_(at::rand(label_shape) < 0.2, pipeline::kIgnoredLabel);
      at::Tensor weight;
      ASSERT_TRUE(WeighLabels(labels, 3, class_weights, &weight).ok());
      ExpectSame(fused, &compiled, logits, labels, weight, 0);
      ExpectSame(fused, &compiled, logits, labels, weight, 3);
      if (shape.size() == 2) continue;
      ExpectSame(fused, &compiled, logits.contiguous(at::MemoryFormat::ChannelsLast), labels,
                 weight, 0);
    }
  }
}

TEST(FusedOnGpuTest, EachLossEqualsItsBlockForm) {
  for (int i = 0; i < static_cast<int>(std::size(kLosses)); ++i) {
    SCOPED_TRACE(std::string(kLosses[i].first) + " " + kLosses[i].second);
    ExpectSameOnBatches({i}, {});
  }
}

TEST(FusedOnGpuTest, FusionsEqualTheirBlockForm) {
  ExpectSameOnBatches({0, 2}, {});
  ExpectSameOnBatches({0, 3, 4, 5, 6, 7, 9, 11, 12, 13, 14}, {0.5, 2, 1});
}

// Three processes have 4, 1 and 2 of seven rows; the second's have no label that counts.
void ExpectSameTogether(const std::vector<int>& which, const std::vector<int64_t>& shape) {
  pipeline::SeedGenerators(11);
  const std::vector<double> class_weights = {0.5, 2, 1};
  const Fused fused(which, 3, class_weights);
  OnCpu compiled(MakeGpuSource(fused.gpu_terms(), 3, 2, /*for_gpu=*/false).source);
  std::vector<int64_t> label_shape = shape;
  label_shape.erase(label_shape.begin() + 1);
  const at::Tensor logits = at::randn(shape) * 3;
  at::Tensor labels = at::randint(3, label_shape, at::kLong);
  labels.masked_fill_(at::rand(label_shape) < 0.2, pipeline::kIgnoredLabel);
  labels[4].fill_(pipeline::kIgnoredLabel);
  at::Tensor weight;
  ASSERT_TRUE(WeighLabels(labels, 3, class_weights, &weight).ok());
  const Values whole = ByKernel(fused, &compiled, logits, labels, weight, 2);
  const int64_t firsts[] = {0, 4, 5, 7};
  Together together(3);
  Values found[3];
  std::vector<std::thread> threads;
  for (int rank = 0; rank < 3; ++rank) {
    threads.emplace_back([&, rank] {
      const Together::One one(&together, rank);
      const int64_t begin = firsts[rank], end = firsts[rank + 1];
      found[rank] = ByKernel(fused, &compiled, logits.slice(0, begin, end),
                             labels.slice(0, begin, end), weight.slice(0, begin, end), 2, &one);
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (int rank = 0; rank < 3; ++rank) {
    EXPECT_TRUE(found[rank].total.equal(found[0].total));
    EXPECT_TRUE(found[rank].account.equal(found[0].account));
    // Sums of floats are made in other parts.
    EXPECT_NEAR(found[rank].total.item<double>(), whole.total.item<double>(),
                2e-6 * std::max(1.0, std::abs(whole.total.item<double>())));
    EXPECT_LT((found[rank].account - whole.account).norm().item<double>(),
              2e-6 * whole.account.norm().item<double>());
    const at::Tensor own = whole.gradient.slice(0, firsts[rank], firsts[rank + 1]);
    EXPECT_LT((found[rank].gradient - own).norm().item<double>(),
              1e-5 * whole.gradient.norm().item<double>());
  }
}

TEST(FusedOnGpuTest, SeveralGpusGiveTheLossOfTheWholeBatch) {
  std::vector<int> all;
  for (int i = 0; i < static_cast<int>(std::size(kLosses)); ++i) all.push_back(i);
  std::vector<std::vector<int>> fusions = {all, {2}};
  for (const int i : {9, 11, 12, 13, 14}) fusions.push_back({i});
  for (const std::vector<int>& which : fusions) {
    SCOPED_TRACE(which.size() == 1 ? kLosses[which[0]].first : "all");
    ExpectSameTogether(which, {7, 3});
    ExpectSameTogether(which, {7, 3, 6, 5});
  }
}

TEST(FusedOnGpuTest, EachLossAgreesWithOperatorsOnWhatIsChecked) {
  for (int i = 0; i < static_cast<int>(std::size(kLosses)); ++i) {
    const Fused fused({i}, 7, {});
    OnCpu compiled(MakeGpuSource(fused.gpu_terms(), 7, 0, /*for_gpu=*/false).source);
    const at::Tensor image = at::empty({1, 7, 2, 2});
    for (const at::Tensor& like :
         {at::empty({1, 7}), image, image.contiguous(at::MemoryFormat::ChannelsLast)}) {
      const CheckedBatch batch = BatchToCheck(like);
      EXPECT_EQ(batch.logits.is_contiguous(), like.is_contiguous());
      const Values found = ByKernel(fused, &compiled, batch.logits, batch.labels, batch.weight, 0);
      const at::Tensor leaf = batch.logits.detach().requires_grad_();
      const FusedValue value = Fuse(pipeline::Step(), leaf, batch.labels, batch.weight,
                                    fused.terms(), /*use_blocks=*/false);
      const auto expected = ExpectedOf({value.total, value.account}, leaf, 0);
      const at::Tensor account = found.account.select(1, 0);
      EXPECT_EQ(kernels::Difference({found.total, account, found.gradient}, expected), "")
          << kLosses[i].first << " " << kLosses[i].second << " " << like.sizes();
      EXPECT_NE(kernels::Difference({found.total, account, found.gradient * 1.001}, expected), "");
    }
  }
}

TEST(FusedOnGpuTest, KernelsThatAreOffAreNotCompared) {
  setenv("LOSSFUSION_GPU_KERNELS", "off", 1);
  const Fused fused({0, 9}, 3, {});
  bool asked = false;
  const Operators operators = [&](const at::Tensor&, const at::Tensor&, const at::Tensor&, size_t) {
    asked = true;
    return FusedOnGpu();
  };
  testing::internal::CaptureStderr();
  const FusedOnGpu made = FuseOnGpu(at::randn({5, 3}), at::randint(3, {5}, at::kLong), {}, 0,
                                    fused.gpu_terms(), &operators);
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
  EXPECT_FALSE(made.total.defined());
  EXPECT_FALSE(asked);
  unsetenv("LOSSFUSION_GPU_KERNELS");
}

void ExpectNaN(int which) {
  const Fused fused({which}, 3, {});
  OnCpu compiled(MakeGpuSource(fused.gpu_terms(), 3, 0, false).source);
  const at::Tensor weight = at::rand({5});
  weight[1] = std::nanf("");
  const at::Tensor labels = at::randint(3, {5}, at::kLong);
  labels[1] = 7;
  const Values found = ByKernel(fused, &compiled, at::randn({5, 3}), labels, weight, 0);
  EXPECT_TRUE(std::isnan(found.total.item<double>()));
}

TEST(FusedOnGpuTest, ALabelThatIsNoneMakesTheLossNaN) {
  for (const int which : {2, 9, 12, 14}) ExpectNaN(which);
}

TEST(FusedOnGpuTest, CompileForEveryCard) {
  std::string error;
  if (kernels::CompileCuda("", "sm_90", &error).empty() && error == "NVRTC is not there") {
    GTEST_SKIP() << error << ": only LibTorch's wheels bring it";
  }
  const Fused fused({0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14}, 7, {});
  const std::string source = MakeGpuSource(fused.gpu_terms(), 7, 0).source;
  for (const char* architecture : {"sm_80", "sm_90", "sm_120"}) {
    EXPECT_FALSE(kernels::CompileCuda(source, architecture, &error).empty())
        << architecture << ": " << error;
  }
}

}  // namespace
}  // namespace losses
