// Tversky loss.
#include <ATen/ATen.h>

#include "losses/loss.h"
#include "losses/overlap.h"
#include "losses/tversky.pb.h"

namespace losses {
namespace {

// Below it a power less than 1 would have an unbounded slope.
constexpr double kSmallest = 1e-7;

}  // namespace

class Tversky : public Loss {
 public:
  explicit Tversky(const TverskyOptions& options) : options_(options) {}

  LossValue operator()(const LossInput& input) override {
    const Overlap sums =
        SumOverlap(input, options_.sums() == TverskyOptions::PER_BATCH, /*squared=*/false);
    const at::Tensor false_positives = sums.probability - sums.intersection;
    const at::Tensor false_negatives = sums.target - sums.intersection;
    at::Tensor loss = 1 - (sums.intersection + options_.smooth_numerator()) /
                              (sums.intersection + options_.alpha() * false_positives +
                               options_.beta() * false_negatives + options_.smooth_denominator());
    if (options_.gamma() != 1) loss = loss.clamp_min(kSmallest).pow(options_.gamma());
    return PerUnit(sums, loss.mean(1));
  }

 private:
  const TverskyOptions options_;
};

REGISTER_PLUGIN(Losses, Tversky);

}  // namespace losses
