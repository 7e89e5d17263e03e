// Losses as curves, for the verb `plot`: of one sample against the probability of its class, or,
// for ratios of sums over an image, against the overlap with an object.
#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/scalar_tensor.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>

#include "losses/loss.h"
#include "pipeline/plotter.h"

namespace losses {
namespace {

using pipeline::Curve;

constexpr int kPoints = 400;
constexpr double kNear = 1e-6;
// Of an image's pixels, those of the object whose overlap is drawn.
constexpr double kObject = 0.1;

// A batch of two classes whose logits depend on x.
struct Batch {
  at::Tensor logits, target, weight;
};

// Logits [1, 2, ...] whose softmax is (p, 1 - p).
at::Tensor LogitsOf(const at::Tensor& p) {
  const at::Tensor inside = p.clamp(1e-9, 1 - 1e-9);
  return at::stack({inside.log(), (1 - inside).log()}, 0).unsqueeze(0);
}

// A sample of class 0, which is given the probability x.
Batch OneSample(const at::Tensor& x) {
  return {LogitsOf(x), at::zeros({1}, at::kLong), at::ones({1}, at::kDouble)};
}

// An image of two pixels, which stand for the object (class 0) and what is around it by their
// weights, given the probabilities `object` and `around` of the object.
Batch OneImage(const at::Tensor& object, const at::Tensor& around) {
  return {LogitsOf(at::stack({object, around}).unsqueeze(0)),
          at::tensor({0, 1}, at::kLong).view({1, 1, 2}),
          at::tensor({2 * kObject, 2 - 2 * kObject}, at::kDouble).view({1, 1, 2})};
}

// Nothing is called object that is not, but only a share of it: the overlap (intersection over
// union) is that share.
Batch Missed(const at::Tensor& overlap) { return OneImage(overlap, overlap * 0); }

// The whole object is found, and more.
Batch Spilled(const at::Tensor& overlap) {
  return OneImage(overlap * 0 + 1, kObject / (1 - kObject) * (1 / overlap - 1));
}

Curve CurveOf(Loss* loss, Batch (*batch_at)(const at::Tensor&), double from, double to) {
  Curve curve;
  const pipeline::Step step;
  for (int i = 0; i <= kPoints; ++i) {
    const double at = from + (to - from) * i / kPoints;
    // At an end itself a logarithm has no slope.
    const double inside = std::clamp(at, from + kNear, to - kNear);
    const at::Tensor x = at::scalar_tensor(inside, at::kDouble).requires_grad_();
    const Batch batch = batch_at(x);
    const LossValue value = (*loss)(LossInput(step, batch.logits, batch.target, batch.weight));
    const at::Tensor mean = value.sum.sum() / value.weight.sum();
    curve.x.push_back(at);
    curve.value.push_back(mean.item<double>());
    double slope = 0;  // of a loss that does not look at the logits
    if (mean.requires_grad()) slope = torch::autograd::grad({mean}, {x})[0].item<double>();
    curve.slope.push_back(slope);
  }
  return curve;
}

bool IsRatio(Loss* loss) {
  for (const auto& [part, weight] : loss->PartsAt({})) {
    if (part->ratio_form() != nullptr) return true;
  }
  return false;
}

absl::StatusOr<std::vector<Curve>> Draw(const google::protobuf::Any& plugin) {
  auto made = Losses::Get().Create(plugin);
  if (!made.ok()) return made.status();
  Loss* loss = made->get();
  const absl::Status fits = loss->Prepare({2, {1, 1}, {}, {}});
  if (!fits.ok()) {
    return absl::Status(fits.code(),
                        std::string(fits.message()) + " (a loss is drawn for two classes)");
  }
  pipeline::Axes axes;
  axes.value = "loss";
  if (!IsRatio(loss)) {
    Curve curve = CurveOf(loss, OneSample, 0, 1);
    axes.x = "probability p of the true class";
    axes.slope = "slope d loss / d p";
    axes.from = 0.15;  // beyond it a logarithm's slope would flatten all else
    axes.to = 0.97;
    curve.axes = axes;
    return std::vector<Curve>{curve};
  }
  Curve missed = CurveOf(loss, Missed, 0, 1);
  Curve spilled = CurveOf(loss, Spilled, kObject, 1);
  axes.x = "overlap with an object of a tenth of the image (IoU)";
  axes.slope = "slope d loss / d overlap";
  axes.note = "solid: a part of the object is missed; dashed: all of it is found, and more";
  axes.from = 2 * kObject;
  axes.to = 0.97;
  missed.axes = spilled.axes = axes;
  spilled.dashed = true;
  return std::vector<Curve>{missed, spilled};
}

const pipeline::Plotter plotter("losses", Draw);

}  // namespace
}  // namespace losses
