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

 private:
  const DiceOptions options_;
};

REGISTER_PLUGIN(Losses, Dice);

}  // namespace losses
