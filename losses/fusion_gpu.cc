// Starting, comparing and differentiating the kernels of fusion_kernel.cu.
#include "losses/fusion_gpu.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/concat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/full.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <memory>
#include <mutex>
#include <utility>

#include "absl/strings/str_cat.h"
#include "kernels/gpu_program.h"
#include "pipeline/data.h"

namespace losses {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

constexpr uint32_t kThreads = 256;

// As in fusion_kernel.cu.
struct Parameters {
  float values[kMostGpuParameters] = {};
};
struct Layout {
  long long pixels, inner, image_stride, pixel_stride, class_stride;
};

bool ClassesLast(const at::Tensor& logits) { return logits.dim() == 4 && !logits.is_contiguous(); }

Layout LayoutOf(const at::Tensor& logits) {
  const int64_t classes = logits.size(1), inner = logits.dim() == 2 ? 1 : logits[0][0].numel();
  const bool last = ClassesLast(logits);
  return {logits.size(0) * inner, inner, classes * inner, last ? classes : 1, last ? 1 : inner};
}

// Few fusions are met in a process, each many times.
kernels::GpuProgram* ProgramOf(const std::string& source) {
  static std::mutex mutex;
  static std::map<std::string, std::unique_ptr<kernels::GpuProgram>> programs;
  const std::lock_guard<std::mutex> lock(mutex);
  auto& program = programs[source];
  if (program == nullptr) program = std::make_unique<kernels::GpuProgram>("a fusion", source);
  return program.get();
}

// As in fusion_kernel.cu; 0 is all at once.
constexpr int kAtOnce = 0, kOwn = 1, kShared = 2;

struct Call {
  KernelRunner* runner;
  const at::Tensor& labels;
  const at::Tensor& weight;
  const GpuSource& program;
  int64_t terms;
  const pipeline::Processes* processes;
  bool with_gradient;
  bool launched = false;
  at::Tensor account;
};

void* Pointer(const at::Tensor& tensor) { return tensor.defined() ? tensor.data_ptr() : nullptr; }

// Starts the kernels in turn.
class Kernels {
 public:
  Kernels(const at::Tensor& logits, Call* call, const at::Tensor& gradient)
      : call_(*call),
        runner_(*call->runner),
        doubles_(logits.options().dtype(at::kDouble).requires_grad(false)),
        layout_(LayoutOf(logits)),
        classes_(logits.size(1)),
        z_(Pointer(logits)),
        y_(Pointer(call->labels)),
        w_(Pointer(call->weight)),
        to_(Pointer(gradient)) {
    const std::vector<float>& given = call->program.parameters;
    std::copy(given.begin(), given.end(), parameters_.values);
    call->account = at::empty({2, call->terms}, doubles_);
    account_ = Pointer(call->account);
    const auto count = static_cast<double>(layout_.pixels);
    amount_ =
        call->weight.defined() ? call->weight.sum(at::kDouble) : at::full({}, count, doubles_);
  }

  // Values and gradients of all pixels, and the total.
  bool Run(const at::Tensor& total) {
    if (call_.program.has_ratios && !Sums()) return false;
    if (call_.processes == nullptr) {
      return Ratios(kAtOnce) && Fuse() && Finish(kAtOnce, total);
    }
    if (!Ratios(kOwn)) return false;
    ShareSums();
    if (!Ratios(kShared) || !Fuse() || !Finish(kOwn, total)) return false;
    const at::Tensor sums = call_.account[0];
    sums.copy_(call_.processes->Sum(sums));
    return Finish(kShared, total);
  }

 private:
  int64_t Units() const { return layout_.pixels / layout_.inner; }
  int64_t Row() const { return 4 * classes_ + 2; }

  // Class sums of the parts of every unit.
  bool Sums() {
    const int64_t units = Units();
    const uint32_t threads = layout_.inner < kThreads ? 32 : kThreads;
    const uint32_t wanted = runner_.Blocks(layout_.pixels, threads);
    chunks_ = static_cast<int>(std::max<int64_t>(1, wanted / units));
    chunks_ = static_cast<int>(std::min<int64_t>(chunks_, (layout_.inner + threads - 1) / threads));
    parts_ = at::empty({units * chunks_, Row()}, doubles_);
    sums_ = at::empty({(units + 1) * Row() + 1}, doubles_);
    coefficients_ = at::empty({units + 1, 3 * classes_}, doubles_.dtype(at::kFloat));
    void* to = Pointer(parts_);
    void* arguments[] = {&z_, &y_, &w_, &to, &chunks_, &layout_};
    const auto blocks = static_cast<uint32_t>(units * chunks_);
    return runner_.Launch("Sums", {blocks, threads}, arguments);
  }

  // What ratios of them say.
  bool Ratios(int step) {
    if (!call_.program.has_ratios) return true;
    void *from = Pointer(parts_), *sums = Pointer(sums_), *out = Pointer(coefficients_);
    auto units = static_cast<long long>(Units());
    int counts = call_.processes == nullptr || call_.processes->rank() == 0 ? 1 : 0;
    void* arguments[] = {&from,     &chunks_, &units,  &sums,       &out,
                         &account_, &step,    &counts, &parameters_};
    return runner_.Launch("Ratios", {1, kThreads}, arguments);
  }

  // Makes amount and sums of the batch those of all processes.
  void ShareSums() {
    if (!call_.program.has_ratios) {
      amount_ = call_.processes->Sum(amount_);
      return;
    }
    const at::Tensor of_batch = sums_.slice(0, Units() * Row());
    const at::Tensor all = call_.processes->Sum(at::concat({of_batch, amount_.reshape({1})}));
    of_batch.copy_(all.slice(0, 0, of_batch.numel()));
    amount_ = all[of_batch.numel()];
  }

  bool Fuse() {
    const uint32_t blocks = runner_.Blocks(layout_.pixels, kThreads);
    blocks_ = static_cast<int>(blocks);
    left_ = at::empty({blocks, call_.terms}, doubles_);
    void *n = Pointer(amount_), *by_unit = Pointer(coefficients_), *left = Pointer(left_);
    void* arguments[] = {&z_, &y_, &w_, &n, &by_unit, &to_, &left, &layout_, &parameters_};
    return runner_.Launch("Fuse", {blocks, kThreads}, arguments);
  }

  bool Finish(int step, const at::Tensor& total) {
    void *left = Pointer(left_), *n = Pointer(amount_), *result = Pointer(total);
    void* arguments[] = {&left, &blocks_, &n, &account_, &result, &step, &parameters_};
    return runner_.Launch("Finish", {1, kThreads}, arguments);
  }

  const Call& call_;
  KernelRunner& runner_;
  const at::TensorOptions doubles_;
  Layout layout_;
  const int64_t classes_;
  Parameters parameters_;
  void *z_, *y_, *w_, *to_, *account_ = nullptr;
  int chunks_ = 0, blocks_ = 0;
  // Of what a kernel has left for the next.
  at::Tensor amount_, parts_, sums_, coefficients_, left_;
};

// The total; its gradient is saved.
at::Tensor Launch(const at::Tensor& logits, Call* call, at::Tensor* gradient) {
  if (call->with_gradient) *gradient = at::empty_like(logits);
  const at::Tensor total = at::empty({}, logits.options().requires_grad(false));
  call->launched = Kernels(logits, call, *gradient).Run(total);
  return total;
}

class GpuNode : public torch::autograd::Function<GpuNode> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& logits, Call* call) {
    at::Tensor gradient;
    const at::Tensor total = Launch(logits, call, &gradient);
    if (gradient.defined()) context->save_for_backward({gradient});
    return total;
  }

  static variable_list backward(AutogradContext* context, const variable_list& incoming) {
    TORCH_CHECK(!c10::GradMode::is_enabled(),
                "the fused form of a loss has no second derivative: use its tensor form");
    return {context->get_saved_variables()[0] * incoming[0], at::Tensor()};
  }
};

class CardRunner : public KernelRunner {
 public:
  CardRunner(const std::string& source, const at::Device& device)
      : program_(*ProgramOf(source)), device_(device) {}
  bool Launch(const std::string& kernel, const kernels::GpuProgram::Shape& shape,
              void** arguments) override {
    return program_.Launch(kernel, device_, shape, arguments);
  }
  uint32_t Blocks(int64_t count, int64_t each) const override {
    return kernels::GpuProgram::Blocks(device_, count, each);
  }

 private:
  kernels::GpuProgram& program_;
  const at::Device device_;
};

at::Tensor GradientBy(const at::Tensor& logits, const at::Tensor& total) {
  return torch::autograd::grad({total}, {logits})[0];
}

std::string KeyOf(const GpuSource& program, const at::Tensor& like) {
  return absl::StrCat(reinterpret_cast<uintptr_t>(ProgramOf(program.source)), " ",
                      like.device().str(), " ", like.dim(), ClassesLast(like) ? " last" : "");
}

// Whether all processes would use the kernels that this one would; they meet each `key` together.
bool AllWould(bool own, const std::string& key, const pipeline::Processes& processes) {
  static std::mutex mutex;
  static std::map<std::string, bool> known;
  const std::lock_guard<std::mutex> lock(mutex);
  const auto [place, is_new] = known.try_emplace(absl::StrCat(key, " of ", processes.size()), own);
  if (is_new) place->second = processes.Sum({own ? 0.0 : 1.0})[0] == 0;
  return place->second;
}

// Whether the kernels of a fusion give what operators give, term by term.
bool Agree(const GpuSource& program, const at::Tensor& like, int64_t epoch,
           const std::vector<GpuTerm>& terms, const Operators& operators) {
  static kernels::GpuChecks checks;
  const c10::AutoGradMode on(true);
  const at::Device device = like.device();
  CheckedBatch batch;
  const auto by_kernel = [&] {
    batch = BatchToCheck(like);
    batch = {batch.logits.to(device).requires_grad_(), batch.labels.to(device),
             batch.weight.to(device)};
    std::vector<at::Tensor> results;
    for (size_t k = 0; k < terms.size(); ++k) {
      std::vector<GpuTerm> alone = terms;
      for (size_t i = 0; i < terms.size(); ++i) alone[i].weight = i == k ? 1 : 0;
      const FusedOnGpu fused = FuseOnGpu(batch.logits, batch.labels, batch.weight, epoch, alone);
      if (!fused.total.defined()) return std::vector<at::Tensor>();
      results.insert(results.end(), {fused.total, fused.account.select(1, static_cast<int64_t>(k)),
                                     GradientBy(batch.logits, fused.total)});
    }
    return results;
  };
  const auto by_operators = [&] {
    std::vector<kernels::Expected> all;
    for (size_t k = 0; k < terms.size(); ++k) {
      const FusedOnGpu fused = operators(batch.logits, batch.labels, batch.weight, k);
      for (kernels::Expected& expected : ExpectedOf(fused, batch.logits, k)) {
        all.push_back(std::move(expected));
      }
    }
    return all;
  };
  return checks.Agree(
      KeyOf(program, like), "a fusion", [&] { return kernels::GpuProgram::CardOf(device); },
      by_kernel, by_operators);
}

}  // namespace

CheckedBatch BatchToCheck(const at::Tensor& like) {
  constexpr int64_t kRows = 333, kImages = 3, kHeight = 19, kWidth = 17;
  constexpr float kScales[] = {1, 4, 20, 300};
  const int64_t classes = like.size(1);
  std::vector<int64_t> shape = {kRows};
  if (like.dim() == 4) shape = {kImages, kHeight, kWidth};
  CheckedBatch batch = {at::Tensor(), at::empty(shape, at::kLong), at::empty(shape, at::kFloat)};
  at::Tensor logits = at::empty({batch.labels.numel(), classes}, at::kFloat);
  auto* const z = logits.data_ptr<float>();
  for (int64_t i = 0; i < batch.labels.numel(); ++i) {
    const uint64_t seed = static_cast<uint64_t>(i) << 32;
    for (int64_t c = 0; c < classes; ++c) {
      const float u = kernels::HashedNumber(seed + static_cast<uint64_t>(c));
      z[i * classes + c] = std::abs(u) < 0.06F ? std::copysign(0.0F, u) : u * kScales[i % 4];
    }
    const int64_t label = (i * 7 + i / 5) % classes;
    const bool ignored = i % 11 == 3;
    batch.labels.data_ptr<int64_t>()[i] = ignored ? pipeline::kIgnoredLabel : label;
    batch.weight.data_ptr<float>()[i] = ignored ? 0.0F : 0.5F + 0.25F * (label % 5);
  }
  if (like.dim() == 4) {
    logits = logits.reshape({kImages, kHeight, kWidth, classes}).permute({0, 3, 1, 2});
    if (!ClassesLast(like)) logits = logits.contiguous();
  }
  batch.logits = logits;
  return batch;
}

std::vector<kernels::Expected> ExpectedOf(const FusedOnGpu& fused, const at::Tensor& logits,
                                          size_t k) {
  const std::string of = absl::StrCat(" of loss ", k + 1);
  return {{"values" + of, fused.total, 2e-5},
          {"sums" + of, fused.account.reshape({2}), 2e-5},
          {"gradients" + of, GradientBy(logits, fused.total), 1e-4, /*of_largest=*/true}};
}

FusedOnGpu RunKernels(KernelRunner* runner, const at::Tensor& logits, const at::Tensor& labels,
                      const at::Tensor& weight, const GpuSource& program, int64_t terms,
                      const pipeline::Processes* processes) {
  const bool with_gradient = c10::GradMode::is_enabled() && logits.requires_grad();
  Call call = {runner, labels, weight, program, terms, processes, with_gradient, false, {}};
  const at::Tensor total = GpuNode::apply(logits, &call);
  if (!call.launched) return {};
  return {total, call.account};
}

FusedOnGpu FuseOnGpu(const at::Tensor& given, const at::Tensor& labels, const at::Tensor& weight,
                     int64_t epoch, const std::vector<GpuTerm>& terms, const Operators* operators,
                     const pipeline::Processes* processes) {
  const bool in_place = given.is_contiguous() ||
                        (given.dim() == 4 && given.is_contiguous(at::MemoryFormat::ChannelsLast));
  const at::Tensor logits = in_place ? given : given.contiguous();
  if (terms.empty() || logits.numel() == 0) return {};
  const GpuSource program = MakeGpuSource(terms, logits.size(1), epoch);
  if (program.source.empty()) return {};
  bool agree = operators == nullptr || Agree(program, logits, epoch, terms, *operators);
  if (processes != nullptr) agree = AllWould(agree, KeyOf(program, logits), *processes);
  if (!agree) return {};
  CardRunner runner(program.source, logits.device());
  const at::Tensor weights = weight.defined() ? weight.to(at::kFloat).contiguous() : at::Tensor();
  return RunKernels(&runner, logits, labels.contiguous(), weights, program,
                    static_cast<int64_t>(terms.size()), processes);
}

}  // namespace losses
