// Making, starting and differentiating the kernels of fusion_kernel.cu.
#include "losses/fusion_gpu.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
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
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "kernels/gpu_program.h"
#include "pipeline/data.h"

namespace losses {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

constexpr int64_t kMostClasses = 64;  // that a thread's registers are asked to hold
constexpr uint32_t kThreads = 256;

constexpr char kPrelude[] =
#include "kernels/gpu_prelude.inc"
    ;
constexpr char kSource[] =
#include "losses/fusion_kernel.inc"
    ;

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

void Append(const std::vector<float>& more, std::vector<float>* to) {
  to->insert(to->end(), more.begin(), more.end());
}

struct Call {
  const at::Tensor& labels;
  const at::Tensor& weight;
  const GpuSource& program;
  int64_t terms;
  bool with_gradient;
  bool launched = false;
  at::Tensor account;
};

void* Pointer(const at::Tensor& tensor) { return tensor.defined() ? tensor.data_ptr() : nullptr; }

// Starts the kernels in turn.
class Kernels {
 public:
  Kernels(const at::Tensor& logits, Call* call, const at::Tensor& gradient)
      : program_(*ProgramOf(call->program.source)),
        device_(logits.device()),
        doubles_(logits.options().dtype(at::kDouble).requires_grad(false)),
        layout_(LayoutOf(logits)),
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

  // Class sums of every unit, and what ratios of them say.
  bool Ratios(int64_t classes) {
    const int64_t units = layout_.pixels / layout_.inner;
    const uint32_t threads = layout_.inner < kThreads ? 32 : kThreads;
    const uint32_t wanted = kernels::GpuProgram::Blocks(device_, layout_.pixels, threads);
    auto chunks = static_cast<int>(std::max<int64_t>(1, wanted / units));
    chunks = static_cast<int>(std::min<int64_t>(chunks, (layout_.inner + threads - 1) / threads));
    const int64_t row = 4 * classes + 2;
    const at::Tensor parts = at::empty({units * chunks, row}, doubles_);
    const at::Tensor sums = at::empty({units + 1, row}, doubles_);
    coefficients_ = at::empty({units + 1, 3 * classes}, doubles_.dtype(at::kFloat));
    void *from = Pointer(parts), *by_unit = Pointer(sums), *out = Pointer(coefficients_);
    auto count = static_cast<long long>(units);
    void* first[] = {&z_, &y_, &w_, &from, &chunks, &layout_};
    void* second[] = {&from, &chunks, &count, &by_unit, &out, &account_, &parameters_};
    const auto blocks = static_cast<uint32_t>(units * chunks);
    return program_.Launch("Sums", device_, {blocks, threads}, first) &&
           program_.Launch("Ratios", device_, {1, kThreads}, second);
  }

  // Values and gradients of all pixels, and the total.
  bool Fuse(int64_t terms, const at::Tensor& total) {
    const uint32_t blocks = kernels::GpuProgram::Blocks(device_, layout_.pixels, kThreads);
    const at::Tensor sums = at::empty({blocks, terms}, doubles_);
    void *n = Pointer(amount_), *by_unit = Pointer(coefficients_), *parts = Pointer(sums);
    void* result = Pointer(total);
    auto count = static_cast<int>(blocks);
    void* first[] = {&z_, &y_, &w_, &n, &by_unit, &to_, &parts, &layout_, &parameters_};
    void* second[] = {&parts, &count, &n, &account_, &result, &parameters_};
    return program_.Launch("Fuse", device_, {blocks, kThreads}, first) &&
           program_.Launch("Finish", device_, {1, kThreads}, second);
  }

 private:
  kernels::GpuProgram& program_;
  const at::Device device_;
  const at::TensorOptions doubles_;
  Layout layout_;
  Parameters parameters_;
  void *z_, *y_, *w_, *to_, *account_ = nullptr;
  at::Tensor amount_, coefficients_;
};

// The total; its gradient is saved.
at::Tensor Launch(const at::Tensor& logits, Call* call, at::Tensor* gradient) {
  if (call->with_gradient) *gradient = at::empty_like(logits);
  const at::Tensor total = at::empty({}, logits.options().requires_grad(false));
  Kernels kernels(logits, call, *gradient);
  call->launched = (!call->program.has_ratios || kernels.Ratios(logits.size(1))) &&
                   kernels.Fuse(call->terms, total);
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

at::Tensor GradientBy(const at::Tensor& logits, const at::Tensor& total) {
  return torch::autograd::grad({total}, {logits})[0];
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
  const std::string key =
      absl::StrCat(reinterpret_cast<uintptr_t>(ProgramOf(program.source)), " ", device.str(), " ",
                   like.dim(), ClassesLast(like) ? " last" : "");
  return checks.Agree(
      key, "a fusion", [&] { return kernels::GpuProgram::CardOf(device); }, by_kernel,
      by_operators);
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

GpuSource MakeGpuSource(const std::vector<GpuTerm>& terms, int64_t classes, int64_t epoch,
                        bool for_gpu) {
  GpuSource made;
  std::string forms, ratio_forms;
  std::vector<size_t> places;
  std::vector<int> is_ratio;  // 1 by image, 2 of the whole batch
  const std::vector<float>* log_weights = nullptr;
  bool uses_dp = false;
  for (size_t k = 0; k < terms.size(); ++k) {
    const GpuTerm& term = terms[k];
    const std::string form = term.Form();
    if (form.empty()) return {};
    const size_t place = made.parameters.size();
    places.push_back(place);
    const std::string parameter =
        absl::StrCat("#undef P\n#define P(i) parameters.values[", place + 1, " + (i)]\n");
    made.parameters.push_back(static_cast<float>(term.weight));
    if (term.ratio != nullptr) {
      absl::StrAppend(&ratio_forms, parameter, "RATIO_TERM(", k, ", ", form, ")\n");
      Append(term.ratio->gpu_parameters(), &made.parameters);
      is_ratio.push_back(term.ratio->whole_batch() ? 2 : 1);
      made.has_ratios = uses_dp = true;
      continue;
    }
    absl::StrAppend(&forms, parameter, "TERM(", k, ", ", place, ", ", form, ")\n");
    Append(term.pixel->gpu_parameters(classes, epoch), &made.parameters);
    is_ratio.push_back(0);
    uses_dp = uses_dp || term.pixel->uses_dp();
    if (term.pixel->log_weights() != nullptr) log_weights = term.pixel->log_weights();
  }
  const size_t logs = made.parameters.size();
  if (log_weights != nullptr) {
    Append(*log_weights, &made.parameters);
    made.parameters.resize(logs + classes, 1);
  }
  if (classes > kMostClasses || made.parameters.size() > kMostGpuParameters) return {};
  made.source = absl::StrCat(
      for_gpu ? kPrelude : "", "#define CLASSES ", classes, "\n#define TERMS ", terms.size(),
      "\n#define USES_DP ", uses_dp ? 1 : 0, "\n#define USES_LOGS ", log_weights != nullptr ? 1 : 0,
      "\n#define RATIOS ", made.has_ratios ? 1 : 0, "\n#define LOGS ", logs, "\n#define MOST ",
      kMostGpuParameters, "\n#define PLACES ", absl::StrJoin(places, ", "), "\n#define RATIO ",
      absl::StrJoin(is_ratio, ", "), "\n",
      absl::StrReplaceAll(kSource, {{"    FORMS\n", forms}, {"    RATIO_FORMS\n", ratio_forms}}));
  return made;
}

FusedOnGpu FuseOnGpu(const at::Tensor& given, const at::Tensor& labels, const at::Tensor& weight,
                     int64_t epoch, const std::vector<GpuTerm>& terms, const Operators* operators) {
  const bool in_place = given.is_contiguous() ||
                        (given.dim() == 4 && given.is_contiguous(at::MemoryFormat::ChannelsLast));
  const at::Tensor logits = in_place ? given : given.contiguous();
  if (terms.empty() || logits.numel() == 0) return {};
  const GpuSource program = MakeGpuSource(terms, logits.size(1), epoch);
  if (program.source.empty()) return {};
  if (operators != nullptr && !Agree(program, logits, epoch, terms, *operators)) return {};
  const at::Tensor ready = labels.contiguous();
  const at::Tensor weights = weight.defined() ? weight.to(at::kFloat).contiguous() : at::Tensor();
  Call call = {ready,
               weights,
               program,
               static_cast<int64_t>(terms.size()),
               c10::GradMode::is_enabled() && logits.requires_grad(),
               false,
               {}};
  const at::Tensor total = GpuNode::apply(logits, &call);
  if (!call.launched) return {};
  return {total, call.account};
}

}  // namespace losses
