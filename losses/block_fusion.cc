// Two passes over blocks of pixels: class sums for the losses of ratios, then values and gradients.
#include "losses/block_fusion.h"

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty_like.h>

#include <algorithm>
#include <optional>

#include "kernels/simd.h"
#include "losses/block_gradient.h"
#include "losses/block_memory.h"
#include "losses/block_ratios.h"
#include "losses/block_softmax.h"
#include "losses/block_weights.h"

namespace losses {
namespace {

using kernels::Select;
using kernels::Vectorized;

class Fusion {
 public:
  Fusion(const at::Tensor& logits, const at::Tensor& labels, const float* weight, int64_t epoch,
         const std::vector<BlockTerm>& terms, const pipeline::Processes* processes)
      : layout_(logits),
        blocks_(layout_),
        softmax_(layout_, blocks_.stride, logits.data_ptr<float>(), labels.data_ptr<int64_t>(),
                 weight),
        units_(layout_, blocks_, weight),
        total_(units_.total),
        epoch_(epoch),
        terms_(terms),
        processes_(processes) {
    bool has_ratios = false;
    for (const BlockTerm& term : terms) {
      has_ratios = has_ratios || term.ratio != nullptr;
      if (term.pixel == nullptr) continue;
      has_pixels_ = true;
      used_.dp = used_.dp || term.pixel->uses_dp();
      if (term.pixel->log_weights() != nullptr) log_weights_ = *term.pixel->log_weights();
      uses_logs_ = uses_logs_ || term.pixel->log_weights() != nullptr;
    }
    used_.dp = used_.dp || has_ratios;
    log_weights_.resize(layout_.classes, 1);
    if (uses_logs_) used_.log_weights = &log_weights_;
    if (has_ratios) ratios_.emplace(layout_, blocks_, units_, terms_);
  }

  // `gradient` may be nullptr.
  void Run(float* gradient, BlockResult* result) {
    result->sums.assign(terms_.size(), 0);
    result->amounts.assign(terms_.size(), 0);
    if (ratios_.has_value()) AddUpClasses(gradient);
    if (processes_ != nullptr) ShareTotals();
    for (size_t k = 0; k < terms_.size(); ++k) {
      if (terms_[k].pixel != nullptr) result->amounts[k] = total_;
    }
    if (ratios_.has_value()) ratios_->Finish(total_, result);
    if (gradient != nullptr || has_pixels_) Differentiate(gradient, result);
    if (processes_ != nullptr) ShareSums(result);
  }

 private:
  // Calls body(block, scratch) for every block.
  template <class Body>
  void ForBlocks(const Body& body) const {
    const auto range = [&](int64_t begin, int64_t end) {
      Scratch scratch(layout_.classes, blocks_.stride);
      for (int64_t block = begin; block < end; ++block) body(block, &scratch);
    };
    if (blocks_.count == 1) return range(0, 1);
    at::parallel_for(0, blocks_.count, 1, range);
  }

  // What divides, of all processes.
  void ShareTotals() {
    std::vector<double> totals = {total_};
    if (ratios_.has_value())
      totals.insert(totals.end(), ratios_->totals().begin(), ratios_->totals().end());
    totals = processes_->Sum(totals);
    total_ = totals[0];
    if (ratios_.has_value()) ratios_->totals().assign(totals.begin() + 1, totals.end());
  }

  // A ratio over the whole batch is the same on all, and counts once.
  void ShareSums(BlockResult* result) const {
    for (size_t k = 0; k < terms_.size(); ++k) {
      const bool shared = terms_[k].ratio != nullptr && terms_[k].ratio->whole_batch();
      if (shared && processes_->rank() > 0) result->sums[k] = 0;
    }
    result->sums = processes_->Sum(result->sums);
  }

  // Leaves the probabilities in `gradient`, if there is one.
  void AddUpClasses(float* gradient) {
    ForBlocks([&](int64_t block, Scratch* s) {
      const Span span = blocks_.SpanOf(block);
      softmax_.LoadLabels(span, s);
      softmax_.Exponentiate(span, s);
      ratios_->AddBlock(block, s);
      if (gradient != nullptr) softmax_.Keep(span, *s, gradient);
    });
    ratios_->AddUp();
  }

  void Differentiate(float* gradient, BlockResult* result) const {
    const size_t terms = terms_.size();
    std::vector<double> by_block(blocks_.count * terms);
    ForBlocks([&](int64_t block, Scratch* s) {
      const Span span = blocks_.SpanOf(block);
      softmax_.LoadLabels(span, s);
      if (ratios_.has_value() && gradient != nullptr) {
        softmax_.Restore(span, gradient, s);
      } else {
        softmax_.Exponentiate(span, s);
      }
      softmax_.Normalize(span, s);
      if (uses_logs_) softmax_.SumLogs(span, log_weights_, s);
      Start(span, s);
      for (size_t k = 0; k < terms; ++k) {
        if (terms_[k].pixel != nullptr) by_block[block * terms + k] = AddPixelLoss(terms_[k], s);
      }
      if (gradient != nullptr) {
        StoreGradient(layout_, span, blocks_.stride, used_, s, gradient);
      }
    });
    for (int64_t block = 0; block < blocks_.count; ++block) {
      for (size_t k = 0; k < terms; ++k) result->sums[k] += by_block[block * terms + k];
    }
  }

  // Derivatives begin with what the losses of ratios give.
  void Start(const Span& span, Scratch* s) const {
    const int stride = blocks_.stride;
    std::fill_n(s->dlog, stride, 0.0F);
    if (uses_logs_) std::fill_n(s->dlog_sum, stride, 0.0F);
    if (!used_.dp) return;
    std::fill_n(s->dtop, stride, 0.0F);
    if (ratios_.has_value()) return ratios_->Start(span, s);
    std::fill_n(s->dp, int64_t{layout_.classes} * stride, 0.0F);
  }

  // Adds the derivatives of a term; returns the weighted sum of its values.
  double AddPixelLoss(const BlockTerm& term, Scratch* s) const {
    const int stride = blocks_.stride;
    std::fill_n(s->value, stride, 0.0F);
    Block block;
    block.classes = layout_.classes;
    block.stride = stride;
    block.p = s->p;
    block.y = s->y;
    block.log_y = s->log_y;
    block.p_y = s->p_y;
    block.rest_y = s->rest_y;
    block.rest = s->rest;
    block.excess = s->excess;
    block.log_sum = s->log_sum;
    block.value = s->value;
    block.dp = s->dp;
    block.dlog = s->dlog;
    block.dtop = s->dtop;
    block.dlog_sum = s->dlog_sum;
    block.epoch = epoch_;
    const double scale = total_ > 0 ? term.weight / total_ : 0;
    term.pixel->Add(block, static_cast<float>(scale));
    return Vectorized([&]() SIMD {
      const float* __restrict value = s->value;
      const float* __restrict weight = s->weight;
      float sum = 0;
      // Where nothing weighs, not even an infinity may count.
#pragma omp simd reduction(+ : sum)
      for (int i = 0; i < stride; ++i) sum += Select(weight[i] > 0, weight[i] * value[i], 0);
      return static_cast<double>(sum);
    });
  }

  const Layout layout_;
  const Blocks blocks_;
  const BlockSoftmax softmax_;
  const UnitWeights units_;
  double total_;  // of the weights, of all processes
  const int64_t epoch_;
  const std::vector<BlockTerm>& terms_;
  const pipeline::Processes* const processes_;
  bool has_pixels_ = false, uses_logs_ = false;
  std::vector<float> log_weights_;
  Derivatives used_;
  std::optional<BlockRatios> ratios_;
};

}  // namespace

BlockResult FuseBlocks(const at::Tensor& logits, const at::Tensor& labels, const at::Tensor& weight,
                       int64_t epoch, const std::vector<BlockTerm>& terms, bool with_gradient,
                       const pipeline::Processes* processes) {
  const bool in_place = logits.is_contiguous() ||
                        (logits.dim() == 4 && logits.is_contiguous(at::MemoryFormat::ChannelsLast));
  const at::Tensor source = in_place ? logits : logits.contiguous();
  BlockResult result;
  if (with_gradient) result.gradient = at::empty_like(source);
  if (source.numel() == 0) {
    result.sums.assign(terms.size(), 0);
    result.amounts.assign(terms.size(), 0);
    return result;
  }
  Fusion fusion(source, labels, weight.defined() ? weight.data_ptr<float>() : nullptr, epoch, terms,
                processes);
  fusion.Run(with_gradient ? result.gradient.data_ptr<float>() : nullptr, &result);
  return result;
}

}  // namespace losses
