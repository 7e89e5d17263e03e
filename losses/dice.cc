// Dice loss.
#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros_like.h>

#include "losses/dice.pb.h"
#include "losses/loss.h"
#include "losses/overlap.h"

namespace losses {

class Dice : public Loss, public RatioLoss {
 public:
  explicit Dice(const DiceOptions& options) : options_(options) {}

  LossValue operator()(const LossInput& input) override {
    const bool whole_batch = options_.sums() == DiceOptions::PER_BATCH;
    const Overlap sums = SumOverlap(input, whole_batch, options_.squared());
    const at::Tensor loss =
        1 - (2 * sums.intersection + options_.smooth_numerator()) /
                (sums.probability + sums.target + options_.smooth_denominator());
    const at::Tensor present = sums.target > 0;
    if (options_.empty() == DiceOptions::SKIP) {
      const at::Tensor kept = at::where(present, loss, at::zeros_like(loss)).sum(1);
      return PerUnit(sums, kept / present.sum(1).clamp_min(1));
    }
    if (options_.empty() == DiceOptions::CLEAN) {
      const Overlap plain = options_.squared() ? SumOverlap(input, whole_batch, false) : sums;
      const at::Tensor given = plain.probability / sums.amount.clamp_min(1e-30).unsqueeze(1);
      return PerUnit(sums, at::where(present, loss, given).mean(1));
    }
    return PerUnit(sums, loss.mean(1));
  }

  const RatioLoss* ratio_form() const override { return this; }
  bool whole_batch() const override { return options_.sums() == DiceOptions::PER_BATCH; }

  double Ratio(const ClassSums& sums, const RatioGradient& gradient) const override {
    int counted = 0;
    for (int c = 0; c < sums.classes; ++c) counted += sums.t[c] > 0 ? 1 : 0;
    if (options_.empty() != DiceOptions::SKIP) counted = sums.classes;
    if (counted == 0) return 0;
    double total = 0;
    for (int c = 0; c < sums.classes; ++c) {
      const bool present = sums.t[c] > 0;
      if (!present && options_.empty() == DiceOptions::SKIP) continue;
      if (!present && options_.empty() == DiceOptions::CLEAN) {
        total += sums.p[c] / sums.amount;
        gradient.constant[c] = 1 / sums.amount / counted;
        continue;
      }
      const double above = 2 * sums.both[c] + options_.smooth_numerator();
      const double below = (options_.squared() ? sums.p_squared : sums.p)[c] + sums.t[c] +
                           options_.smooth_denominator();
      total += 1 - above / below;
      gradient.on_target[c] = -2 / below / counted;
      const double slope = above / (below * below) / counted;
      if (options_.squared()) {
        gradient.times_p[c] = 2 * slope;
      } else {
        gradient.constant[c] = slope;
      }
    }
    return total / counted;
  }

  std::string gpu_form() const override {
    return R"({
      const bool squared = P(2) != 0, skip = P(3) == 1, clean = P(3) == 2;
      int counted = 0;
      for (int c = 0; c < CLASSES; ++c) counted += t[c] > 0 || !skip ? 1 : 0;
      for (int c = 0; c < CLASSES; ++c) {
        const bool present = t[c] > 0;
        if (!present && skip) continue;
        if (!present && clean) {
          loss += p[c] / amount / counted;
          constant[c] = 1 / amount / counted;
          continue;
        }
        const double above = 2 * both[c] + P(0);
        const double below = (squared ? p_squared[c] : p[c]) + t[c] + P(1);
        loss += (1 - above / below) / counted;
        on_target[c] = -2 / below / counted;
        const double slope = above / (below * below) / counted;
        times_p[c] = squared ? 2 * slope : 0;
        constant[c] = squared ? 0 : slope;
      }
    })";
  }
  std::vector<float> gpu_parameters() const override {
    const float empty = options_.empty() == DiceOptions::SKIP    ? 1
                        : options_.empty() == DiceOptions::CLEAN ? 2
                                                                 : 0;
    return {static_cast<float>(options_.smooth_numerator()),
            static_cast<float>(options_.smooth_denominator()), options_.squared() ? 1.0F : 0.0F,
            empty};
  }

 private:
  const DiceOptions options_;
};

REGISTER_PLUGIN(Losses, Dice);

}  // namespace losses
