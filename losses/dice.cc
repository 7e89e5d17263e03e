// Dice loss.
#include <ATen/ATen.h>

#include "losses/dice.pb.h"
#include "losses/loss.h"
#include "losses/overlap.h"

namespace losses {

class Dice : public Loss {
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

 private:
  const DiceOptions options_;
};

REGISTER_PLUGIN(Losses, Dice);

}  // namespace losses
