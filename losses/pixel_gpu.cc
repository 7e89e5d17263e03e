// Making, starting and differentiating the kernels of pixel_kernel.cu.
#include "losses/pixel_gpu.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/full.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <map>
#include <memory>
#include <mutex>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "kernels/gpu_program.h"

namespace losses {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

constexpr int64_t kMostClasses = 64;  // that a thread's registers are asked to hold
constexpr uint32_t kThreads = 256, kFinishThreads = 256;

constexpr char kPrelude[] =
#include "kernels/gpu_prelude.inc"
    ;
constexpr char kSource[] =
#include "losses/pixel_kernel.inc"
    ;

// As in pixel_kernel.cu.
struct Parameters {
  float values[kMostPixelParameters] = {};
};
struct Layout {
  long long pixels, inner, image_stride, pixel_stride, class_stride;
};

Layout LayoutOf(const at::Tensor& logits) {
  const int64_t classes = logits.size(1), inner = logits.dim() == 2 ? 1 : logits[0][0].numel();
  const bool last = logits.dim() == 4 && !logits.is_contiguous();
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

struct Call {
  const at::Tensor& labels;
  const at::Tensor& weight;
  const PixelProgram& program;
  int64_t terms;
  bool with_gradient;
  bool launched = false;
  at::Tensor account;
};

// The total; its gradient is saved.
at::Tensor Launch(const at::Tensor& logits, Call* call, at::Tensor* gradient) {
  kernels::GpuProgram* const program = ProgramOf(call->program.source);
  const at::Device device = logits.device();
  const at::TensorOptions doubles = logits.options().dtype(at::kDouble).requires_grad(false);
  Layout layout = LayoutOf(logits);
  const auto count = static_cast<double>(layout.pixels);
  const at::Tensor amount =
      call->weight.defined() ? call->weight.sum(at::kDouble) : at::full({}, count, doubles);
  const uint32_t blocks = kernels::GpuProgram::Blocks(device, layout.pixels, kThreads);
  const at::Tensor sums = at::empty({blocks, call->terms}, doubles);
  call->account = at::empty({2, call->terms}, doubles);
  const at::Tensor total = at::empty({}, logits.options().requires_grad(false));
  if (call->with_gradient) *gradient = at::empty_like(logits);
  Parameters parameters;
  std::copy(call->program.parameters.begin(), call->program.parameters.end(), parameters.values);
  const auto pointer = [](const at::Tensor& tensor) {
    return tensor.defined() ? tensor.data_ptr() : nullptr;
  };
  const void *z = pointer(logits), *y = pointer(call->labels), *w = pointer(call->weight);
  void *n = pointer(amount), *to = pointer(*gradient), *parts = pointer(sums);
  void *account = pointer(call->account), *result = pointer(total);
  void* arguments[] = {&z, &y, &w, &n, &to, &parts, &layout, &parameters};
  auto count_of_blocks = static_cast<int>(blocks);
  void* last[] = {&parts, &count_of_blocks, &n, &account, &result, &parameters};
  call->launched = program->Launch("Fuse", device, {blocks, kThreads}, arguments) &&
                   program->Launch("Finish", device, {1, kFinishThreads}, last);
  return total;
}

class PixelNode : public torch::autograd::Function<PixelNode> {
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

}  // namespace

PixelProgram PixelSource(const std::vector<PixelTerm>& terms, int64_t classes, int64_t epoch,
                         bool for_gpu) {
  PixelProgram program;
  std::string forms;
  std::vector<size_t> places;
  const std::vector<float>* log_weights = nullptr;
  bool uses_dp = false;
  for (size_t k = 0; k < terms.size(); ++k) {
    const PixelLoss& loss = *terms[k].loss;
    const std::string form = loss.gpu_form();
    if (form.empty()) return {};
    const size_t place = program.parameters.size();
    places.push_back(place);
    absl::StrAppend(&forms, "#define P(i) parameters.values[", place + 1, " + (i)]\nTERM(", k, ", ",
                    place, ", ", form, ")\n#undef P\n");
    program.parameters.push_back(static_cast<float>(terms[k].weight));
    const std::vector<float> own = loss.gpu_parameters(classes, epoch);
    program.parameters.insert(program.parameters.end(), own.begin(), own.end());
    uses_dp = uses_dp || loss.uses_dp();
    if (loss.log_weights() != nullptr) log_weights = loss.log_weights();
  }
  const size_t logs = program.parameters.size();
  if (log_weights != nullptr) {
    program.parameters.insert(program.parameters.end(), log_weights->begin(), log_weights->end());
    program.parameters.resize(logs + classes, 1);
  }
  if (classes > kMostClasses || program.parameters.size() > kMostPixelParameters) return {};
  std::string source = kSource;
  const std::string mark = "    FORMS\n";
  source.replace(source.find(mark), mark.size(), forms);
  program.source = absl::StrCat(
      for_gpu ? kPrelude : "", "#define CLASSES ", classes, "\n#define TERMS ", terms.size(),
      "\n#define USES_DP ", uses_dp ? 1 : 0, "\n#define USES_LOGS ", log_weights != nullptr ? 1 : 0,
      "\n#define LOGS ", logs, "\n#define MOST ", kMostPixelParameters, "\n#define PLACES ",
      absl::StrJoin(places, ", "), "\n", source);
  return program;
}

FusedPixels FuseOnGpu(const at::Tensor& given, const at::Tensor& labels, const at::Tensor& weight,
                      int64_t epoch, const std::vector<PixelTerm>& terms) {
  const bool in_place = given.is_contiguous() ||
                        (given.dim() == 4 && given.is_contiguous(at::MemoryFormat::ChannelsLast));
  const at::Tensor logits = in_place ? given : given.contiguous();
  if (terms.empty() || logits.numel() == 0) return {};
  const PixelProgram program = PixelSource(terms, logits.size(1), epoch);
  if (program.source.empty()) return {};
  const at::Tensor ready = labels.contiguous();
  const at::Tensor weights = weight.defined() ? weight.to(at::kFloat).contiguous() : at::Tensor();
  Call call = {ready,
               weights,
               program,
               static_cast<int64_t>(terms.size()),
               c10::GradMode::is_enabled() && logits.requires_grad(),
               false,
               {}};
  const at::Tensor total = PixelNode::apply(logits, &call);
  if (!call.launched) return {};
  return {total, call.account};
}

}  // namespace losses
