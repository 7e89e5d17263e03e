// What a loss is. A loss sees logits and labels of one batch; weighting, ignoring and reduction are
// the fusion's (plugins/fused_loss.cc), so every loss is safe on ignored pixels.
//
// A loss is a class like this one, with its message FooOptions in foo.proto:
//   class Foo : public Loss {
//    public:
//     explicit Foo(const FooOptions& options) : options_(options) {}
//     LossValue operator()(const LossInput& input) override {
//       return PerSample(input, <a value for each label, of the shape of input.target()>);
//     }
//   };
//   REGISTER_PLUGIN(Losses, Foo);
#ifndef LOSSES_LOSS_H_
#define LOSSES_LOSS_H_

#include <ATen/core/Tensor.h>

#include "losses/block.h"
#include "pipeline/registry.h"
#include "pipeline/stage.h"

namespace losses {

// One batch. Class is dimension 1 for images [N, C] and masks [N, C, H, W] alike; a binary task has
// two classes. Views are computed when first asked for and shared by all terms of a fusion.
class LossInput {
 public:
  // logits: [N, C] or [N, C, H, W], float32 or float64 (half precision is widened to float32).
  // target: int64 [N] or [N, H, W], each in [0, C) wherever weight is not 0.
  // weight: of the target's shape and the logits' type, >= 0.
  LossInput(const pipeline::Step& step, const at::Tensor& logits, at::Tensor target,
            at::Tensor weight);

  const pipeline::Step& step() const { return step_; }
  // 0 wherever weight is 0.
  const at::Tensor& logits() const { return logits_; }
  const at::Tensor& target() const { return target_; }
  const at::Tensor& weight() const { return weight_; }
  int64_t classes() const { return logits_.size(1); }

  // log of softmax over the classes; of the logits' shape.
  const at::Tensor& log_probabilities() const;
  // Softmax over the classes; of the logits' shape.
  const at::Tensor& probabilities() const;
  // log(1 - probabilities), of the logits' shape: exact also where a probability is within rounding
  // of 1, since it is then summed from the other classes'.
  const at::Tensor& log_complements() const;
  // 1 where the target is, else 0; of the logits' shape.
  const at::Tensor& one_hot() const;

 private:
  const pipeline::Step& step_;
  const at::Tensor logits_, target_, weight_;
  mutable at::Tensor log_probabilities_, probabilities_, log_complements_, one_hot_;
};

// The weighted sum of a loss and the sum of the weights: both [N], or [1] for a ratio over the
// whole batch. The loss's value is total sum / total weight, and 0 where nothing has weight.
struct LossValue {
  at::Tensor sum;
  at::Tensor weight;
};

// What a loss may ask about the classes before the first step.
struct Classes {
  int64_t count = 0;
  std::vector<int64_t> images;     // of each class in TRAIN; empty where they are not counted
  std::vector<std::string> names;  // for messages; may be empty
  std::vector<double> weights;     // of labels by class in this fusion; empty where all weigh 1
};

// N / (C n) for a class with n of the N images: 1 on average over the images. An error where a
// class has none, or where classes are not counted.
absl::StatusOr<std::vector<double>> BalancedWeights(const Classes& classes);

class Loss {
 public:
  virtual ~Loss() = default;
  // Whether the options fit the classes; called once, before the first step.
  virtual absl::Status Prepare(const Classes& classes) { return absl::OkStatus(); }
  // Differentiable with respect to the logits.
  virtual LossValue operator()(const LossInput& input) = 0;

  // What the fusion multiplies the loss's weight by: a pure function of the step.
  virtual double WeightAt(const pipeline::Step& step) const { return 1; }

  // The same as a fast form for the processor, or nullptr: see block.h. At most one of them.
  virtual const PixelLoss* pixel_form() const { return nullptr; }
  virtual const RatioLoss* ratio_form() const { return nullptr; }
  // The losses that it is the sum of, with their weights at the step: itself, unless it only adds
  // up others (then nothing else of it is asked).
  virtual std::vector<std::pair<Loss*, double>> PartsAt(const pipeline::Step& step) {
    return {{this, 1.0}};
  }
};

// Half precision as float32; anything else as it is.
at::Tensor Widened(const at::Tensor& logits);

// For losses with one value per label: `values` of the target's shape.
LossValue PerSample(const LossInput& input, const at::Tensor& values);

// The entries of `values` ([N, C, ...]) at the target class: of the target's shape.
at::Tensor AtTarget(const LossInput& input, const at::Tensor& values);

using Losses = pipeline::Registry<Loss>;

}  // namespace losses

#endif  // LOSSES_LOSS_H_
