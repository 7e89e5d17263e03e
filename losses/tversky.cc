// Tversky loss.
#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>

#include <algorithm>
#include <cmath>

#include "losses/loss.h"
#include "losses/overlap.h"
#include "losses/tversky.pb.h"

namespace losses {
namespace {

// Below it a power less than 1 would have an unbounded slope; squares of its slope fit a float.
constexpr double kSmallest = 1e-18;

}  // namespace

class Tversky : public Loss, public RatioLoss {
 public:
  explicit Tversky(const TverskyOptions& options) : options_(options) {}

  LossValue operator()(const LossInput& input) override {
    const Overlap sums =
        SumOverlap(input, options_.sums() == TverskyOptions::PER_BATCH, /*squared=*/false);
    const at::Tensor false_positives = sums.probability - sums.intersection;
    const at::Tensor false_negatives = sums.target - sums.intersection;
    // 1 - ratio as one fraction: a difference would lose the digits of a small loss.
    const at::Tensor wrong = options_.alpha() * false_positives + options_.beta() * false_negatives;
    at::Tensor loss = (wrong + (options_.smooth_denominator() - options_.smooth_numerator())) /
                      (sums.intersection + wrong + options_.smooth_denominator());
    if (options_.gamma() != 1) loss = loss.clamp_min(kSmallest).pow(options_.gamma());
    return PerUnit(sums, loss.mean(1));
  }

  const RatioLoss* ratio_form() const override { return this; }
  bool whole_batch() const override { return options_.sums() == TverskyOptions::PER_BATCH; }

  double Ratio(const ClassSums& sums, const RatioGradient& gradient) const override {
    const double alpha = options_.alpha(), beta = options_.beta(), gamma = options_.gamma();
    double total = 0;
    for (int c = 0; c < sums.classes; ++c) {
      const double above = sums.both[c] + options_.smooth_numerator();
      const double below = sums.both[c] + alpha * (sums.p[c] - sums.both[c]) +
                           beta * (sums.t[c] - sums.both[c]) + options_.smooth_denominator();
      double loss = (below - above) / below;
      // d(1 - above / below) = (above d(below) - below d(above)) / below^2.
      double slope = 1 / (below * below) / sums.classes;
      if (gamma != 1) {
        slope *= loss > kSmallest ? gamma * std::pow(loss, gamma - 1) : 0;
        loss = std::pow(std::max(loss, kSmallest), gamma);
      }
      total += loss;
      gradient.constant[c] = slope * above * alpha;
      gradient.on_target[c] = slope * (above * (1 - alpha - beta) - below);
    }
    return total / sums.classes;
  }

  std::string gpu_form() const override {
    return R"({
      const double alpha = P(0), beta = P(1), gamma = P(2), smallest = 1e-18;
      for (int c = 0; c < CLASSES; ++c) {
        const double above = both[c] + P(3);
        const double below = both[c] + alpha * (p[c] - both[c]) + beta * (t[c] - both[c]) + P(4);
        double part = (below - above) / below, slope = 1 / (below * below) / CLASSES;
        if (gamma != 1) {
          slope *= part > smallest ? gamma * pow(part, gamma - 1) : 0;
          part = pow(part > smallest ? part : smallest, gamma);
        }
        loss += part / CLASSES;
        constant[c] = slope * above * alpha;
        on_target[c] = slope * (above * (1 - alpha - beta) - below);
      }
    })";
  }
  std::vector<float> gpu_parameters() const override {
    return {static_cast<float>(options_.alpha()), static_cast<float>(options_.beta()),
            static_cast<float>(options_.gamma()), static_cast<float>(options_.smooth_numerator()),
            static_cast<float>(options_.smooth_denominator())};
  }

 private:
  const TverskyOptions options_;
};

REGISTER_PLUGIN(Losses, Tversky);

}  // namespace losses
