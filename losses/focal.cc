// Focal loss.
#include <ATen/ATen.h>

#include "losses/focal.pb.h"
#include "losses/loss.h"

namespace losses {

// (1 - p)^gamma is exp(gamma log(1 - p)): its slope stays finite where p is 1 and gamma below 1, at
// which the usual form gives NaN.
class Focal : public Loss {
 public:
  explicit Focal(const FocalOptions& options)
      : gamma_(options.gamma()), alpha_(options.alpha().begin(), options.alpha().end()) {}

  absl::Status Check(int64_t classes) const override {
    if (alpha_.size() <= 1 || static_cast<int64_t>(alpha_.size()) == classes) {
      return absl::OkStatus();
    }
    return pipeline::OptionError(
        "alpha", absl::StrCat("alpha has ", alpha_.size(), " values for ", classes, " classes"));
  }

  LossValue operator()(const LossInput& input) override {
    at::Tensor loss = -AtTarget(input, input.log_probabilities());
    if (gamma_ != 0) loss = loss * (AtTarget(input, input.log_complements()) * gamma_).exp();
    if (alpha_.size() == 1) loss = loss * alpha_[0];
    if (alpha_.size() > 1) {
      loss = loss * at::tensor(alpha_, input.logits().options()).index({input.target()});
    }
    return PerSample(input, loss);
  }

 private:
  const double gamma_;
  const std::vector<double> alpha_;
};

REGISTER_PLUGIN(Losses, Focal);

}  // namespace losses
