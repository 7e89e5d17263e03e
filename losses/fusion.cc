// Which losses take which form, and the autograd node of those in blocks.
#include "losses/fusion.h"

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/ones_like.h>
#include <ATen/ops/scalar_tensor.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/take.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <atomic>
#include <limits>

#include "absl/strings/str_cat.h"
#include "kernels/simd.h"
#include "losses/block_fusion.h"
#include "losses/fusion_gpu.h"
#include "losses/overlap.h"

namespace losses {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// What the node computes; lives as long as the call that makes it.
struct BlockCall {
  const at::Tensor& labels;
  const at::Tensor& weight;
  int64_t epoch;
  const std::vector<BlockTerm>& terms;
  bool with_gradient;
  const pipeline::Processes* processes;
  BlockResult result;
};

class BlockNode : public torch::autograd::Function<BlockNode> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& logits, BlockCall* call) {
    call->result = FuseBlocks(logits, call->labels, call->weight, call->epoch, call->terms,
                              call->with_gradient, call->processes);
    if (call->with_gradient) context->save_for_backward({call->result.gradient});
    double total = 0;
    for (size_t k = 0; k < call->terms.size(); ++k) {
      const double amount = call->result.amounts[k];
      if (amount > 0) total += call->terms[k].weight * call->result.sums[k] / amount;
    }
    return at::scalar_tensor(total, logits.options());
  }

  static variable_list backward(AutogradContext* context, const variable_list& incoming) {
    TORCH_CHECK(!c10::GradMode::is_enabled(),
                "the block form of a loss has no second derivative: use its tensor form");
    const at::Tensor gradient = context->get_saved_variables()[0];
    // Nearly always 1, and a pass over memory is saved.
    const bool one = incoming[0].item<float>() == 1;
    return {one ? gradient : gradient * incoming[0], at::Tensor()};
  }
};

bool HasBlockForm(const Loss& loss) {
  return loss.pixel_form() != nullptr || loss.ratio_form() != nullptr;
}

bool HasGpuForm(const Loss& loss) {
  return HasBlockForm(loss) && !GpuTerm{loss.pixel_form(), loss.ratio_form()}.Form().empty();
}

// Adds the terms at `which` through LibTorch's operators; sums and amounts by term.
void AddTensorForms(const LossInput& input, const std::vector<Term>& terms,
                    const std::vector<size_t>& which, FusedValue* fused,
                    std::vector<at::Tensor>* sums, std::vector<at::Tensor>* amounts) {
  for (const size_t k : which) {
    const LossValue value = (*terms[k].loss)(input);
    const at::Tensor sum = value.sum.sum(), amount = value.weight.sum();
    // Where nothing has weight the sum is 0, and so is the mean.
    const at::Tensor mean = sum / at::where(amount > 0, amount, at::ones_like(amount));
    fused->total = fused->total + mean * terms[k].weight;
    (*sums)[k] = sum.detach().to(at::kDouble);
    (*amounts)[k] = amount.detach().to(at::kDouble);
  }
}

// The same where several processes have a part of the batch.
void AddSharedForms(const LossInput& input, const std::vector<Term>& terms,
                    const std::vector<size_t>& which, const pipeline::Processes& processes,
                    FusedValue* fused, std::vector<at::Tensor>* sums,
                    std::vector<at::Tensor>* amounts) {
  const SharedSums sharing(&processes);
  std::vector<at::Tensor> own, numbers;
  for (const size_t k : which) {
    const LossValue value = (*terms[k].loss)(input);
    TORCH_CHECK(value.sum.size(0) != 1 || input.target().size(0) == 1 || SharedSums::WereAsked(),
                "a ratio over the whole batch takes its sums from losses/overlap.h where several "
                "processes train");
    own.push_back(value.sum.sum());
    numbers.push_back(own.back().detach().to(at::kDouble));
    numbers.push_back(value.weight.sum().detach().to(at::kDouble));
  }
  const at::Tensor all = processes.Sum(at::stack(numbers));
  for (size_t i = 0; i < which.size(); ++i) {
    const size_t k = which[i];
    const at::Tensor sum = (*sums)[k] = all[static_cast<int64_t>(2 * i)];
    const at::Tensor amount = (*amounts)[k] = all[static_cast<int64_t>(2 * i + 1)];
    const at::Tensor divisor = at::where(amount > 0, amount, at::ones_like(amount));
    const at::Tensor mean = own[i] / divisor.to(own[i].options());
    const at::Tensor of_all = (sum / divisor).to(own[i].options());
    // The batch's value to the bit, with the gradient of the own rows.
    fused->total = fused->total + (of_all + (mean - mean.detach())) * terms[k].weight;
  }
}

void AddForms(const LossInput& input, const std::vector<Term>& terms,
              const std::vector<size_t>& which, const pipeline::Processes* processes,
              FusedValue* fused, std::vector<at::Tensor>* sums, std::vector<at::Tensor>* amounts) {
  if (processes == nullptr) {
    AddTensorForms(input, terms, which, fused, sums, amounts);
  } else {
    AddSharedForms(input, terms, which, *processes, fused, sums, amounts);
  }
}

LossInput InputOf(const pipeline::Step& step, const at::Tensor& logits, const at::Tensor& labels,
                  const at::Tensor& weight) {
  if (!weight.defined()) {
    return LossInput(step, logits, labels, at::ones(labels.sizes(), logits.options()));
  }
  // Labels in memory were looked at.
  const at::Tensor target =
      labels.is_cpu() ? labels.clamp_min(0) : labels.clamp(0, logits.size(1) - 1);
  return LossInput(step, logits, target, weight.to(logits.scalar_type()));
}

// What is among labels.
struct Found {
  bool ignored = false;  // some that do not count
  bool wrong = false;    // some that are no class
};

constexpr int64_t kLabelsPerThread = 1 << 15;

Found Look(const at::Tensor& labels, int64_t classes) {
  const int64_t* all = labels.data_ptr<int64_t>();
  std::atomic<bool> ignored{false}, wrong{false};
  at::parallel_for(0, labels.numel(), kLabelsPerThread, [&](int64_t begin, int64_t end) {
    kernels::Vectorized([&]() SIMD {
      const int64_t* __restrict from = all + begin;
      const int64_t count = end - begin, most = classes - 1;
      int64_t below = 0, outside = 0;
      for (int64_t i = 0; i < count; ++i) {
        const int64_t negative = from[i] < 0 ? 1 : 0;
        const int64_t skipped = from[i] == pipeline::kIgnoredLabel ? 1 : 0;
        below |= negative;
        outside |= (negative & ~skipped) | (from[i] > most ? 1 : 0);
      }
      if (below != 0) ignored = true;
      if (outside != 0) wrong = true;
    });
  });
  return {ignored, wrong};
}

// True where a label is no class.
at::Tensor Wrong(const at::Tensor& labels, int64_t classes) {
  return ((labels < 0) & (labels != pipeline::kIgnoredLabel)) | (labels >= classes);
}

at::Tensor WeightsOnGpu(const at::Tensor& labels, int64_t classes,
                        const std::vector<double>& class_weights) {
  at::Tensor weight = (labels >= 0).to(at::kFloat);
  if (!class_weights.empty()) {
    const std::vector<float> table(class_weights.begin(), class_weights.end());
    const at::Tensor by_class =
        at::tensor(table, at::kFloat).to(labels.device(), /*non_blocking=*/true);
    weight = weight * at::take(by_class, labels.clamp(0, classes - 1));
  }
  return weight.masked_fill_(Wrong(labels, classes), std::numeric_limits<float>::quiet_NaN());
}

at::Tensor AccountOf(std::vector<at::Tensor> sums, const std::vector<at::Tensor>& amounts) {
  if (sums.empty()) return at::zeros({2, 0}, at::kDouble);
  sums.insert(sums.end(), amounts.begin(), amounts.end());
  return at::stack(sums).reshape({2, -1});
}

// A loss by operators, with weight 1.
FusedOnGpu FuseAlone(const LossInput& input, Loss* loss) {
  FusedValue fused;
  fused.total = at::zeros({}, input.logits().options());
  std::vector<at::Tensor> sums(1), amounts(1);
  AddTensorForms(input, {{loss, 1}}, {0}, &fused, &sums, &amounts);
  return {fused.total, AccountOf(sums, amounts)};
}

// By kernels of our own where a loss has a form for them; the rest by operators.
FusedValue FuseOnCuda(const pipeline::Step& step, const at::Tensor& logits,
                      const at::Tensor& labels, const at::Tensor& weight,
                      const std::vector<Term>& terms, const pipeline::Processes* processes) {
  std::vector<GpuTerm> gpu_terms;
  std::vector<size_t> in_kernels, others;
  for (size_t k = 0; k < terms.size(); ++k) {
    const bool fits = HasGpuForm(*terms[k].loss);
    (fits ? in_kernels : others).push_back(k);
    if (!fits) continue;
    gpu_terms.push_back(
        {terms[k].loss->pixel_form(), terms[k].loss->ratio_form(), terms[k].weight});
  }
  const Operators operators = [&](const at::Tensor& z, const at::Tensor& y, const at::Tensor& w,
                                  size_t term) {
    return FuseAlone(InputOf(step, z, y, w), terms[in_kernels[term]].loss);
  };
  const FusedOnGpu made =
      FuseOnGpu(logits, labels, weight, step.epoch, gpu_terms, &operators, processes);
  FusedValue fused;
  std::vector<at::Tensor> sums(terms.size()), amounts(terms.size());
  if (made.total.defined()) {
    fused.total = made.total;
    for (size_t i = 0; i < in_kernels.size(); ++i) {
      sums[in_kernels[i]] = made.account[0][static_cast<int64_t>(i)];
      amounts[in_kernels[i]] = made.account[1][static_cast<int64_t>(i)];
    }
    if (others.empty()) fused.account = made.account;
  } else {
    fused.total = at::zeros({}, logits.options());
    others.insert(others.end(), in_kernels.begin(), in_kernels.end());
  }
  if (others.empty()) return fused;
  AddForms(InputOf(step, logits, labels, weight), terms, others, processes, &fused, &sums,
           &amounts);
  fused.account = AccountOf(sums, amounts);
  return fused;
}

}  // namespace

absl::Status WeighLabels(const at::Tensor& labels, int64_t classes,
                         const std::vector<double>& class_weights, at::Tensor* weight) {
  *weight = at::Tensor();
  if (labels.numel() == 0) return absl::OkStatus();
  if (!labels.is_cpu()) {
    *weight = WeightsOnGpu(labels, classes, class_weights);
    return absl::OkStatus();
  }
  const at::Tensor flat = labels.contiguous();
  const Found found = Look(flat, classes);
  if (found.wrong) {
    // Losses index memory by label, so a wrong one must not get that far.
    return absl::InvalidArgumentError(absl::StrCat(
        "labels must be in [0, ", classes, ") or ", pipeline::kIgnoredLabel, " (ignored); got ",
        labels.masked_select(Wrong(labels, classes))[0].item<int64_t>()));
  }
  if (!found.ignored && class_weights.empty()) return absl::OkStatus();
  std::vector<float> table(class_weights.begin(), class_weights.end());
  if (table.empty()) table.assign(classes, 1);
  *weight = at::empty(flat.sizes(), at::kFloat);
  const int64_t* all = flat.data_ptr<int64_t>();
  float* out = weight->data_ptr<float>();
  at::parallel_for(0, flat.numel(), kLabelsPerThread, [&](int64_t begin, int64_t end) {
    kernels::Vectorized([&]() SIMD {
      const int64_t* __restrict from = all + begin;
      float* __restrict to = out + begin;
      const float* __restrict by_class = table.data();
      const int64_t count = end - begin;
      for (int64_t i = 0; i < count; ++i) {
        to[i] = kernels::Select(from[i] < 0, 0, by_class[std::max<int64_t>(from[i], 0)]);
      }
    });
  });
  return absl::OkStatus();
}

FusedValue Fuse(const pipeline::Step& step, const at::Tensor& logits, const at::Tensor& labels,
                const at::Tensor& weight, const std::vector<Term>& terms, bool use_blocks,
                const pipeline::Processes* processes) {
  const at::Tensor wide = Widened(logits);
  use_blocks = use_blocks && wide.scalar_type() == at::kFloat;
  if (use_blocks && wide.is_cuda()) {
    return FuseOnCuda(step, wide, labels, weight, terms, processes);
  }
  use_blocks = use_blocks && wide.is_cpu();
  std::vector<size_t> in_blocks, others;
  std::vector<BlockTerm> block_terms;
  for (size_t k = 0; k < terms.size(); ++k) {
    const Loss& loss = *terms[k].loss;
    if (!use_blocks || !HasBlockForm(loss)) {
      others.push_back(k);
      continue;
    }
    in_blocks.push_back(k);
    block_terms.push_back({loss.pixel_form(), loss.ratio_form(), terms[k].weight});
  }
  FusedValue fused;
  std::vector<at::Tensor> sums(terms.size()), amounts(terms.size());
  if (in_blocks.empty()) {
    fused.total = at::zeros({}, wide.options());
  } else {
    const at::Tensor ready = labels.contiguous();
    const at::Tensor weights = weight.defined() ? weight.contiguous() : weight;
    BlockCall call = {ready,
                      weights,
                      step.epoch,
                      block_terms,
                      c10::GradMode::is_enabled() && wide.requires_grad(),
                      processes,
                      {}};
    fused.total = BlockNode::apply(wide, &call);
    for (size_t i = 0; i < in_blocks.size(); ++i) {
      sums[in_blocks[i]] = at::scalar_tensor(call.result.sums[i], at::kDouble);
      amounts[in_blocks[i]] = at::scalar_tensor(call.result.amounts[i], at::kDouble);
    }
  }
  if (!others.empty()) {
    AddForms(InputOf(step, wide, labels, weight), terms, others, processes, &fused, &sums,
             &amounts);
  }
  fused.account = AccountOf(sums, amounts);
  return fused;
}

at::Tensor Gradient(const pipeline::Step& step, const at::Tensor& logits, const at::Tensor& labels,
                    const at::Tensor& weight, const std::vector<Term>& terms,
                    const pipeline::Processes* processes) {
  const c10::AutoGradMode on(true);
  const at::Tensor leaf = logits.detach().requires_grad_();
  const at::Tensor total = Fuse(step, leaf, labels, weight, terms, true, processes).total;
  if (!total.requires_grad()) return at::zeros_like(logits);
  const at::Tensor gradient =
      torch::autograd::grad({total}, {leaf}, {}, /*retain_graph=*/false,
                            /*create_graph=*/false, /*allow_unused=*/true)[0];
  return gradient.defined() ? gradient : at::zeros_like(logits);
}

}  // namespace losses
