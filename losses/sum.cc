// Several losses as one term.
#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/ones_like.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>

#include "absl/strings/str_cat.h"
#include "losses/loss.h"
#include "losses/sum.pb.h"

namespace losses {

class Sum : public Loss {
 public:
  static absl::StatusOr<std::unique_ptr<Sum>> Create(const SumOptions& options) {
    if (options.loss_weights_size() > 0 && options.loss_weights_size() != options.term_size()) {
      return pipeline::OptionError("loss_weights",
                                   absl::StrCat("loss_weights has ", options.loss_weights_size(),
                                                " values for ", options.term_size(), " terms"));
    }
    auto sum = std::make_unique<Sum>();
    for (int i = 0; i < options.term_size(); ++i) {
      auto loss = Losses::Get().Create(options.term(i));
      if (!loss.ok()) return pipeline::Within(absl::StrCat("term[", i, "]"), loss.status());
      sum->terms_.emplace_back(*std::move(loss),
                               options.loss_weights_size() > 0 ? options.loss_weights(i) : 1.0);
    }
    if (sum->terms_.empty()) {
      return absl::InvalidArgumentError("[losses/Sum] needs at least one term");
    }
    return sum;
  }

  absl::Status Prepare(const Classes& classes) override {
    for (size_t i = 0; i < terms_.size(); ++i) {
      const absl::Status status = terms_[i].first->Prepare(classes);
      if (!status.ok()) return pipeline::Within(absl::StrCat("term[", i, "]"), status);
    }
    return absl::OkStatus();
  }

  std::vector<std::pair<Loss*, double>> PartsAt(const pipeline::Step& step) override {
    std::vector<std::pair<Loss*, double>> parts;
    for (const auto& [loss, weight] : terms_) {
      for (const auto& [part, factor] : loss->PartsAt(step)) {
        parts.emplace_back(part, weight * loss->WeightAt(step) * factor);
      }
    }
    return parts;
  }

  // The sum of the means, as one unit of weight 1.
  LossValue operator()(const LossInput& input) override {
    at::Tensor total = at::zeros({1}, input.logits().options());
    for (const auto& [part, weight] : PartsAt(input.step())) {
      const LossValue value = (*part)(input);
      const at::Tensor amount = value.weight.sum();
      const at::Tensor mean =
          value.sum.sum() / at::where(amount > 0, amount, at::ones_like(amount));
      total = total + mean * weight;
    }
    return {total, at::ones({1}, input.logits().options())};
  }

 private:
  std::vector<std::pair<std::unique_ptr<Loss>, double>> terms_;
};

REGISTER_PLUGIN(Losses, Sum);

}  // namespace losses
