// Difference between confidence and frequency, by class.
#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/ones_like.h>
#include <ATen/ops/where.h>

#include <cmath>

#include "losses/calibration.pb.h"
#include "losses/loss.h"
#include "losses/overlap.h"

namespace losses {

class Calibration : public Loss, public RatioLoss {
 public:
  explicit Calibration(const CalibrationOptions&) {}

  LossValue operator()(const LossInput& input) override {
    const Overlap sums = SumOverlap(input, /*whole_batch=*/true, /*squared=*/false);
    const at::Tensor amount = at::where(sums.amount > 0, sums.amount, at::ones_like(sums.amount));
    return PerUnit(sums, ((sums.probability - sums.target).abs() / amount.unsqueeze(1)).mean(1));
  }

  const RatioLoss* ratio_form() const override { return this; }
  bool whole_batch() const override { return true; }

  double Ratio(const ClassSums& sums, const RatioGradient& gradient) const override {
    double total = 0;
    for (int c = 0; c < sums.classes; ++c) {
      const double distance = sums.p[c] - sums.t[c];
      total += std::abs(distance);
      const double sign = distance > 0 ? 1 : distance < 0 ? -1 : 0;
      gradient.constant[c] = sign / sums.amount / sums.classes;
    }
    return total / sums.amount / sums.classes;
  }

  std::string gpu_form() const override {
    return R"({
      for (int c = 0; c < CLASSES; ++c) {
        const double distance = p[c] - t[c];
        loss += fabs(distance) / amount / CLASSES;
        constant[c] = (distance > 0 ? 1 : distance < 0 ? -1 : 0) / amount / CLASSES;
      }
    })";
  }
};

REGISTER_PLUGIN(Losses, Calibration);

}  // namespace losses
